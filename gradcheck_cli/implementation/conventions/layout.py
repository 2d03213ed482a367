"""Layouts of arrays in somebody's code: conversion to them, and back if an array has the shape required there."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations

import numpy as np

from gradcheck_cli.implementation.implementation import NotExpressibleError
from gradcheck_cli.numeric.arrays import Array


@dataclass(frozen=True)
class Layout:
    """The layer's order of axes and the code's: `Layout("F C HH WW", "(C HH WW) F")`.

    A "1" is an axis of that length; axes in parentheses are merged into one. An axis that the code lacks has the
    length 1 in the layer.
    """

    here: str
    there: str

    @property
    def is_usual(self) -> bool:
        """Whether both are the same."""
        return self.here == self.there

    def shape(self, here: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape in the code's order of an array that has the shape `here` in the layer's."""
        if self.is_usual:
            return here
        lengths = dict(zip(self.here.split(), here, strict=True)) | {"1": 1}
        return tuple(math.prod(lengths[axis] for axis in group) for group in self._groups)

    def give(self, array: Array) -> Array:
        """Convert an array to the code's order; contiguous, as one that was made there would be, if this one is.

        Raises:
            NotExpressibleError: it has another number of axes, of which the order there is not known.
        """
        if self.is_usual:
            return array
        if array.ndim != len(self.here.split()):
            raise NotExpressibleError(f"it takes axes in the order {self.there}, and here there are {array.ndim}")
        moved = array.transpose(self._order)
        given = np.ascontiguousarray(moved) if array.flags.c_contiguous else moved
        return given.reshape(self.shape(array.shape))

    def take(self, array: object, here: tuple[int, ...] | None = None) -> object:
        """Convert an array back to the layer's order; one without the shape required there is left as it is.

        Args:
            array: whatever was returned.
            here: its shape in the layer's order; None if only its axes are known, of which none are merged.
        """
        array = self.joined(array)
        if self.is_usual or not isinstance(array, np.ndarray):
            return array
        if here is None:
            lengths = zip(array.shape, self._groups, strict=False)
            kept = [length for length, group in lengths if group != ["1"]]
            if array.ndim != len(self._groups) or math.prod(kept) != array.size:
                return array
            return array.reshape([1] * (len(self._order) - len(kept)) + kept).transpose(np.argsort(self._order))
        if array.shape != self.shape(here):
            return array
        unmerged = array.reshape([here[axis] for axis in self._order])
        return unmerged.transpose(np.argsort(self._order))

    def joined(self, value: object) -> object:
        """Return the arrays of all steps as one where steps are the first axis, and anything else as it is."""
        if not isinstance(value, list) or not self.there.startswith("T "):
            return value
        arrays = [step for step in value if isinstance(step, np.ndarray)]
        alike = len({(array.shape, array.dtype) for array in arrays}) == 1
        return np.stack(arrays) if alike and len(arrays) == len(value) else value

    @cached_property
    def _groups(self) -> list[list[str]]:
        return [group.strip("()").split() for group in re.findall(r"\(.*?\)|\S+", self.there)]

    @cached_property
    def _order(self) -> list[int]:
        here = self.here.split()
        named = [here.index(axis) for group in self._groups for axis in group if axis != "1"]
        return [*(place for place in range(len(here)) if place not in named), *named]


#: Of these axes the first comes first, whatever else is permuted.
_NEIGHBOURS = (("H", "W"), ("HH", "WW"))


def orders_with_shape(usual: str, here: tuple[int, ...], there: tuple[int, ...]) -> list[str]:
    """List the orders of axes in which an array that has the shape `here` in the usual order has the shape `there`.

    Axes of length 1 may be anywhere; of three axes and more, all but the first or all but the last may be merged.
    """
    lengths, found = dict(zip(usual.split(), here, strict=True)), []
    for order in permutations(lengths):
        if any(a in order and b in order and order.index(a) > order.index(b) for a, b in _NEIGHBOURS):
            continue
        groups = [[[axis] for axis in order]]
        groups += [[[order[0]], list(order[1:])], [list(order[:-1]), [order[-1]]]] if len(order) > 2 else []
        for grouped in groups:
            if [math.prod(lengths[axis] for axis in group) for group in grouped] == [n for n in there if n != 1]:
                left = [f"({' '.join(group)})" if len(group) > 1 else group[0] for group in grouped]
                found.append(" ".join("1" if n == 1 else left.pop(0) for n in there))
    return sorted(found, key=lambda order: order != usual)
