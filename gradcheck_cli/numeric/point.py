"""A black box at a point: what every way to differentiate it there has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from gradcheck_cli.arrays import epsilon, working_dtype
from gradcheck_cli.numeric.rounding import blocks, is_rounding, typical

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array

Function = Callable[["Array"], "Array"]


class Point:
    """A function from an array to an array, at x, seen through the weights of a cotangent; its evaluations are counted.

    All arrays that it gives out are flat and in the working dtype, but for `x`, which keeps shape and dtype.
    """

    def __init__(self, function: Function, x: Array, cotangent: Array, *, like: Point | None = None) -> None:
        """Evaluate at x, twice; not at all where another point has the same values and the same rounding."""
        self._function = function
        self.x = x
        self.dtype = working_dtype(x.dtype)
        self.cotangent = cotangent.astype(self.dtype).reshape(-1)
        self.weights = abs(self.cotangent)
        self.evaluations = 0
        #: The rounding of the function's values: that of the widest dtype in which it can have computed them.
        self.epsilon: float = epsilon(self.dtype) if like is None else like.epsilon
        self.center: Array = self.at(x) if like is None else like.center
        #: Root mean square difference of two evaluations at x: 0 for a deterministic function.
        self.noise: float = typical(self.at(x) - self.center) if like is None else like.noise

    def at(self, x: Array) -> Array:
        """Evaluate. Overflow and the like are answered in the values; a probe with a large step may cause them."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            value = self._function(x)
        self.epsilon = max(self.epsilon, epsilon(value.dtype))
        return np.array(value, dtype=self.dtype).reshape(-1)

    def differences(self, ahead: Array, behind: Array) -> Iterator[tuple[slice, Differences]]:
        """Compare the values on both sides of the point, block by block of the outputs.

        Blocks that fit a processor's cache take a third of the time of whole arrays of some millions.
        """
        for block in blocks(ahead.size):
            ahead_, behind_, center, weights = ahead[block], behind[block], self.center[block], self.weights[block]
            with np.errstate(all="ignore"):
                change = ahead_ - behind_
                # An output that does not change at all does not depend on what was moved: it has no rounding to share.
                touched = (change != 0) | (ahead_ != center)
                size = (abs(ahead_) + abs(behind_)) * touched
                bent = abs(ahead_ + behind_ - 2 * center) * touched
                crooked = ~is_rounding(bent, size, self.epsilon)
                yield (
                    block,
                    Differences(
                        change=change * self.cotangent[block], size=size * weights, bent=bent * weights, crooked=crooked
                    ),
                )

    def along(self, direction: Array) -> Point:
        """Return the function of one number t, at x + t * direction, seen at t = 0. Its evaluations count here too."""
        return Point(lambda t: self.at(self.x + t[0] * direction), np.zeros(1, self.x.dtype), self.cotangent, like=self)


@dataclass(frozen=True, kw_only=True)
class Differences:
    """What moving something to both sides did to the outputs, seen through the cotangent; one entry for each output."""

    change: Array  #: cotangent * (f+ - f-)
    size: Array  #: |cotangent| * (|f+| + |f-|) where there is a change
    bent: Array  #: |cotangent * (f+ - 2 f + f-)| where there is a change
    crooked: Array  #: whether f+ - 2 f + f- is more than rounding


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Central differences at some elements, one entry each."""

    value: Array  #: sum_o cotangent_o (f+ - f-)_o / ((x + h) - (x - h))
    scale: Array  #: the same sum of absolute values
    roundoff: Array  #: bound on the rounding error in `value`
    bending: Array  #: sum_o |cotangent_o (f+ - 2 f + f-)_o| over the same: curvature, or in an affine function noise
    straight: Array  #: whether f+ - 2 f + f- vanishes to roundoff in every output


class Sampler(Protocol):
    """A way to take central differences of a black box at a point."""

    method: str
    point: Point

    def sample(self, elements: Array, steps: Array) -> Sample:
        """Difference at each of `elements` (flat indices of x), with its own step."""
