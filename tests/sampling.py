"""Divides a sweep in two: what every run has, and what only `pytest -m long` has.

A sweep shows one thing in many cases. Every run has a case of each kind, so that it fails wherever a kind is broken;
the others are for what is broken in some cases alone. A tuple is the value of several parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

import pytest

T = TypeVar("T")


def one_in(step: int, values: Iterable[Any]) -> list[Any]:
    """Return the parameters of a test, of which every run has the first of each `step`, and the others are `long`."""
    return [_parameter(value, is_long=number % step > 0) for number, value in enumerate(values)]


def in_parts(count: int) -> pytest.MarkDecorator:
    """Divide the loop of a test, which goes through `cases[part::count]`: every run has part 0."""
    return pytest.mark.parametrize("part", one_in(count, range(count)))


def first_of_each(kinds_of: Callable[[T], Iterable[Hashable]], values: Iterable[T]) -> list[Any]:
    """Return the parameters of a test, of which every run has those that are the first of some kind.

    Args:
        kinds_of: the kinds that a parameter is of, or shows.
        values: the parameters.
    """
    known: set[Hashable] = set()
    parameters = []
    for value in values:
        kinds = set(kinds_of(value))
        parameters.append(_parameter(value, is_long=kinds <= known))
        known |= kinds
    return parameters


def _parameter(value: Any, *, is_long: bool) -> Any:
    several = value if isinstance(value, tuple) else (value,)
    return pytest.param(*several, marks=pytest.mark.long if is_long else ())
