"""Functions that return their backward pass: `def f(x): ...; return out, backward`."""

from __future__ import annotations

import inspect
from types import CodeType
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.calling import call
from gradcheck_cli.implementation.conventions.slots import is_cotangent
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a backward pass is called that is defined within the forward pass.
_INNER = ("backward", "back", "bwd", "bw", "bprop", "backprop", "vjp", "vjpfun", "pullback", "pb", "grad", "gradient")


def with_backward(objects: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a forward and a backward pass for one function that makes its backward pass; anything else as it is.

    What it returns beside its output is the cache, and backward calls that.
    """
    inner = _inner_backward(objects[0]) if len(objects) == 1 else None
    if inner is None:
        return objects

    def backward(*arguments: Any) -> Any:
        *cotangents, made = arguments
        return call(made, *cotangents)

    names = (*inner.co_varnames[: inner.co_argcount], "cache")
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    backward.__name__ = "backward" if inner.co_name == "<lambda>" else inner.co_name
    backward.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    backward.__wrapped__ = objects[0]  # type: ignore[attr-defined]  # where it is written
    return objects[0], backward


def makes_backward(function: Callable[..., Any]) -> bool:
    """Tell whether a function has a function in it that may be its backward pass."""
    return _inner_backward(function) is not None


def _inner_backward(function: Callable[..., Any]) -> CodeType | None:
    """Return the code of the inner function that is called like a backward pass, or else takes a cotangent."""
    if not inspect.isfunction(function):
        return None
    constants = inspect.unwrap(function).__code__.co_consts
    codes = [one for one in constants if isinstance(one, CodeType) and not one.co_name.startswith("<gen")]
    named = [one for one in codes if word(one.co_name) in _INNER]
    taking = [one for one in codes if one.co_argcount and is_cotangent(one.co_varnames[0])]
    return next(iter(named or taking), None)
