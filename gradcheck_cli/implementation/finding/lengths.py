"""Gives axes lengths of their own: as few as can be are equal where a function is checked."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

_Axis = TypeVar("_Axis")


def untied(
    lengths: Mapping[_Axis, int],
    axes: Iterable[_Axis],
    own: Iterable[int],
    most: int,
    fits: Callable[[dict[_Axis, int], tuple[_Axis, ...]], bool],
) -> dict[_Axis, int]:
    """Return lengths in which axes, alone or as few together as possible, have one of their own.

    Args:
        lengths: of all axes.
        axes: those that may have another.
        own: the lengths that are given, in this order.
        most: how many axes may be given one together.
        fits: whether lengths may be meant, in which these axes have another length than before.
    """
    found, left, others = dict(lengths), list(axes), iter(own)
    length = next(others, 0)
    for width in range(1, most + 1):
        for group in itertools.combinations(list(left), width):
            trial = {**found, **dict.fromkeys(group, length)}
            if length and set(group) <= set(left) and fits(trial, group):
                found, left, length = trial, [axis for axis in left if axis not in group], next(others, 0)
    return found
