"""Differences of many elements at once: one or two evaluations per colour, however many elements there are.

Elements that share no output can be moved together: every change is credited to the one element that reaches that
output (Curtis, Powell and Reid, 1974). A `Coupling` states which those are; nothing here knows why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradcheck_cli.numeric.directions import FEW
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.numeric.tiles import arrays_per_batch

if TYPE_CHECKING:
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


class _Batch(NamedTuple):
    """Elements of some colours, colour by colour, whose changes are credited at once."""

    chosen: Array  #: positions among the elements that are differentiated
    colors: Array  #: of each, counted from 0
    #: For each colour and output 1 + the place of its owner in the batch, or 0 if the owner is not there. Axes after
    #: the first are those that `Coupling.owner` returns.
    entries: Array


class _Colors:
    """The colours of the elements of an input, and the owners of an output."""

    def __init__(self, coupling: Coupling, size: int, shape: tuple[int, ...]) -> None:
        self._batch = arrays_per_batch(math.prod(shape))  #: colours that are credited at once
        self._coupling = coupling
        self._owners: Array | None = None  # of each colour, if there are so few that they fit one batch
        #: Of each element; -1 for one that reaches no output, and last for an owner of -1.
        self.of = np.full(size + 1, -1, np.int32)
        if coupling.colors <= self._batch:
            self._owners = np.array([coupling.owner(color) for color in range(coupling.colors)])
            self.of[self._owners] = np.arange(coupling.colors).reshape(-1, *[1] * len(shape))
        else:
            for color in range(coupling.colors):
                self.of[coupling.owner(color)] = color
        self.of[-1] = -1

    def batches(self, elements: Array) -> Iterable[_Batch]:
        """Cut elements, flat indices in ascending order, into batches, without those that reach no output."""
        is_one_batch = elements.size == self.of.size - 1 and self._owners is not None
        return self._of_all if is_one_batch else self._cut(elements)

    @cached_property  # all elements are differentiated in most cases, and small ones share their colours
    def _of_all(self) -> tuple[_Batch, ...]:
        return tuple(self._cut(np.arange(self.of.size - 1)))

    def _cut(self, elements: Array) -> Iterator[_Batch]:
        order = np.argsort(self.of[elements], kind="stable")
        color = self.of[elements][order]
        begin = np.flatnonzero(color != np.concatenate(([-1], color[:-1])))
        colors, bounds = color[begin], np.append(begin, order.size)
        for first in range(0, colors.size, self._batch):
            some = bounds[first : first + self._batch + 1]
            chosen, count = order[some[0] : some[-1]], some.size - 1
            entries = self._entries(colors[first : first + count], elements[chosen])
            yield _Batch(chosen, np.repeat(np.arange(count), np.diff(some)), entries)

    def _entries(self, colors: Array, elements: Array) -> Array:
        entry, owners = np.zeros(self.of.size, np.int64), self._owners
        owner = np.array([*map(self._coupling.owner, colors.tolist())]) if owners is None else owners[colors]
        entry[elements] = np.arange(1, elements.size + 1)
        return np.asarray(entry[owner])  # an owner of -1 is the last entry, which stays 0


_colors_before = lru_cache(maxsize=32)(_Colors)  # for small cases, of one geometry and many seeds or implementations


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
        self._colors = (_colors_before if box.x.size <= FEW else _Colors)(coupling, box.x.size, box.shape)
        self._constant_sums: dict[tuple[int, ...], list[Array]] = {}

    @property
    def elements(self) -> Array:
        """The elements that reach an output: flat indices, ascending."""
        return np.flatnonzero(self._colors.of[:-1] >= 0)

    def central_differences(self, elements: Array, steps: Array) -> Estimate:
        """Return (f(x + h) - f(x - h)) / 2h in some elements, as `Scheme` describes."""
        return self._in_batches(elements, steps, both=True)

    def affine_differences(self, elements: Array, steps: Array) -> Estimate:
        """Return (f(x + h) - f(x)) / h if the function is deterministic and known to be affine, else as above.

        There is no curvature to cancel, and the rounding is as large: f+ - f is half of f+ - f-, and divided by h
        instead of 2h. That the function is affine in every element is verified together with the coupling, along random
        directions.
        """
        return self._in_batches(elements, steps, both=self._affine is None or self.box.noise > 0)

    def _in_batches(self, elements: Array, steps: Array, *, both: bool) -> Estimate:
        """Differentiate a batch of colours at a time."""
        figures = np.zeros((4, elements.size), self.box.dtype)
        for batch in self._colors.batches(elements):
            chosen = batch.chosen
            figures[:, chosen] = self._differences(batch, elements[chosen], steps[chosen], both=both)
        value, scale, roundoff, second = figures
        return Estimate(value=value, scale=scale, error_bound=roundoff, step=steps, second_difference=second)

    def _differences(self, batch: _Batch, elements: Array, steps: Array, *, both: bool) -> Array:
        """Differentiate in the elements of a batch.

        Args:
            batch: where they are credited.
            elements: flat indices of x, colour by colour.
            steps: h, one for each element.
            both: whether to evaluate on both sides.

        Returns:
            Value, scale, bound on the roundoff, and second difference: an array of shape (4, elements).
        """
        box, entries = self.box, batch.entries
        start, h = box.x.reshape(-1)[elements], steps.astype(box.x.dtype)
        ahead, behind = start + h, start - h if both else start
        # x + h and x - h are rounded: divide by the difference really taken.
        width = ahead.astype(box.dtype) - behind
        shared = tuple(axis for axis, size in enumerate(entries.shape) if size == 1 and axis)
        sums = np.zeros((5, elements.size + 1), box.dtype)
        for change in box.changes(self._points(batch, elements, [ahead, behind][: 1 + both]), both=both):
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
        if box.noise:
            rounding = rounding + 4 * box.noise * np.sqrt(variance)
        figures, moved = np.array([value, scale, rounding, second]) / width, width > 0
        return figures if moved.all() else np.where(moved, figures, [[np.nan], [np.nan], [np.inf], [np.inf]])

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

    def _points(self, batch: _Batch, elements: Array, sides: Sequence[Array]) -> list[Array]:
        """Return x with the elements of each colour moved, to each side, all points of a colour in succession."""
        x = self.box.x
        block = np.empty((len(batch.entries), len(sides), x.size), x.dtype)
        block[...] = x.reshape(-1)
        for number, values in enumerate(sides):
            block[batch.colors, number, elements] = values
        return list(block.reshape(-1, *x.shape))


def _credit(totals: Array, to: Array, amount: Array, shared: tuple[int, ...]) -> None:
    """Add every amount to the total whose index `to` gives; amounts along shared axes go to the same total."""
    amount = amount.sum(axis=shared, keepdims=True) if shared else amount
    if amount.shape != to.shape:
        amount = np.broadcast_to(amount, to.shape)
    if totals.dtype == np.float64:
        totals += np.bincount(to.reshape(-1), amount.reshape(-1), totals.size)
    else:
        np.add.at(totals, to.reshape(-1), amount.reshape(-1))
