"""A black box at a point: what every way to differentiate it there has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gradcheck_cli.arrays import epsilon, working_dtype
from gradcheck_cli.numeric.rounding import is_rounding, tiles, typical

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array

Function = Callable[["Array"], "Array"]
Tile = tuple[slice, ...]


class Base:
    """What a function is at a point, seen through the weights of a cotangent: in whatever input it is differentiated.

    All arrays are flat and in the working dtype.
    """

    evaluations = 2

    def __init__(self, function: Function, x: Array, cotangent: Array) -> None:
        """Evaluate at x, twice."""
        self.shape = cotangent.shape
        self.dtype = working_dtype(x.dtype)
        self.cotangent: Array = cotangent.astype(self.dtype).reshape(-1)
        self.weights: Array = abs(self.cotangent)
        with np.errstate(all="ignore"):
            first = function(x)
            self.value: Array = np.array(first, self.dtype, order="C").reshape(-1)
            self.double: Array = 2 * self.value
            second = function(x)
            again = np.asarray(second, self.dtype).reshape(-1)
            #: Root mean square difference of two evaluations at x: 0 for a deterministic function.
            self.noise = 0.0 if np.array_equal(again, self.value) else typical(again - self.value)
        #: Whether the function may return the same buffer again, in which a value is good until the next evaluation.
        self.buffered = np.may_share_memory(first, second)
        #: The rounding of the function's values: that of the widest dtype in which it can have computed them.
        self.epsilon: float = max(epsilon(self.dtype), epsilon(first.dtype), epsilon(second.dtype))

    @cached_property
    def rounded(self) -> Array:
        """What the rounding of f(x) is proportional to, twice, seen through the cotangent: |cotangent| * 2 |f|."""
        return np.asarray(self.weights * abs(self.double))


class Point:
    """A function from an array to an array, at x; its evaluations are counted.

    Values are flat and in the working dtype; `x` keeps shape and dtype.
    """

    def __init__(self, function: Function, x: Array, base: Base) -> None:
        self._function = function
        self.x = x
        self.base = base
        self.shape, self.dtype, self.noise = base.shape, base.dtype, base.noise
        self.epsilon = max(base.epsilon, epsilon(x.dtype))  # by which what is added to x is rounded
        self.evaluations = 0

    def at(self, x: Array) -> Array:
        """Evaluate. A probe with a large step may overflow."""
        value = self._evaluate(x).reshape(-1)
        return value.copy() if self.base.buffered else value

    def _evaluate(self, x: Array) -> Array:
        """Evaluate; what is returned may be a buffer of the function's, good until the next evaluation."""
        self.evaluations += 1
        value = self._function(x)
        self.epsilon = max(self.epsilon, epsilon(value.dtype))
        return np.asarray(value, dtype=self.dtype).reshape(self.shape)

    def differences(
        self, ahead: Sequence[Array], behind: Sequence[Array] | None = None
    ) -> Iterator[tuple[Tile, Differences]]:
        """Evaluate on one side of the point, or on both, and compare: for each of some arrays, or pairs of them.

        The first axis is that of the arrays, the others are those of the outputs. It comes tile by tile: tiles that fit
        a processor's cache take a third of the time of whole arrays of some millions. Small outputs of many arrays are
        one tile, which takes a tenth of the time of a tile each.
        """
        sides = self._sides([moved for moved in (ahead, behind) if moved is not None])
        base = self.base
        whole = [a.reshape(1, *self.shape) for a in (base.value, base.double, base.cotangent, base.weights)]
        cut = tiles(sides[0].shape)
        buffers = np.empty((3, *sides[0][cut[0]].shape), self.dtype)  # new ones for each tile take twice the time
        for tile in cut:
            seen = [side[tile] for side in sides]
            free = buffers[(slice(None), *(slice(size) for size in seen[0].shape))]
            yield tile, Differences(seen, [a[:, *tile[1:]] for a in whole], free)

    def _sides(self, moved: Sequence[Sequence[Array]]) -> list[Array]:
        """Evaluate, the sides of each pair one after the other: what drifts from call to call drifts least so."""
        if len(moved[0]) == 1 and not self.base.buffered:
            return [self._evaluate(x)[np.newaxis] for (x,) in moved]
        values = np.empty((len(moved), len(moved[0]), *self.shape), self.dtype)
        for number, pair in enumerate(zip(*moved, strict=True)):
            for side, x in zip(values, pair, strict=True):
                side[number] = self._evaluate(x)
        return list(values)

    def along(self, direction: Array) -> Point:
        """Return the function of one number t, at x + t * direction, seen at t = 0. Its evaluations count here too."""
        return Point(lambda t: self.at(self.x + t[0] * direction), np.zeros(1, self.x.dtype), self.base)


class Differences:
    """What moving something did to the outputs, seen through the cotangent; one entry for each output.

    Each array is computed when it is asked for, because of millions of outputs it costs as much as a part of the
    evaluation, and is good until the next tile.
    """

    def __init__(self, sides: Sequence[Array], whole: Sequence[Array], buffers: Array) -> None:
        self._sides, self._buffers = sides, buffers
        center, self._double, cotangent, self._weights = whole
        #: cotangent * (f+ - f-), or with one side cotangent * (f+ - f)
        self.change: Array = np.subtract(sides[0], sides[1] if len(sides) > 1 else center, out=buffers[0])
        self.change *= cotangent

    @cached_property
    def total(self) -> Array:
        """The absolute value of the change."""
        return np.abs(self.change, out=self._buffers[1])

    @cached_property
    def bent(self) -> Array:
        """|cotangent * (f+ - 2 f + f-)|: of two sides."""
        ahead, behind = self._sides
        bent: Array = np.add(ahead, behind, out=self._buffers[2])
        bent -= self._double
        np.abs(bent, out=bent)
        bent *= self._weights
        return bent


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Central differences at some elements, one entry each."""

    epsilon: float  #: of the function's values
    value: Array  #: sum_o cotangent_o (f+ - f-)_o / ((x + h) - (x - h))
    scale: Array  #: the same sum of absolute values
    roundoff: Array  #: bound on the rounding error in `value`
    bending: Array  #: sum_o |cotangent_o (f+ - 2 f + f-)_o| over the same: curvature, or in an affine function rounding

    @property
    def straight(self) -> Array:
        """Whether what f+ - 2 f + f- leaves can be rounding: of the outputs that an element reaches, taken together."""
        rounding = is_rounding(self.bending, self.roundoff / self.epsilon, self.epsilon)
        return rounding & np.isfinite(self.value)


class Sampler(Protocol):
    """A way to take differences of a black box at a point."""

    method: str
    point: Point

    def sample(self, elements: Array, steps: Array) -> Sample:
        """Difference at each of `elements` (flat indices of x), with its own step, on both sides."""

    def sample_affine(self, elements: Array, steps: Array) -> Sample:
        """Do the same of a function that was found to be affine, of which one side may do."""
