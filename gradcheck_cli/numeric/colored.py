"""Differences of many elements at once: one or two evaluations per colour, however many elements there are.

Elements that share no output can be moved together: every change is credited to the one element that reaches that
output (Curtis, Powell and Reid, 1974). A `Coupling` states which those are; nothing here knows why.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.numeric.tiles import arrays_per_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gradcheck_cli.numeric.affine import Affine
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.black_box import BlackBox


class Coupling(NamedTuple):
    """Which element of an input reaches which output, colour by colour.

    `owner(k)` returns, for every output, the element of colour k that reaches it: its flat index in the input, or -1
    if there is none. There is at most one; that is what makes it a colour. An element that reaches no output has no
    colour, and derivative 0. The array has the output's axes; an axis along which all outputs have the same owner may
    have size 1 (the filters, for an element of an image), and then costs next to nothing.
    """

    colors: int
    owner: Callable[[int], Array]


class ColoredScheme:
    """Perturbs all elements of a colour at once."""

    method = "colored"

    def __init__(self, box: BlackBox, coupling: Coupling, affine: Affine | None = None) -> None:
        """Prepare the colours of all elements.

        Args:
            box: the function and its point.
            coupling: the colours. It is trusted; `leak.has_leak` verifies it.
            affine: what is known if the function is affine. Then `affine_differences` evaluates on one side only.
        """
        self.box = box
        self._affine = affine
        self._coupling = coupling
        self._batch = arrays_per_batch(math.prod(box.shape))  # colours that are credited at once
        #: Of each element; -1 for one that reaches no output, and last for an owner of -1.
        self.color = np.full(box.x.size + 1, -1, np.int32)
        self._owners: Array | None = None  # of each colour, if there are so few that they fit one batch
        if coupling.colors <= self._batch:
            self._owners = np.array([coupling.owner(color) for color in range(coupling.colors)])
            self.color[self._owners] = np.arange(coupling.colors).reshape(-1, *[1] * len(box.shape))
        else:
            for color in range(coupling.colors):
                self.color[coupling.owner(color)] = color
        self.color[-1] = -1
        self._entry = np.zeros(box.x.size + 1, np.int64)  # scratch for `_entries`, all 0 between calls
        self._constant_sums: dict[tuple[int, ...], list[Array]] = {}

    def central_differences(self, elements: Array, steps: Array) -> Estimate:
        """Return (f(x + h) - f(x - h)) / 2h in some elements, as `Scheme` describes."""
        return self._in_batches(elements, steps, both=True)

    def prepare(self, elements: Array, rows: Sequence[Array]) -> None:
        """Evaluate for the rows that come next, as `Scheme` describes."""
        box, color = self.box, self.color[elements]
        colors = range(self._coupling.colors)
        if self._owners is None or not box.can_prepare(2 * len(colors) * len(rows)):
            return
        parts, points = [np.flatnonzero(color == one) for one in colors], []
        for steps in rows:
            start, h = box.x.reshape(-1)[elements], steps.astype(box.x.dtype)
            for part in parts:
                if part.size:
                    points += [self._moved(elements[part], side[part]) for side in (start + h, start - h)]
        box.prepare(points)

    def affine_differences(self, elements: Array, steps: Array) -> Estimate:
        """Return (f(x + h) - f(x)) / h if the function is deterministic and known to be affine, else as above.

        There is no curvature to cancel, and the rounding is as large: f+ - f is half of f+ - f-, and divided by h
        instead of 2h. That the function is affine in every element is verified together with the coupling, along random
        directions.
        """
        return self._in_batches(elements, steps, both=self._affine is None or self.box.noise > 0)

    def _in_batches(self, elements: Array, steps: Array, *, both: bool) -> Estimate:
        """Sort the elements by colour and differentiate a batch of colours at a time."""
        figures = np.zeros((4, elements.size), self.box.dtype)
        order = np.argsort(self.color[elements], kind="stable")
        color = self.color[elements][order]
        # Where each colour starts; elements that reach no output have colour -1 and keep their zeros.
        starts = [*np.flatnonzero(color != np.concatenate(([-1], color[:-1]))), order.size]
        for first in range(0, len(starts) - 1, self._batch):
            bounds = np.array(starts[first : first + self._batch + 1])
            chosen = order[bounds[0] : bounds[-1]]
            colors = color[bounds[:-1]].tolist()
            ends = bounds[1:] - bounds[0]
            figures[:, chosen] = self._differences(colors, ends, elements[chosen], steps[chosen], both=both)
        value, scale, roundoff, second = figures
        return Estimate(value=value, scale=scale, error_bound=roundoff, step=steps, second_difference=second)

    def _differences(self, colors: list[int], ends: Array, elements: Array, steps: Array, *, both: bool) -> Array:
        """Differentiate in the elements of a batch of colours.

        Args:
            colors: the colours.
            ends: where the elements of each colour end in `elements`.
            elements: flat indices of x, colour by colour.
            steps: h, one for each element.
            both: whether to evaluate on both sides.

        Returns:
            Value, scale, bound on the roundoff, and second difference: an array of shape (4, elements).
        """
        box = self.box
        start, h = box.x.reshape(-1)[elements], steps.astype(box.x.dtype)
        ahead, behind = start + h, start - h if both else start
        # x + h and x - h are rounded: divide by the difference really taken.
        width = ahead.astype(box.dtype) - behind
        entries = self._entries(colors, elements)
        shared = tuple(axis for axis, size in enumerate(entries.shape) if size == 1 and axis)
        parts = [slice(first, end) for first, end in zip([0, *ends[:-1]], ends, strict=True)]
        sides = [[self._moved(elements[p], side[p]) for p in parts] for side in ((ahead, behind) if both else (ahead,))]
        sums = np.zeros((5, elements.size + 1), box.dtype)
        for change in box.changes(*sides):
            to = entries[tuple(slice(None) if axis in shared else part for axis, part in enumerate(change.tile))]
            _credit(sums[0], to, change.first, shared)
            _credit(sums[1], to, change.total, shared)
            if change.second is not None:
                _credit(sums[2], to, change.second, shared)
        for total, amount in zip(sums[3:], self._constants(shared), strict=False):
            _credit(total, entries, amount, ())
        value, scale, second, magnitude, variance = sums[:, 1:]
        # |f+| + |f-| is at most 2 |f| and the change. An element that changes nothing has no part in the rounding of
        # the outputs that others of its colour change.
        rounding = box.epsilon * (magnitude + scale) * ((scale != 0) | (second != 0))
        if not both and self._affine is not None:
            second = self._affine.roundings * rounding
        figures = np.array([value, scale, rounding + 4 * box.noise * np.sqrt(variance), second]) / width
        return np.where(width > 0, figures, [[np.nan], [np.nan], [np.inf], [np.inf]])

    def _constants(self, shared: tuple[int, ...]) -> list[Array]:
        """Return what each colour is credited, summed along shared axes: the rounding scale, and squared weights.

        The squared weights, for the effect of noise, are left out of a deterministic function.
        """
        if shared not in self._constant_sums:
            box = self.box
            amounts = [box.center.rounding_scale, *([box.center.weights**2] if box.noise else [])]
            sums = [amount.reshape(1, *box.shape).sum(axis=shared, keepdims=True) for amount in amounts]
            self._constant_sums[shared] = sums
        return self._constant_sums[shared]

    def _entries(self, colors: list[int], elements: Array) -> Array:
        """Return, for each output, 1 + the position of its owner in `elements`, or 0 if the owner is not there.

        The first axis is that of the colours; the others are those that `Coupling.owner` returns.
        """
        self._entry[elements] = np.arange(1, elements.size + 1)
        owners = self._owners
        owner = np.array([self._coupling.owner(color) for color in colors]) if owners is None else owners[colors]
        entries: Array = self._entry[owner]  # an owner of -1 is the last entry, which stays 0
        self._entry[elements] = 0
        return entries

    def _moved(self, elements: Array, values: Array) -> Array:
        moved = self.box.x.copy()
        moved.reshape(-1)[elements] = values
        return moved


def _credit(totals: Array, to: Array, amount: Array, shared: tuple[int, ...]) -> None:
    """Add every amount to the total whose index `to` gives; amounts along shared axes go to the same total."""
    amount = amount.sum(axis=shared, keepdims=True) if shared else amount
    if amount.shape != to.shape:
        amount = np.broadcast_to(amount, to.shape)
    if totals.dtype == np.float64:
        totals += np.bincount(to.reshape(-1), amount.reshape(-1), totals.size)
    else:
        np.add.at(totals, to.reshape(-1), amount.reshape(-1))
