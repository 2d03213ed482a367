"""Shrinks a random case that fails to a smallest one.

The drawn numbers are made smaller, so that an image shrinks with its kernel, and channels with their groups; then the
parameters of the case, one at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradcheck_cli.layers.framework.named import ByName
from gradcheck_cli.layers.framework.parameter import Integer, Parameter
from gradcheck_cli.layers.framework.text_parameters import Choice, Real, Shape

if TYPE_CHECKING:
    from gradcheck_cli.cases.fuzz import RandomCases
    from gradcheck_cli.layers.framework.case import Case


def shrink(case: Case, cases: RandomCases, fails: Callable[[Case], bool]) -> Case:
    """Make a case smaller as long as it fails.

    Args:
        case: one of `cases`, which fails.
        cases: where it was drawn.
        fails: tells whether another case fails in the same way; it is asked about a case more than once.

    Returns:
        A case that no longer fails, within what the flags fix, if any number is made one smaller, an axis is left out,
        or a word or real is replaced by an earlier one.
    """
    choices = cases.choices[case]
    while smaller := _next(_by_choices(choices, cases), case.weight, fails):
        case, choices = smaller
    while following := _next(((other, ()) for other in _by_numbers(case, cases)), case.weight, fails):
        case, _ = following
    return case


def _next(
    candidates: Iterator[tuple[Case, tuple[int, ...]]], below: int, fails: Callable[[Case], bool]
) -> tuple[Case, tuple[int, ...]] | None:
    """Return the first candidate that is smaller, possible, and fails."""
    wanted = (found for found in candidates if found[0].weight < below and found[0].impossible() is None)
    return next((found for found in wanted if fails(found[0])), None)


def _by_choices(choices: Sequence[int], cases: RandomCases) -> Iterator[tuple[Case, tuple[int, ...]]]:
    """Yield the cases that come from a smaller number somewhere among those drawn."""
    for place, value in enumerate(choices):
        for lower in _below(value):
            yield cases.replay([*choices[:place], lower, *choices[place + 1 :]])


def _by_numbers(case: Case, cases: RandomCases) -> Iterator[Case]:
    """Yield the cases of which one parameter is smaller, as far as the flags allow."""
    for parameter in case.parameters():
        value = getattr(case, parameter.name)
        given = cases.values.get(parameter.name)
        for lower in _allowed(parameter, value) if given is None else _given(parameter, given, value):
            yield replace(case, **{parameter.name: lower})


def _allowed(parameter: Parameter, value: Any) -> Iterator[Any]:
    match parameter:
        case Integer():
            return _numbers(parameter, value)
        case Shape():
            return _shapes(parameter, value)
        case Choice() | Real():
            return _given(parameter, parameter.options, value)
        case ByName():  # which of them go together is not known
            return iter(())
    raise AssertionError(parameter)


def _shapes(parameter: Shape, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the smallest shape, then those with one axis less, and those with a smaller size."""
    yield (1,) * parameter.least
    for axis, length in enumerate(shape):
        if len(shape) > parameter.least:
            yield (*shape[:axis], *shape[axis + 1 :])
        yield from ((*shape[:axis], 1 + lower, *shape[axis + 1 :]) for lower in _below(length - 1))


def _numbers(parameter: Integer, value: Any) -> Iterator[Any]:
    least = parameter.minimum
    if not parameter.pair:
        yield from (least + lower for lower in _below(value - least))
        return
    vertical, horizontal = value
    if vertical == horizontal:  # an even pair stays even if it can
        yield from ((least + lower, least + lower) for lower in _below(vertical - least))
    yield from ((least + lower, horizontal) for lower in _below(vertical - least))
    yield from ((vertical, least + lower) for lower in _below(horizontal - least))


def _given(parameter: Parameter, given: Sequence[Any], value: Any) -> Iterator[Any]:
    """Yield the given values that are smaller, ever nearer; of pairs all that are not larger in either part."""
    if isinstance(parameter, Integer) and parameter.pair:
        return (other for other in sorted(given) if other != value and other[0] <= value[0] and other[1] <= value[1])
    lower = sorted(
        (other for other in given if parameter.weight(other) < parameter.weight(value)), key=parameter.weight
    )
    return (lower[place] for place in _below(len(lower)))


def _below(value: int) -> Iterator[int]:
    """Yield 0, then numbers ever nearer to `value`, the last one below it."""
    steps = itertools.takewhile(bool, (value >> shift for shift in itertools.count()))
    return (value - step for step in steps)
