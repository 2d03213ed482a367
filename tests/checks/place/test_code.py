"""The code that an author wrote, behind whatever it is called through."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from gradcheck_cli.checks.diagnosis.place.source import code_of
from gradcheck_cli.layers.dense.affine import affine_backward


def written(dout: Any, cache: Any) -> Any:
    return dout * cache


class Layer:
    def backward(self, dout: Any) -> Any:
        return dout

    @staticmethod
    def static(dout: Any) -> Any:
        return dout

    @classmethod
    def of_class(cls, dout: Any) -> Any:
        return dout

    def __call__(self, dout: Any) -> Any:
        return dout


class Hostile:
    def __getattribute__(self, name: str) -> Any:
        raise SystemError(name)


class Wrapped:
    """Says that it wraps itself."""

    @property
    def __wrapped__(self) -> Any:
        return self


def plainly_decorated(function: Any, other: Any = None) -> Any:
    def wrapper(*args: Any) -> Any:
        return (other or function)(function(*args))

    return wrapper


def test_code_is_found_behind_wrappers() -> None:
    methods = {name: getattr(Layer, name).__code__ for name in ("backward", "static")}
    of_class = vars(Layer)["of_class"].__func__.__code__
    for function, code in (
        (written, written.__code__),
        (functools.partial(written, cache=2), written.__code__),
        (functools.partial(functools.partial(written), 1), written.__code__),
        (functools.wraps(written)(plainly_decorated(written)), written.__code__),
        (Layer.backward, methods["backward"]),
        (Layer().backward, methods["backward"]),
        (vars(Layer)["static"], methods["static"]),
        (vars(Layer)["of_class"], of_class),
        (Layer.of_class, of_class),
        (Layer(), Layer.__call__.__code__),
    ):
        assert code_of(function) is code, function


def test_a_wrapper_is_looked_through_only_for_the_name_that_was_asked_for() -> None:
    wrapper = plainly_decorated(written, test_code_is_found_behind_wrappers)
    assert code_of(wrapper, "written") is written.__code__
    assert code_of(wrapper, "another") is wrapper.__code__
    assert code_of(wrapper) is wrapper.__code__


def test_what_is_no_code_of_the_user_has_none() -> None:
    for function in (None, 3, np.tanh, len, print, affine_backward, np.pad, Hostile(), Wrapped(), Layer):
        assert code_of(function) is None, function
