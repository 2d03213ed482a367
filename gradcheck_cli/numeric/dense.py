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
        self._moved = point.x.copy()
        #: Four standard deviations of what noise does to the dot product; `noise` is that of a difference already.
        self._noise = 4 * point.noise * float(np.sqrt(point.weights @ point.weights)) if point.noise else 0.0

    def sample(self, elements: Array, steps: Array) -> Sample:
        """Difference at each of `elements` (flat indices of x), with its own step."""
        rows = [self._difference(int(p), h) for p, h in zip(elements, steps, strict=True)]
        value, scale, roundoff, bending, straight = np.array(rows, dtype=self.point.dtype).reshape(-1, 5).T
        return Sample(value=value, scale=scale, roundoff=roundoff, bending=bending, straight=straight.astype(bool))

    def _difference(self, p: int, h: Any) -> tuple[Any, Any, Any, Any, bool]:
        point = self.point
        at = self._moved.reshape(-1)[p]
        ahead, behind = at + at.dtype.type(h), at - at.dtype.type(h)
        # The difference really taken: x + h and x - h are rounded.
        width = point.dtype.type(ahead) - point.dtype.type(behind)
        if not width > 0:
            return np.nan, np.nan, np.inf, np.inf, False
        change, total, size, bent = np.zeros(4, point.dtype)
        straight = True
        for _, found in point.differences(self._at(p, ahead), self._at(p, behind)):
            with np.errstate(all="ignore"):
                change += found.change.sum()
                total += abs(found.change).sum()
                size += found.size.sum()
                bent += found.bent.sum()
            straight = straight and not found.crooked.any()
        return change / width, total / width, (point.epsilon * size + self._noise) / width, bent / width, straight

    def _at(self, p: int, value: Any) -> Array:
        """Evaluate with one element changed. The function leaves its argument alone, so no copy is needed."""
        flat = self._moved.reshape(-1)
        before, flat[p] = flat[p], value
        try:
            return self.point.at(self._moved)
        finally:
            flat[p] = before
