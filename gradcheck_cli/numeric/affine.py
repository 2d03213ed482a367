"""Is a black box affine in its argument? Asked of it, never assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.directions import random_directions
from gradcheck_cli.numeric.rounding import blocks, is_rounding

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Point

#: The step for affine functions, which have no truncation error: the larger, the smaller the share of roundoff.
#: Worst error over five convolutions, both signs of everything, in eps of the scale: 5.3 at h = 1, 1.8 at 8,
#: 1.8 at 64, 1.9 at 1024. A power of two, so that adding it loses few bits and dividing by it none.
AFFINE_STEP = 64.0

_DIRECTIONS = 2
_NEAR = 1 / 128


def is_affine(point: Point) -> bool:
    """Tell whether the function agrees with an affine one along random lines through its point, within roundoff.

    Each line is met at -1, 0, 1/128 and 1 times `AFFINE_STEP`. The point near x is there for functions that are odd
    about it (tanh at 0, a cube), which look straight in any symmetric difference, and for those that are flat far
    away. 6 evaluations at most.
    """
    x = point.x
    for direction in random_directions(x, _DIRECTIONS):
        try:
            ahead, behind, near = (point.at(x + x.dtype.type(AFFINE_STEP * t) * direction) for t in (1, -1, _NEAR))
        except Exception:  # noqa: BLE001  # so far from x a function may refuse; then it is not affine there
            return False
        values = ahead, behind, near, point.center
        for block in blocks(point.center.size):
            if not _on_a_line([part[block] for part in values], point.epsilon):
                return False
    return True


def _on_a_line(values: list[Array], epsilon: float) -> bool:
    ahead, behind, near, center = values
    with np.errstate(all="ignore"):
        size = abs(ahead) + abs(behind) + 2 * abs(center)
        if not is_rounding(abs(ahead + behind - 2 * center), size, epsilon).all():
            return False
        size = abs(near) + abs(center) + _NEAR * abs(ahead)
        return bool(is_rounding(abs(near - center - _NEAR * (ahead - center)), size, epsilon).all())
