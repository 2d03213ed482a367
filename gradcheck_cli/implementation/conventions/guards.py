"""Small numbers that code adds inside of a logarithm, as in `log(p + 1e-7)`, which a right gradient may leave out.

Whether it does is found out by making them large, or taking them away: the gradient agrees with one or the other.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator
from types import FunctionType
from typing import Any

_LARGEST = 1e-4  #: of a number that is a guard
_LOGARITHMS = {"log", "log2", "log10"}

#: What guards are made, to see whether a gradient knows of them, and what they are made to take them away.
LARGE, NONE = 0.3, 1e-300


def guards_in(function: object) -> frozenset[float]:
    """Return the guards of the logarithms in the file of a function or class."""
    found: list[object] = []
    for group in _groups(function):
        if any(_LOGARITHMS & {*one.__code__.co_names} for one in group):
            found += [number for one in group for number in (*_numbers(one), *(one.__defaults__ or ()))]
    return frozenset(one for one in found if isinstance(one, float) and 0 < one <= _LARGEST)


@contextlib.contextmanager
def guards_made(function: object, guards: frozenset[float], value: float) -> Iterator[None]:
    """Put another number in the place of guards for a block, wherever the file has them."""

    def replaced(numbers: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(value if isinstance(one, float) and one in guards else one for one in numbers)

    functions = [one for group in _groups(function) for one in group]
    before = [(one, one.__code__, one.__defaults__) for one in functions if guards & {*_floats(one)}]
    for one, code, defaults in before:
        one.__code__ = code.replace(co_consts=replaced(code.co_consts))
        one.__defaults__ = replaced(defaults) if defaults else None
    space = _space(function)
    named = {name: one for name, one in space.items() if isinstance(one, float) and one in guards}
    space.update(dict.fromkeys(named, value))
    try:
        yield
    finally:
        space.update(named)
        for one, code, defaults in before:
            one.__code__, one.__defaults__ = code, defaults


def _groups(function: object) -> list[list[FunctionType]]:
    """List the functions of a file and those that it imports, the methods of one class together."""
    values = list({id(value): value for value in _space(function).values()}.values())
    groups = [[*vars(value).values()] if inspect.isclass(value) else [value] for value in values]
    plain = [[getattr(one, "__func__", one) for one in group] for group in groups]
    return [[one for one in group if inspect.isfunction(one) and not _is_of_library(one)] for group in plain]


def _space(function: Any) -> dict[str, Any]:
    """Return the module in which a function or class is written."""
    written = list(vars(function).values()) if inspect.isclass(function) else [inspect.unwrap(function)]
    found = (getattr(one, "__func__", one) for one in written)
    return next((one.__globals__ for one in found if inspect.isfunction(one)), {})


def _is_of_library(function: FunctionType) -> bool:
    return any(folder in function.__code__.co_filename for folder in ("site-packages", "dist-packages"))


def _numbers(function: FunctionType) -> Iterator[object]:
    """Yield the numbers that a function has written out, or takes from its file."""
    yield from function.__code__.co_consts
    yield from (function.__globals__.get(name) for name in function.__code__.co_names)


def _floats(function: FunctionType) -> Iterator[float]:
    numbers = (*function.__code__.co_consts, *(function.__defaults__ or ()))
    return (one for one in numbers if isinstance(one, float))
