"""Detection of affine functions, for which one large step is exact but for roundoff."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.numeric.directions import DirectionalDerivative, random_directions
from gradcheck_cli.numeric.rounding import ROUNDINGS, epsilon_of_values, is_rounding
from gradcheck_cli.numeric.tiles import tiles

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.black_box import BlackBox

#: The step for affine functions, which have no truncation error: the larger, the smaller the share of roundoff.
#: Worst error over five convolutions, with values of both signs, in eps of the scale: 5.3 at h = 1, 1.8 at 8,
#: 1.8 at 64, 1.9 at 1024. A power of two, so that adding it loses few bits and dividing by it none.
AFFINE_STEP = 64.0

_DIRECTIONS = 2

#: The point near x, as a share of the step.
_NEAR = 1 / 128

#: Standard deviations that bound a sum of many roundings: one in 16,000 exceeds it.
_DEVIATIONS = 4.0


class Affine(NamedTuple):
    """What is known of a function that is affine along random directions."""

    derivatives: tuple[DirectionalDerivative, ...]  #: along those directions
    #: Four standard deviations of the rounding error of its values, in eps of their size. Measured, because a bound
    #: from eps alone does not know how long the sums inside are.
    roundings: float


def detect_affine(box: BlackBox) -> Affine | None:
    """Return what random directions show of an affine function, or None if the function is not affine along them.

    Along each direction the function is evaluated at -1, 0, 1/128 and 1 times `AFFINE_STEP`, and must lie on a straight
    line within roundoff. The point near x is for functions that are odd about x (tanh at 0, a cube), of which
    symmetric differences look straight, and for those that are flat far away. At most 6 evaluations.

    It raises `box.epsilon` to that of float32 if the values are float32 numbers in a wider array.
    """
    x, center, lines, residues, sizes = box.x, box.center, [], 0.0, 0.0
    for direction in random_directions(x, _DIRECTIONS):
        points = [x + x.dtype.type(AFFINE_STEP * t) * direction for t in (1, -1, _NEAR)]
        try:
            box.prepare(points)
            ahead, behind, near = map(box.at, points)
        except Exception:  # noqa: BLE001  # a function may refuse an x so far away; then it is not affine there
            return None
        # Far from x a loss may be infinite or zero, which is a number of any dtype.
        box.epsilon = max(box.epsilon, epsilon_of_values(ahead), epsilon_of_values(near))
        change, magnitude = np.zeros(2, box.dtype)
        for tile in tiles(center.value.shape):
            found = _fit_line(ahead[tile], behind[tile], near[tile], center.value[tile], box.epsilon)
            if found is None:
                return None
            first, residue, size = found
            change += center.cotangent[tile] @ first
            magnitude += center.weights[tile] @ size
            residues, sizes = residues + float(residue @ residue), sizes + float(size @ size)
        lines.append((direction, change, magnitude))
    roundings = min(_DEVIATIONS * math.sqrt(residues / sizes) / box.epsilon, ROUNDINGS) if sizes > 0 else 0.0
    relative = (1 + roundings) * box.epsilon + 2 * epsilon(box.dtype)
    derivatives = tuple(
        DirectionalDerivative(
            direction=direction,
            value=change / (2 * AFFINE_STEP),
            error_bound=relative * magnitude / (2 * AFFINE_STEP),
        )
        for direction, change, magnitude in lines
    )
    return Affine(derivatives=derivatives, roundings=roundings)


def _fit_line(
    ahead: Array, behind: Array, near: Array, center: Array, epsilon: float
) -> tuple[Array, Array, Array] | None:
    """Compare values at 1, -1, 1/128 and 0 with a straight line.

    Returns:
        f+ - f-, |f+ - 2 f + f-| and |f+| + |f-|; or None if some value is off the line by more than rounding.
    """
    to_near = _NEAR * (ahead - center)
    twice = 2 * center
    if not is_rounding(abs(near - center - to_near), 2 * abs(to_near) + abs(twice), epsilon).all():
        return None
    first, second = ahead - behind, abs(ahead + behind - twice)
    size = np.maximum(abs(first), abs(twice))  # |f+| + |f-|, but for the second difference
    if not is_rounding(second, abs(twice) + size, epsilon).all():
        return None
    return first, second, size
