"""Random geometries: each number that no flag fixes is drawn for itself, and some values of it are sure to be met.

That is all that a layer needs whose numbers do not depend on each other; another has a function of its own in `Layer`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from gradcheck_cli.layers.framework.parameter import Integer

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.parameter import Parameter

#: Returns a random number from the first to the second, both included. Layers need not know where it comes from.
Draw = Callable[[int, int], int]

#: For each number that a flag fixes, the values to draw from.
Given = Mapping[str, Sequence[Any]]

#: What sizes are drawn up to, above the least that there can be. Every fault that is planted in the tests shows with
#: less, and a case of any layer takes some milliseconds.
_SPREAD = 4

_MOST_AXES = 4


def each_for_itself(case: type[Case], draw: Draw, given: Given) -> dict[str, Any]:
    """Draw each number of a geometry, whatever the others are."""
    return {p.name: picked(p.name, draw, given, partial(_drawn, p, draw)) for p in case.parameters()}


def multiple(whole: str, *, of: str) -> Callable[[type[Case], Draw, Given], dict[str, Any]]:
    """Make a function that draws each number for itself, but `whole` as a multiple of another."""

    def draw_numbers(case: type[Case], draw: Draw, given: Given) -> dict[str, Any]:
        found = each_for_itself(case, draw, given)
        if whole not in given:
            found[whole] *= found[of]
        elif of not in given:
            found[of] = math.gcd(found[of], found[whole])
        return found

    return draw_numbers


def picked(name: str, draw: Draw, given: Given, otherwise: Callable[[], Any]) -> Any:
    """Draw one of the values given for a number, if there are any."""
    return given[name][draw(0, len(given[name]) - 1)] if name in given else otherwise()


def special_cases(case: type[Case], given: Given) -> list[Callable[[Any], bool]]:
    """List kinds of case that faults depend on in any layer: the least of each number, each word, few and many axes."""
    kinds: list[Callable[[Any], bool]] = []
    for parameter in case.parameters():
        kinds += [
            lambda case, name=parameter.name, kind=kind: kind(getattr(case, name))  # type: ignore[misc]
            for kind in _kinds(parameter, given.get(parameter.name))
        ]
    return kinds


def _drawn(parameter: Parameter, draw: Draw) -> Any:
    """Draw a value: of reals one that is known to matter, most are of no interest; a pair of two equal numbers."""
    from gradcheck_cli.layers.framework.words import Choice, Real, Shape  # only --fuzz draws

    match parameter:
        case Integer():
            return draw(parameter.minimum, parameter.minimum + _SPREAD)
        case Choice() | Real():
            return parameter.options[draw(0, len(parameter.options) - 1)]
        case Shape():
            axes = draw(parameter.least, max(parameter.least, _MOST_AXES))
            return tuple(draw(1, 1 + _SPREAD) for _ in range(axes))
    raise AssertionError(parameter)


def _kinds(parameter: Parameter, given: Sequence[Any] | None) -> list[Callable[[Any], bool]]:
    from gradcheck_cli.layers.framework.words import Choice, Real, Shape

    match parameter:
        case Integer():
            least = parameter.normalize(parameter.minimum) if given is None else min(given)
            return [least.__eq__]
        case Shape() if given is None:
            most = max(parameter.least, _MOST_AXES)
            return [lambda shape: len(shape) == parameter.least, lambda shape: len(shape) == most, lambda s: 1 in s]
        case Choice() | Real() if given is None:
            return [option.__eq__ for option in parameter.options]
    return [value.__eq__ for value in given or ()]
