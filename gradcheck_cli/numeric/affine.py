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

#: The second point, on the other side of x and near it, as a share of the step.
_NEAR = -1 / 128

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

    Along each direction the function is evaluated at 0, 1 and -1/128 times `AFFINE_STEP`, and must lie on a straight
    line within roundoff. Points as far to both sides would not do: functions that are odd about x (tanh at 0, a cube)
    look straight there, and so do those that are flat far away. At most 4 evaluations.

    It raises `box.epsilon` to that of float32 if the values are float32 numbers in a wider array.
    """
    x, center, lines, residues, sizes = box.x, box.center, [], 0.0, 0.0
    for number, direction in enumerate(random_directions(x, _DIRECTIONS)):
        try:
            if box.many and not number:
                box.prepare([point for each in random_directions(x, _DIRECTIONS) for point in _points(x, each)])
            ahead, near = map(box.at, _points(x, direction))
        except Exception:  # noqa: BLE001  # a function may refuse an x so far away; then it is not affine there
            return None
        # Far from x a loss may be infinite or zero, which is a number of any dtype.
        box.epsilon = max(box.epsilon, epsilon_of_values(ahead), epsilon_of_values(near))
        change, magnitude = np.zeros(2, box.dtype)
        for tile in tiles(center.value.shape):
            found = _fit_line(ahead[tile], near[tile], center.value[tile], box.epsilon)
            if found is None:
                box.prepare([])
                return None
            first, residue, size = found
            change += center.cotangent[tile] @ first
            magnitude += center.weights[tile] @ (abs(ahead[tile]) + abs(center.value[tile]))
            residues, sizes = residues + float(residue @ residue), sizes + float(size @ size)
        lines.append((direction, change, magnitude))
    roundings = min(_DEVIATIONS * math.sqrt(residues / sizes) / box.epsilon, ROUNDINGS) if sizes > 0 else 0.0
    relative = (1 + roundings) * box.epsilon + 2 * epsilon(box.dtype)
    derivatives = tuple(
        DirectionalDerivative(
            direction=direction,
            value=change / AFFINE_STEP,
            error_bound=relative * magnitude / AFFINE_STEP,
        )
        for direction, change, magnitude in lines
    )
    return Affine(derivatives=derivatives, roundings=roundings)


def _points(x: Array, direction: Array) -> list[Array]:
    """Return the points along a direction at which the function is evaluated."""
    return [x + x.dtype.type(AFFINE_STEP * t) * direction for t in (1, _NEAR)]


def _fit_line(ahead: Array, near: Array, center: Array, epsilon: float) -> tuple[Array, Array, Array] | None:
    """Compare values at 1, -1/128 and 0 with a straight line.

    Returns:
        How much the first is off the last, how much the second is off the line through both, and the sizes of the
        values that this was computed from; or None if some value is off the line by more than rounding.
    """
    first = ahead - center
    to_near = _NEAR * first
    residue, size = abs(near - center - to_near), abs(to_near) + abs(center)
    return (first, residue, size) if is_rounding(residue, 2 * size, epsilon).all() else None
