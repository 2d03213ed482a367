"""From a callable of the user's to the code that its author wrote, without calling any of it."""

from __future__ import annotations

import functools
from types import CodeType, FunctionType, MethodType

from gradcheck_cli.guard.frames import is_basic, is_own

#: Decorators on one function that are looked through.
_MOST_WRAPPED = 10


def code_of(function: object, name: str = "") -> CodeType | None:
    """Return the code object of a function or method, looking through decorators; None if it is not Python.

    Args:
        function: whatever can be called.
        name: under which it is known, if it is. Of a decorator that does not say what it wraps, the function of this
            name among its variables is meant.
    """
    found: FunctionType | None = None
    try:
        for _ in range(_MOST_WRAPPED):
            inner = _within(function)
            if inner is None:
                break
            function = inner
        if isinstance(function, FunctionType):
            found = _wrapped(function, name)
    except Exception:  # noqa: BLE001  # attributes of the user's objects, which may raise anything
        return None
    return found.__code__ if found is not None and _is_users(found.__code__) else None


def _within(function: object) -> object | None:
    """Return what a callable stands for; None if it stands for itself."""
    if isinstance(function, staticmethod | classmethod | MethodType):
        return function.__func__
    if isinstance(function, functools.partial):
        return function.func
    if isinstance(function, type):
        return None
    for attribute in ("__wrapped__", "py_func"):  # of functools.wraps, and of Numba
        if (inner := getattr(function, attribute, None)) is not None:
            return inner  # type: ignore[no-any-return]
    if isinstance(function, FunctionType):
        return None
    call = getattr(type(function), "__call__", None)  # noqa: B004  # where it is defined, not whether
    return call if isinstance(call, FunctionType) else None


def _wrapped(function: FunctionType, name: str) -> FunctionType:
    if not name or function.__name__ == name:
        return function
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    named = [value for value in values if isinstance(value, FunctionType) and value.__name__ == name]
    return named[0] if len(named) == 1 else function


def _is_users(code: CodeType) -> bool:
    return not (is_own(code.co_filename) or is_basic(code.co_filename))
