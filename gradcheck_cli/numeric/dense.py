"""Central differences, one element at a time: two evaluations for each element, whatever the function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.numeric.affine import is_rounding, typical

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.function import CountedFunction


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Central differences at some elements, one entry each."""

    value: Array  #: sum_o cotangent_o (f+ - f-)_o / ((x + h) - (x - h))
    scale: Array  #: the same sum of absolute values
    roundoff: Array  #: bound on the rounding error in `value`
    bending: Array  #: sum_o |cotangent_o (f+ - 2 f + f-)_o| over the same: curvature, or in an affine function noise
    straight: Array  #: whether f+ - 2 f + f- vanishes to roundoff in every output


class Sampler:
    """Takes central differences of <cotangent, function> at x, element by element."""

    method = "dense"

    def __init__(self, function: CountedFunction, x: Array, center: Array, cotangent: Array, noise: float) -> None:
        self._function = function
        self._x = x.copy()
        self._center = center
        self._cotangent = cotangent.reshape(-1)
        self._weights = abs(self._cotangent)
        self._company = typical(center)
        #: Four standard deviations of what noise does to the dot product; `noise` is that of a difference already.
        self._noise = 4 * noise * float(np.sqrt(self._weights @ self._weights)) if noise else 0.0
        self.points = self._x.reshape(-1)
        self.dtype = center.dtype

    def sample(self, elements: Array, steps: Array) -> Sample:
        """Difference at each of `elements` (flat indices) with its own step."""
        rows = [self._difference(int(p), h) for p, h in zip(elements, steps, strict=True)]
        value, scale, roundoff, bending, straight = np.array(rows, dtype=self.dtype).reshape(-1, 5).T
        return Sample(value=value, scale=scale, roundoff=roundoff, bending=bending, straight=straight.astype(bool))

    def _difference(self, p: int, h: Any) -> tuple[Any, Any, Any, Any, bool]:
        at = self.points[p]
        ahead, behind = at + at.dtype.type(h), at - at.dtype.type(h)
        # The difference really taken: x + h and x - h are rounded.
        width = self.dtype.type(ahead) - self.dtype.type(behind)
        if not width > 0:
            return np.nan, np.nan, np.inf, np.inf, False
        f_ahead, f_behind = self._at(p, ahead), self._at(p, behind)
        with np.errstate(all="ignore"):
            change = f_ahead - f_behind
            # An output that does not change at all does not depend on this element, and has no rounding to share.
            touched = change != 0
            size = (abs(f_ahead) + abs(f_behind)) * touched
            bent = abs(f_ahead + f_behind - 2 * self._center) * touched
            return (
                self._cotangent @ change / width,
                self._weights @ abs(change) / width,
                (self._function.epsilon * (self._weights @ size) + self._noise) / width,
                self._weights @ bent / width,
                bool(is_rounding(bent, size, self._company, self._function.epsilon).all()),
            )

    def _at(self, p: int, value: Any) -> Array:
        """Evaluate with one element changed. The function leaves its argument alone, so no copy is needed."""
        before, self.points[p] = self.points[p], value
        try:
            return self._function(self._x)
        finally:
            self.points[p] = before
