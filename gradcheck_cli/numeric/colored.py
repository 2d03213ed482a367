"""Differences of many elements at once: one or two evaluations for each colour, however many elements there are.

Elements that no output shares can be moved together: every change is credited to the one that reaches that output
(Curtis, Powell and Reid, 1974). Which those are is stated by a `Coupling`; nothing here knows why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.point import Sample
from gradcheck_cli.numeric.rounding import looked_at_together

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.affine import Affine
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
    """Takes differences of all elements of a colour at once."""

    method = "colored"

    def __init__(self, point: Point, coupling: Coupling, affine: Affine | None = None) -> None:
        """Take `affine` at its word where differences of an affine function are asked for: one side does."""
        self.point = point
        self._affine = affine
        self._coupling = coupling
        self._together = looked_at_together(int(np.prod(point.shape)))  # colours that are credited at once
        self._color = np.full(point.x.size + 1, -1, np.int32)  # the last entry is that of an owner of -1
        self._owners: Array | None = None  # colour by colour, where they take less room than one block
        if coupling.colors <= self._together:
            self._owners = np.array([coupling.owner(color) for color in range(coupling.colors)])
            self._color[self._owners] = np.arange(coupling.colors).reshape(-1, *[1] * len(point.shape))
        else:
            for color in range(coupling.colors):
                self._color[coupling.owner(color)] = color
        self._color[-1] = -1
        self._place = np.zeros(point.x.size + 1, np.int64)
        self._constants: dict[tuple[int, ...], list[Array]] = {}

    def sample(self, elements: Array, steps: Array) -> Sample:
        """Difference at each of `elements` (flat indices of x), with its own step, on both sides."""
        return self._sample(elements, steps, both=True)

    def sample_affine(self, elements: Array, steps: Array) -> Sample:
        """Do the same on one side, if lines have shown that to be enough: no curve is there to cancel.

        The rounding is as large: f+ - f is half of f+ - f-, and divided by h instead of 2 h. That a function is affine
        in all elements is verified as its coupling is: by what is found along random directions.
        """
        return self._sample(elements, steps, both=self._affine is None or self.point.noise > 0)

    def _sample(self, elements: Array, steps: Array, *, both: bool) -> Sample:
        figures = np.zeros((4, elements.size), self.point.dtype)
        order = np.argsort(self._color[elements], kind="stable")
        color = self._color[elements][order]
        starts = [*np.flatnonzero(np.diff(color, prepend=-1)), order.size]  # of -1, which reach no output, none does
        for first in range(0, len(starts) - 1, self._together):
            bounds = np.array(starts[first : first + self._together + 1])
            chosen = order[bounds[0] : bounds[-1]]
            colors = color[bounds[:-1]].tolist()
            ends = bounds[1:] - bounds[0]
            figures[:, chosen] = self._differences(colors, ends, elements[chosen], steps[chosen], both=both)
        value, scale, roundoff, bending = figures
        return Sample(epsilon=self.point.epsilon, value=value, scale=scale, roundoff=roundoff, bending=bending)

    def _differences(self, colors: list[int], ends: Array, elements: Array, steps: Array, *, both: bool) -> Array:
        """Difference at the elements of some colours; those of each end, in `elements`, at one of `ends`."""
        point = self.point
        start, h = point.x.reshape(-1)[elements], steps.astype(point.x.dtype)
        ahead, behind = start + h, start - h if both else start
        # The difference really taken: x + h and x - h are rounded.
        width = ahead.astype(point.dtype) - behind
        place = self._places(colors, elements)
        shared = tuple(axis for axis, size in enumerate(place.shape) if size == 1 and axis)
        parts = [slice(first, end) for first, end in zip([0, *ends[:-1]], ends, strict=True)]
        sides = [[self._moved(elements[p], side[p]) for p in parts] for side in ((ahead, behind) if both else (ahead,))]
        sums = np.zeros((5, elements.size + 1), point.dtype)
        for tile, found in point.differences(*sides):
            to = place[tuple(slice(None) if axis in shared else part for axis, part in enumerate(tile))]
            _credit(sums[0], to, found.change, shared)
            _credit(sums[1], to, found.total, shared)
            if both:
                _credit(sums[2], to, found.bent, shared)
        for total, each in zip(sums[3:], self._constant(shared), strict=False):
            _credit(total, place, each, ())
        change, total, bent, rounded, square = sums[:, 1:]
        # |f+| + |f-| is 2 |f| and what has changed at the most; an element that changes nothing has no part in the
        # rounding of what its neighbours in colour change.
        rounding = point.epsilon * (rounded + total) * ((total != 0) | (bent != 0))
        if not both and self._affine is not None:
            bent = self._affine.roundings * rounding
        figures = np.stack([change, total, rounding + 4 * point.noise * np.sqrt(square), bent]) / width
        return np.where(width > 0, figures, [[np.nan], [np.nan], [np.inf], [np.inf]])

    def _constant(self, shared: tuple[int, ...]) -> list[Array]:
        """Sum along shared axes what is the same of each colour: what rounding is proportional to, and noise."""
        if shared not in self._constants:
            point = self.point
            amounts = [point.base.rounded, *([point.base.weights**2] if point.noise else [])]
            summed = [amount.reshape(1, *point.shape).sum(axis=shared, keepdims=True) for amount in amounts]
            self._constants[shared] = summed
        return self._constants[shared]

    def _places(self, colors: list[int], elements: Array) -> Array:
        """Say where each output's change goes: to 1 + the place of its owner in `elements`, to 0 if that is not there.

        The first axis is that of the colours. An owner of -1 is the last entry of the table, which stays 0.
        """
        self._place[elements] = np.arange(1, elements.size + 1)
        kept = self._owners
        owner = np.array([self._coupling.owner(color) for color in colors]) if kept is None else kept[colors]
        place: Array = self._place[owner]
        self._place[elements] = 0
        return place

    def _moved(self, elements: Array, values: Array) -> Array:
        moved = self.point.x.copy()
        moved.reshape(-1)[elements] = values
        return moved


def _credit(total: Array, to: Array, amount: Array, shared: tuple[int, ...]) -> None:
    """Add every amount to the entry that it belongs to; those along shared axes belong to one."""
    amount = amount.sum(axis=shared, keepdims=True) if shared else amount
    if amount.shape != to.shape:
        amount = np.broadcast_to(amount, to.shape)
    if total.dtype == np.float64:
        total += np.bincount(to.reshape(-1), amount.reshape(-1), total.size)
    else:
        np.add.at(total, to.reshape(-1), amount.reshape(-1))
