"""The derivative along one direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.numeric.dense import DenseSampler
from gradcheck_cli.numeric.elements import at_elements

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Point


def slope(
    point: Point, direction: Array, *, affine: bool, step: float | None = None
) -> tuple[np.floating[Any], np.floating[Any]]:
    """Differentiate <cotangent, function(x + t direction)> in t.

    Of an affine function this is the adjoint test, <J direction, cotangent>: any step is exact but for roundoff.

    Returns:
        The derivative and its error bound, in the working dtype: a float would lose the digits of a long double.
    """
    line = DenseSampler(point.along(direction))
    found = at_elements(line, np.zeros(1, int), affine=affine, resolution=0, step=step)
    return found.value[0], found.error_bound[0]
