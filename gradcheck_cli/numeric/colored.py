"""Central differences of many elements at once: two evaluations for each colour, however many elements there are.

Elements that no output shares can be moved together: every change is credited to the one that reaches that output
(Curtis, Powell and Reid, 1974). Which those are is stated by a `Coupling`; nothing here knows why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.point import Sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Point


@dataclass(frozen=True, kw_only=True)
class Coupling:
    """Which element of an input reaches which output, colour by colour.

    `owner(k)` says for every output, in the output's shape, which element of colour k reaches it: as a flat index of
    the input, -1 where none does. That it is one at most is what makes it a colour. An element that reaches no output
    has no colour, and no derivative.
    """

    colors: int
    owner: Callable[[int], Array]


class ColoredSampler:
    """Takes central differences of all elements of a colour at once."""

    method = "colored"

    def __init__(self, point: Point, coupling: Coupling) -> None:
        self.point = point
        self._coupling = coupling
        self._color = np.full(point.x.size, -1, np.int32)
        for color in range(coupling.colors):
            owner = coupling.owner(color)
            self._color[owner[owner >= 0]] = color
        self._place = np.zeros(point.x.size + 1, np.int64)

    def sample(self, elements: Array, steps: Array) -> Sample:
        """Difference at each of `elements` (flat indices of x), with its own step."""
        figures = np.zeros((5, elements.size), self.point.dtype)
        figures[4] = True  # an element that reaches no output is as straight as can be
        color = self._color[elements]
        order = np.argsort(color, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(color[order])) + 1):
            if group.size and color[group[0]] >= 0:
                figures[:, group] = self._difference(int(color[group[0]]), elements[group], steps[group])
        value, scale, roundoff, bending, straight = figures
        return Sample(value=value, scale=scale, roundoff=roundoff, bending=bending, straight=straight.astype(bool))

    def _difference(self, color: int, elements: Array, steps: Array) -> Array:
        point = self.point
        start, h = point.x.reshape(-1)[elements], steps.astype(point.x.dtype)
        ahead, behind = start + h, start - h
        # The difference really taken: x + h and x - h are rounded.
        width = ahead.astype(point.dtype) - behind
        # Where each output's change goes: to 1 + the place of its owner in `elements`, to 0 if it has none among them.
        # An owner of -1 is the last entry of the table, which stays 0.
        self._place[elements] = np.arange(1, elements.size + 1)
        place = self._place[self._coupling.owner(color).reshape(-1)]
        self._place[elements] = 0
        sums, straight = np.zeros((5, elements.size + 1), point.dtype), np.ones(elements.size + 1, bool)
        for block, found in point.differences(self._at(elements, ahead), self._at(elements, behind)):
            amounts = [found.change, abs(found.change), found.size, found.bent]
            if point.noise:
                amounts.append(point.weights[block] ** 2)
            for total, amount in zip(sums, amounts, strict=False):
                _credit(total, place[block], amount)
            if found.crooked.any():
                straight[place[block][found.crooked]] = False
        change, total, size, bent, square = sums[:, 1:]
        with np.errstate(all="ignore"):
            rounding = point.epsilon * size + 4 * point.noise * np.sqrt(square)
            figures = np.stack([change, total, rounding, bent]) / width
            figures = np.where(width > 0, figures, [[np.nan], [np.nan], [np.inf], [np.inf]])
        return np.vstack([figures, straight[1:] & (width > 0)])

    def _at(self, elements: Array, values: Array) -> Array:
        moved = self.point.x.copy()
        moved.reshape(-1)[elements] = values
        return self.point.at(moved)


def _credit(total: Array, to: Array, amount: Array) -> None:
    """Add every amount to the entry that it belongs to."""
    if total.dtype == np.float64:
        total += np.bincount(to, amount, total.size)
    else:
        np.add.at(total, to, amount)
