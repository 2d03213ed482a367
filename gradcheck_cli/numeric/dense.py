"""Central differences one element at a time: two evaluations per element, whatever the function."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.black_box import TOGETHER, BlackBox
from gradcheck_cli.numeric.estimate import Estimate


class DenseScheme:
    """Perturbs one element at a time. It assumes nothing of the function."""

    method = "dense"

    def __init__(self, box: BlackBox) -> None:
        self.box = box
        #: Four standard deviations of the noise in <cotangent, f+ - f->; `noise` is that of a difference already.
        self._noise = 4 * box.noise * float(np.sqrt(box.center.weights @ box.center.weights)) if box.noise else 0.0

    def central_differences(self, elements: Array, steps: Array) -> Estimate:
        """Return (f(x + h) - f(x - h)) / 2h in some elements, as `Scheme` describes."""
        box, rows = self.box, []
        together = max(1, TOGETHER // (2 * (box.x.nbytes + box.center.value.nbytes)))
        for first in range(0, elements.size, together):
            part = slice(first, first + together)
            sides = [self._sides(p, h) for p, h in zip(elements[part], steps[part], strict=True)]
            box.expect([x for both in sides for x in both])
            rows += [self._difference(int(p), both) for p, both in zip(elements[part], sides, strict=True)]
        value, scale, roundoff, second = np.array(rows, dtype=self.box.dtype).reshape(-1, 4).T
        return Estimate(value=value, scale=scale, error_bound=roundoff, step=steps, second_difference=second)

    def affine_differences(self, elements: Array, steps: Array) -> Estimate:
        """Return central differences too: that the function is affine in each single element is not yet known."""
        return self.central_differences(elements, steps)

    def _sides(self, p: Any, h: Any) -> list[Array]:
        """Return x moved ahead and back in element p; nothing where the step is too small to move it."""
        x = self.box.x
        at, step = x.reshape(-1)[p], x.dtype.type(h)
        if not at + step > at - step:
            return []
        ahead, behind = x.copy(), x.copy()
        ahead.reshape(-1)[p], behind.reshape(-1)[p] = at + step, at - step
        return [ahead, behind]

    def _difference(self, p: int, sides: list[Array]) -> tuple[Any, Any, Any, Any]:
        """Return value, scale, bound on the roundoff, and second difference in element p."""
        box = self.box
        if not sides:
            return np.nan, np.nan, np.inf, np.inf
        ahead, behind = sides
        # x + h and x - h are rounded: divide by the difference really taken.
        width = box.dtype.type(ahead.reshape(-1)[p]) - box.dtype.type(behind.reshape(-1)[p])
        value, scale, magnitude, second = np.zeros(4, box.dtype)
        rounding_scale = box.center.rounding_scale.reshape(1, *box.shape)
        for change in box.changes(sides, both=True):
            assert change.second is not None  # both sides are evaluated
            value += change.first.sum()
            scale += change.total.sum()
            second += change.second.sum()
            # An output that does not change at all does not depend on the element, and adds no rounding error.
            # |f+| + |f-| is the larger of |f+ + f-| and |f+ - f-|, and f+ + f- is 2 f but for the second difference.
            changed = (change.total != 0) | (change.second != 0)
            magnitude += np.maximum(change.total, rounding_scale[change.tile])[changed].sum()
        return value / width, scale / width, (box.epsilon * magnitude + self._noise) / width, second / width
