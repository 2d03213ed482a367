"""Central differences, one element at a time: two evaluations for each element, whatever the function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.numeric.point import Sample

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Point


class DenseSampler:
    """Takes central differences element by element."""

    method = "dense"

    def __init__(self, point: Point) -> None:
        self.point = point
        self._ahead, self._behind = point.x.copy(), point.x.copy()
        #: Four standard deviations of what noise does to the dot product; `noise` is that of a difference already.
        self._noise = 4 * point.noise * float(np.sqrt(point.base.weights @ point.base.weights)) if point.noise else 0.0

    def sample(self, elements: Array, steps: Array) -> Sample:
        """Difference at each of `elements` (flat indices of x), with its own step, on both sides."""
        rows = [self._difference(int(p), h) for p, h in zip(elements, steps, strict=True)]
        value, scale, roundoff, bending = np.array(rows, dtype=self.point.dtype).reshape(-1, 4).T
        return Sample(epsilon=self.point.epsilon, value=value, scale=scale, roundoff=roundoff, bending=bending)

    def sample_affine(self, elements: Array, steps: Array) -> Sample:
        """Do the same of a function that was found to be affine; that it is so in each element is not trusted."""
        return self.sample(elements, steps)

    def _difference(self, p: int, h: Any) -> tuple[Any, Any, Any, Any]:
        point = self.point
        at = point.x.reshape(-1)[p]
        ahead, behind = at + at.dtype.type(h), at - at.dtype.type(h)
        # The difference really taken: x + h and x - h are rounded.
        width = point.dtype.type(ahead) - point.dtype.type(behind)
        if not width > 0:
            return np.nan, np.nan, np.inf, np.inf
        change, total, size, bent = np.zeros(4, point.dtype)
        self._ahead.reshape(-1)[p], self._behind.reshape(-1)[p] = ahead, behind
        rounded = point.base.rounded.reshape(1, *point.shape)
        for tile, found in point.differences([self._ahead], [self._behind]):
            change += found.change.sum()
            total += found.total.sum()
            # An output that does not change at all does not depend on what was moved: it has no rounding to share.
            # |a| + |b| is the larger of |a + b| and |a - b|, and a + b is twice the center but for what is bent.
            size += np.maximum(found.total, rounded[tile])[(found.total != 0) | (found.bent != 0)].sum()
            bent += found.bent.sum()
        self._ahead.reshape(-1)[p] = self._behind.reshape(-1)[p] = at
        return change / width, total / width, (point.epsilon * size + self._noise) / width, bent / width
