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

    `owner(k)` says for every output which element of colour k reaches it: as a flat index of the input, -1 where none
    does. That it is one at most is what makes it a colour. An element that reaches no output has no colour, and no
    derivative. What is returned has the output's axes; one along which all outputs have the same owner may have size 1
    (the filters, for an element of an image), and then costs next to nothing.
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
        figures = np.zeros((4, elements.size), self.point.dtype)
        color = self._color[elements]
        order = np.argsort(color, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(color[order])) + 1):
            if group.size and color[group[0]] >= 0:
                figures[:, group] = self._difference(int(color[group[0]]), elements[group], steps[group])
        value, scale, roundoff, bending = figures
        return Sample(epsilon=self.point.epsilon, value=value, scale=scale, roundoff=roundoff, bending=bending)

    def _difference(self, color: int, elements: Array, steps: Array) -> Array:
        point = self.point
        start, h = point.x.reshape(-1)[elements], steps.astype(point.x.dtype)
        ahead, behind = start + h, start - h
        # The difference really taken: x + h and x - h are rounded.
        width = ahead.astype(point.dtype) - behind
        # Where each output's change goes: to 1 + the place of its owner in `elements`, to 0 if it has none among them.
        # An owner of -1 is the last entry of the table, which stays 0.
        self._place[elements] = np.arange(1, elements.size + 1)
        owner = self._coupling.owner(color)
        place = self._place[owner]
        self._place[elements] = 0
        shared = tuple(axis for axis, size in enumerate(owner.shape) if size == 1)
        sums = np.zeros((5, elements.size + 1), point.dtype)
        for tile, found in point.differences(self._moved(elements, ahead), self._moved(elements, behind)):
            amounts = [found.change, found.total, found.size, found.bent]
            if point.noise:
                amounts.append(point.weights.reshape(point.shape)[tile] ** 2)
            to = place[tuple(slice(None) if axis in shared else part for axis, part in enumerate(tile))].reshape(-1)
            for total, amount in zip(sums, amounts, strict=False):
                _credit(total, to, amount.sum(axis=shared).reshape(-1) if shared else amount.reshape(-1))
        change, total, size, bent, square = sums[:, 1:]
        with np.errstate(all="ignore"):
            # An element that changes nothing has no part in the rounding of what its neighbours in colour change.
            rounding = point.epsilon * size * ((total != 0) | (bent != 0)) + 4 * point.noise * np.sqrt(square)
            figures = np.stack([change, total, rounding, bent]) / width
            return np.where(width > 0, figures, [[np.nan], [np.nan], [np.inf], [np.inf]])

    def _moved(self, elements: Array, values: Array) -> Array:
        moved = self.point.x.copy()
        moved.reshape(-1)[elements] = values
        return moved


def _credit(total: Array, to: Array, amount: Array) -> None:
    """Add every amount to the entry that it belongs to."""
    if total.dtype == np.float64:
        total += np.bincount(to, amount, total.size)
    else:
        np.add.at(total, to, amount)
