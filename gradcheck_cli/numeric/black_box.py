"""A function of which nothing is known but its values, at a point and near it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from gradcheck_cli.numeric.arrays import Array, epsilon, working_dtype
from gradcheck_cli.numeric.rounding import root_mean_square
from gradcheck_cli.numeric.tiles import Tile, tiles

#: Bytes of inputs and outputs of evaluations that are made at once.
TOGETHER = 2**22

#: The cost that a gradient may have: evaluations times the numbers that each reads and writes. 2e8 take one to three
#: seconds. (1, 64, 56, 56) x (64, 64, 3, 3) exceeds it with 5e8 coloured, (8, 3, 224, 224) x (64, 3, 7, 7) with 2e9.
AFFORDABLE = 2e8

#: The cost of a call itself, in numbers read and written.
_OVERHEAD = 5_000

Function = Callable[["Array"], "Array"]


def expect(function: Function, points: Sequence[Array]) -> None:
    """Tell a function at which points it is evaluated next, if it has a method for that, as one elsewhere may."""
    if points and (tell := getattr(function, "expect", None)):  # a step may be too small to move x
        tell(points)


def affordable(evaluations: int, inputs: int, outputs: int) -> bool:
    """Tell whether `evaluations` calls of a function with `inputs` and `outputs` elements are affordable."""
    return evaluations * (inputs + outputs + _OVERHEAD) <= AFFORDABLE


class Evaluation:
    """A function's value at x, with its noise and precision, and the cotangent that weights its outputs.

    It does not depend on which of several inputs is differentiated, so one evaluation serves them all. The arrays are
    flat and in the working dtype (`arrays.working_dtype`).
    """

    def __init__(self, function: Function, x: Array, cotangent: Array, value: Array | None = None) -> None:
        """Evaluate twice, or once where the value is known.

        Args:
            function: maps an array to an array of cotangent's shape.
            x: the point, of any shape.
            cotangent: the weights of the outputs.
            value: what the function has returned at x before.
        """
        self.evaluations = 2 if value is None else 1  #: calls of the function
        self.shape = cotangent.shape
        self.dtype = working_dtype(x.dtype)
        self.cotangent: Array = cotangent.astype(self.dtype).reshape(-1)
        self.weights: Array = abs(self.cotangent)
        with np.errstate(all="ignore"):
            expect(function, [x] * self.evaluations)
            first = function(x) if value is None else value
            self.value: Array = np.array(first, self.dtype, order="C").reshape(-1)
            self.twice: Array = 2 * self.value
            second = function(x)
            again = np.asarray(second, self.dtype).reshape(-1)
            #: Root mean square difference of two evaluations at x: 0 for a deterministic function.
            self.noise = 0.0 if np.array_equal(again, self.value) else root_mean_square(again - self.value)
        #: The machine epsilon of the function's values: that of the narrowest dtype seen, which decides the rounding.
        self.epsilon: float = max(epsilon(self.dtype), epsilon(first.dtype), epsilon(second.dtype))

    @cached_property
    def rounding_scale(self) -> Array:
        """Return |cotangent| * 2 |f(x)|, to which the rounding error of cotangent * (f+ - f-) is proportional."""
        return np.asarray(self.weights * abs(self.twice))


class Change(NamedTuple):
    """How much some outputs change, weighted by the cotangent.

    The first axis of the arrays is that of the perturbed inputs, the others are those of the outputs. They are valid
    until the next tile.
    """

    tile: Tile
    first: Array  #: cotangent * (f+ - f-), or with one side cotangent * (f+ - f)
    total: Array  #: |first|
    second: Array | None  #: |cotangent * (f+ - 2 f + f-)|; None with one side


class BlackBox:
    """A function from array to array near a point x. It counts its evaluations.

    `x` keeps its shape and dtype; values are in the working dtype.
    """

    def __init__(self, function: Function, x: Array, center: Evaluation, whole: BlackBox | None = None) -> None:
        self._function, self._whole = function, whole  # the function that this one is along a line of
        self.x = x
        self.center = center  #: the evaluation at x
        self.shape, self.dtype, self.noise = center.shape, center.dtype, center.noise
        self.epsilon = max(center.epsilon, epsilon(x.dtype))  # x + h is rounded in the dtype of x
        self.evaluations = 0

    def expect(self, points: Sequence[Array]) -> None:
        """Tell the function at which points it is evaluated next."""
        expect(self._function, points)

    def at(self, *points: Array) -> Array:
        """Evaluate at some points; return the flat values, (points, outputs)."""
        return self._evaluate(points).reshape(len(points), -1)

    def along(self, direction: Array) -> BlackBox:
        """Return t -> f(x + t * direction), a function of one number, at t = 0. Its evaluations are counted here too.

        Args:
            direction: of x's shape and dtype.
        """

        def at(t: Array) -> Array:
            return np.asarray(self.x + t[0] * direction)

        def line(t: Array) -> Array:
            return self._function(at(t))

        if hasattr(self._function, "expect"):
            line.expect = lambda points: self.expect([*map(at, points)])  # type: ignore[attr-defined]
        return BlackBox(line, np.zeros(1, self.x.dtype), self.center, whole=self)

    def changes(self, points: Sequence[Array], *, both: bool) -> Iterator[Change]:
        """Evaluate at several points, or pairs of points, and yield how the outputs change, tile by tile.

        Both points of a pair are evaluated in succession, so that drift from call to call cancels best. Tiles that fit
        a cache take a third of the time of whole arrays of some millions of elements. Small outputs of many points
        share a tile, which takes a tenth of the time of a tile each.

        Args:
            points: inputs at which to evaluate; of each pair the one ahead comes first.
            both: whether they are pairs, around the point of the black box; else the change is that from there.
        """
        values = self._evaluate(points)
        ahead, behind = (values[::2], values[1::2]) if both else (values, None)
        at_center = self.center
        center, twice, cotangent, weights = (
            array.reshape(1, *self.shape)
            for array in (at_center.value, at_center.twice, at_center.cotangent, at_center.weights)
        )
        cut = tiles(ahead.shape)
        # Buffers, because with plain expressions the allocator returns memory to the system tile after tile:
        # differentiating a tanh of 100,000 outputs takes 0.19 s instead of 0.13 (of 5,000 outputs 11 ms either way).
        buffers = np.empty((3, *ahead[cut[0]].shape), self.dtype)
        for tile in cut:
            outputs, plus = (slice(None), *tile[1:]), ahead[tile]
            first, total, second = buffers[(slice(None), *(slice(size) for size in plus.shape))]
            np.subtract(plus, center[outputs] if behind is None else behind[tile], out=first)
            first *= cotangent[outputs]
            np.abs(first, out=total)
            if behind is None:
                yield Change(tile, first, total, None)
                continue
            np.add(plus, behind[tile], out=second)
            second -= twice[outputs]
            np.abs(second, out=second)
            second *= weights[outputs]
            yield Change(tile, first, total, second)

    def _evaluate(self, points: Sequence[Array]) -> Array:
        """Return the values at some points, (points, *outputs)."""
        values = np.empty((len(points), *self.shape), self.dtype)
        self.expect(points)
        for number, point in enumerate(points):
            value = self._function(point)
            values[number] = value  # a copy: the next evaluation may reuse the buffer
            if value.dtype is not self.dtype:  # of which the epsilon is the least
                self.epsilon = max(self.epsilon, epsilon(value.dtype))
        box: BlackBox | None = self
        while box is not None:
            box.evaluations += len(points)
            box.epsilon, box = max(box.epsilon, self.epsilon), box._whole  # noqa: SLF001  # of this class
        return values
