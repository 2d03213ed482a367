"""The derivative along one direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.numeric.affine import AFFINE_STEP
from gradcheck_cli.numeric.dense import DenseSampler
from gradcheck_cli.numeric.ladder import climb

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Point


def slope(point: Point, direction: Array, *, affine: bool) -> tuple[np.floating[Any], np.floating[Any]]:
    """Differentiate <cotangent, function(x + t direction)> in t.

    Of an affine function this is the adjoint test, <J direction, cotangent>: any step is exact but for roundoff.

    Returns:
        The derivative and its error bound, in the working dtype: a float would lose the digits of a long double.
    """
    line = DenseSampler(point.along(direction))
    only = np.zeros(1, int)
    if affine:
        sample = line.sample(only, np.full(1, AFFINE_STEP))
        if sample.straight.all():
            return sample.value[0], sample.roundoff[0] + sample.bending[0]
    limit = climb(line, only, resolution=0)
    return limit.value[0], limit.error_bound[0]
