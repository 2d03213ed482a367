"""The derivative along one direction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.dense import DenseSampler
from gradcheck_cli.numeric.elements import at_elements

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Point


def slope(point: Point, direction: Array, *, affine: bool, step: float | None = None) -> tuple[float, float]:
    """Differentiate <cotangent, function(x + t direction)> in t.

    Of an affine function this is the adjoint test, <J direction, cotangent>: any step is exact but for roundoff.

    Returns:
        The derivative and its error bound.
    """
    line = DenseSampler(point.along(direction))
    value, _, bound, _ = at_elements(line, np.zeros(1, int), affine=affine, resolution=0, step=step)
    return float(value[0]), float(bound[0])
