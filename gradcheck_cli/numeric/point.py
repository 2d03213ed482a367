"""A black box at a point: what every way to differentiate it there has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gradcheck_cli.arrays import epsilon, working_dtype
from gradcheck_cli.numeric.rounding import is_rounding, tiles, typical

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array

Function = Callable[["Array"], "Array"]
Tile = tuple[slice, ...]


class Point:
    """A function from an array to an array, at x, seen through the weights of a cotangent; its evaluations are counted.

    All arrays that it gives out are flat and in the working dtype, but for `x`, which keeps shape and dtype.
    """

    def __init__(self, function: Function, x: Array, cotangent: Array, *, like: Point | None = None) -> None:
        """Evaluate at x, twice; not at all where another point has the same values and the same rounding."""
        self._function = function
        self.x = x
        self.shape = cotangent.shape
        self.dtype = working_dtype(x.dtype)
        self.cotangent = cotangent.astype(self.dtype).reshape(-1)
        self.weights = abs(self.cotangent)
        self.evaluations = 0
        #: The rounding of the function's values: that of the widest dtype in which it can have computed them.
        self.epsilon: float = epsilon(self.dtype) if like is None else like.epsilon
        self.center: Array = self.at(x) if like is None else like.center
        self._double = 2 * self.center
        self._size = abs(self._double) * self.weights
        #: Root mean square difference of two evaluations at x: 0 for a deterministic function.
        self.noise: float = typical(self.at(x) - self.center) if like is None else like.noise

    def at(self, x: Array) -> Array:
        """Evaluate. Overflow and the like are answered in the values; a probe with a large step may cause them."""
        with np.errstate(all="ignore"):
            return np.array(self._evaluate(x), order="C").reshape(-1)

    def _evaluate(self, x: Array) -> Array:
        """Evaluate; what is returned may be a buffer of the function's, good until the next evaluation."""
        self.evaluations += 1
        value = self._function(x)
        self.epsilon = max(self.epsilon, epsilon(value.dtype))
        return np.asarray(value, dtype=self.dtype).reshape(self.shape)

    def differences(self, moved: Sequence[tuple[Array, Array]]) -> Iterator[tuple[Tile, Differences]]:
        """Evaluate on both sides of the point and compare, for each of some pairs (ahead, behind).

        The first axis is that of the pairs, the others are those of the outputs. It comes tile by tile: tiles that fit
        a processor's cache take a third of the time of whole arrays of some millions. Small outputs of many pairs are
        one tile, which takes a tenth of the time of a tile each.
        """
        with np.errstate(all="ignore"):
            ahead, behind = np.empty((2, len(moved), *self.shape), self.dtype)
            for number, (one, other) in enumerate(moved):
                ahead[number] = self._evaluate(one)
                behind[number] = self._evaluate(other)
        whole = [array.reshape(1, *self.shape) for array in (self._double, self.cotangent, self.weights, self._size)]
        for tile in tiles(ahead.shape):
            ahead_, behind_ = ahead[tile], behind[tile]
            double, cotangent, weights, size = (array[:, *tile[1:]] for array in whole)
            with np.errstate(all="ignore"):
                change = cotangent * (ahead_ - behind_)
                total = abs(change)
                bent = weights * abs(ahead_ + behind_ - double)
                # |a| + |b| is the larger of |a + b| and |a - b|, and a + b is twice the center but for what is bent.
                yield tile, Differences(change=change, total=total, size=np.maximum(total, size), bent=bent)

    def along(self, direction: Array) -> Point:
        """Return the function of one number t, at x + t * direction, seen at t = 0. Its evaluations count here too."""
        return Point(lambda t: self.at(self.x + t[0] * direction), np.zeros(1, self.x.dtype), self.cotangent, like=self)


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What moving something to both sides did to the outputs, seen through the cotangent; one entry for each output."""

    change: Array  #: cotangent * (f+ - f-)
    total: Array  #: its absolute value
    size: Array  #: |cotangent| * (|f+| + |f-|), but for what is bent
    bent: Array  #: |cotangent * (f+ - 2 f + f-)|


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
        with np.errstate(all="ignore"):
            rounding = is_rounding(self.bending, self.roundoff / self.epsilon, self.epsilon)
        return rounding & np.isfinite(self.value)


class Sampler(Protocol):
    """A way to take central differences of a black box at a point."""

    method: str
    point: Point

    def sample(self, elements: Array, steps: Array) -> Sample:
        """Difference at each of `elements` (flat indices of x), with its own step."""
