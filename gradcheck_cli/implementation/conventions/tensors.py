"""PyTorch tensors: code that computes with them is given tensors, and what it returns is made arrays."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

_TORCH = "torch"


def uses_tensors(code: Any) -> bool:
    """Tell whether a function or class may compute with tensors: its file has something of PyTorch, or its base is."""
    if _TORCH not in sys.modules:
        return False
    if inspect.isclass(code):
        own = filter(inspect.isfunction, list(vars(code).values()))
        return any(map(is_of_torch, code.__mro__)) or any(map(uses_tensors, own))
    space = getattr(inspect.unwrap(code), "__globals__", {}) if callable(code) else {}
    return any(map(is_of_torch, list(space.values())))


def is_of_torch(value: object) -> bool:
    """Tell whether a module, class or function belongs to PyTorch."""
    name: object = None
    kind = type(value)  # `isinstance` may ask the value for its class, which is the user's code
    if issubclass(kind, ModuleType):
        name = vars(value).get("__name__")
    elif issubclass(kind, type):
        name = type.__getattribute__(value, "__module__")
    elif issubclass(kind, FunctionType):
        name = value.__module__
    return isinstance(name, str) and name.partition(".")[0] == _TORCH


def is_of_tensors(name: str) -> bool:
    """Tell whether tensors of PyTorch have an attribute, if it is there."""
    return hasattr(getattr(sys.modules.get(_TORCH), "Tensor", None), name)


def with_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of arrays that calls one of tensors."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        named = {name: to_tensors(value) for name, value in kwargs.items()}
        return to_arrays(function(*map(to_tensors, args), **named))

    return wrapper


def to_tensors(value: Any) -> Any:
    """Make tensors of arrays, also of those in tuples, lists and dictionaries; they share their memory."""
    from_array = sys.modules[_TORCH].from_numpy
    is_array = (np.ndarray, np.floating)
    return _mapped(value, lambda one: from_array(np.ascontiguousarray(one)) if isinstance(one, is_array) else one)


def to_arrays(value: Any) -> Any:
    """Make arrays of tensors, also of those in tuples, lists and dictionaries; they share their memory."""
    torch = sys.modules.get(_TORCH)
    return (
        _mapped(value, lambda one: one.detach().cpu().numpy() if isinstance(one, torch.Tensor) else one)
        if torch
        else value
    )


def _mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    if type(value) in (tuple, list):
        return type(value)(_mapped(one, change) for one in value)
    if type(value) is dict:
        return {key: _mapped(one, change) for key, one in value.items()}
    return change(value)
