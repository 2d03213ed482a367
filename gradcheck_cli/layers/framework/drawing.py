"""Random geometries: each number that no flag fixes is drawn independently, and special values are sure to occur.

A layer whose numbers depend on each other has a function of its own in `Layer.random`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.parameter import Integer, Parameter

Kind = Callable[[Any], bool]

#: Returns a random number from the first to the second, both included. Layers do not know where it comes from.
Draw = Callable[[int, int], int]

#: For each number that a flag fixes, the values to draw from.
Given = Mapping[str, Sequence[Any]]

#: The largest size drawn, above the least possible one. Every fault in the tests shows with less, and a case of any
#: layer takes some milliseconds.
_SPREAD = 4

_MOST_AXES = 4


def draw_independently(case: type[Case], draw: Draw, given: Given) -> dict[str, Any]:
    """Draw each number of a geometry independently of the others, and one that another divides as a multiple of it."""
    found = {p.name: pick(p.name, draw, given, partial(_drawn, p, draw)) for p in case.parameters()}
    for name, (whole, most) in case.divides.items():
        if whole not in given:
            found[whole] = found[name] * min(found[whole], most)
        elif name not in given:
            found[name] = math.gcd(found[name], found[whole])
    return found


def pick(name: str, draw: Draw, given: Given, otherwise: Callable[[], Any]) -> Any:
    """Draw one of the values given for a number, if there are any."""
    return given[name][draw(0, len(given[name]) - 1)] if name in given else otherwise()


def special_cases(case: type[Case], given: Given) -> list[Kind]:
    """List kinds of case on which faults of any layer depend: each least number, each word, few and many axes."""

    def of(parameter: Parameter, kind: Kind) -> Kind:
        return lambda case: kind(getattr(case, parameter.name))

    return [of(parameter, kind) for parameter in case.parameters() for kind in _kinds(parameter, given)]


def _drawn(parameter: Parameter, draw: Draw) -> Any:
    """Draw a value; of real numbers one that is known to matter, since most do not; of a pair two equal numbers."""
    from gradcheck_cli.layers.framework.text_parameters import Choice, Real, Shape  # only --fuzz draws

    match parameter:
        case Integer():
            return draw(parameter.minimum, parameter.minimum + _SPREAD)
        case Choice() | Real():
            return parameter.options[draw(0, len(parameter.options) - 1)]
        case Shape():
            axes = draw(parameter.least, max(parameter.least, _MOST_AXES))
            return tuple(draw(1, 1 + _SPREAD) for _ in range(axes))
    raise AssertionError(parameter)


def _kinds(parameter: Parameter, given: Given) -> list[Kind]:
    from gradcheck_cli.layers.framework.text_parameters import Choice, Real, Shape

    values = given.get(parameter.name)
    match parameter:
        case Integer():
            least = parameter.normalize(parameter.minimum) if values is None else min(values)
            return [least.__eq__]
        case Shape() if values is None:
            most = max(parameter.least, _MOST_AXES)
            return [lambda shape: len(shape) == parameter.least, lambda shape: len(shape) == most, lambda s: 1 in s]
        case Choice() | Real() if values is None:
            return [option.__eq__ for option in parameter.options]
    return [value.__eq__ for value in values or ()]
