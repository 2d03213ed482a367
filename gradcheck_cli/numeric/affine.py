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
    from gradcheck_cli.numeric.black_box import BlackBox

#: The step for affine functions, which have no truncation error: the larger, the smaller the share of roundoff.
#: Worst error over five convolutions, with values of both signs, in eps of the scale: 5.3 at h = 1, 1.8 at 8,
#: 1.8 at 64, 1.9 at 1024. A power of two, so that adding it loses few bits and dividing by it none.
AFFINE_STEP = 64.0

#: The third point, on the other side of x and near it, as a share of the step.
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

    The function is evaluated at `AFFINE_STEP` along each of two directions, and at -1/128 of that along their sum. All
    values must lie in one plane within roundoff. Points as far to both sides would not do: functions that are odd about
    x (tanh at 0, a cube) look straight there, and so do those that are flat far away. At most 3 evaluations.

    It raises `box.epsilon` to that of float32 if the values are float32 numbers in a wider array.
    """
    x, center, step = box.x, box.center, box.x.dtype.type(AFFINE_STEP)
    directions = random_directions(x, 2)
    try:
        values = box.at(*(x + step * each for each in directions), x + _NEAR * step * sum(directions))
    except Exception:  # noqa: BLE001  # a function may refuse an x so far away; then it is not affine there
        return None
    # Together, because far from x a loss may be infinite, and a softmax may choose one of the values that it is given.
    box.epsilon = max(box.epsilon, epsilon_of_values(values))
    changes, magnitudes = np.zeros((2, 2), box.dtype)
    residues = sizes = 0.0
    for (tile,) in tiles(center.value.shape):
        at_x, there = center.value[tile], values[:, tile]
        moved, size_at_x = there - at_x, abs(at_x)
        to_near = _NEAR * (moved[0] + moved[1])
        residue, size = abs(moved[2] - to_near), abs(to_near) + size_at_x
        if not is_rounding(residue, 2 * size, box.epsilon).all():
            return None
        changes += moved[:2] @ center.cotangent[tile]
        magnitudes += (abs(there[:2]) + size_at_x) @ center.weights[tile]
        residues, sizes = residues + float(residue @ residue), sizes + float(size @ size)
    roundings = min(_DEVIATIONS * math.sqrt(residues / sizes) / box.epsilon, ROUNDINGS) if sizes > 0 else 0.0
    relative = (1 + roundings) * box.epsilon + 2 * epsilon(box.dtype)
    derivatives = zip(directions, changes / AFFINE_STEP, relative * magnitudes / AFFINE_STEP, strict=True)
    return Affine(derivatives=tuple(DirectionalDerivative(*each) for each in derivatives), roundings=roundings)
