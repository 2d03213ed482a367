"""Is a black box affine in its argument? Asked of it, never assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.arrays import epsilon
from gradcheck_cli.numeric.directions import random_directions
from gradcheck_cli.numeric.rounding import BLOCK, ROUNDINGS, blocks, is_rounding, seen_epsilon

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Point

#: The step for affine functions, which have no truncation error: the larger, the smaller the share of roundoff.
#: Worst error over five convolutions, both signs of everything, in eps of the scale: 5.3 at h = 1, 1.8 at 8,
#: 1.8 at 64, 1.9 at 1024. A power of two, so that adding it loses few bits and dividing by it none.
AFFINE_STEP = 64.0

_DIRECTIONS = 2
_NEAR = 1 / 128

#: What a sum of many roundings may come to, in standard deviations: one in 16,000 is beyond.
_DEVIATIONS = 4.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """A random line through the point, along which a function was found to be affine."""

    direction: Array  #: of x's shape
    slope: np.floating[Any]  #: of <cotangent, function>
    error_bound: np.floating[Any]


@dataclass(frozen=True, kw_only=True)
class Affine:
    """What was seen of an affine function along random lines."""

    lines: tuple[Line, ...]
    #: What its values round by, four standard deviations in eps of their size: seen at work, because a bound from eps
    #: alone knows nothing of long sums.
    roundings: float


def affine(point: Point) -> Affine | None:
    """Tell whether the function agrees with an affine one along random lines through its point, within roundoff.

    Each line is met at -1, 0, 1/128 and 1 times `AFFINE_STEP`. The point near x is there for functions that are odd
    about it (tanh at 0, a cube), which look straight in any symmetric difference, and for those that are flat far
    away. 6 evaluations at most.
    """
    x, lines, residues, sizes = point.x, [], 0.0, 0.0
    for direction in random_directions(x, _DIRECTIONS):
        try:
            ahead, behind, near = (point.at(x + x.dtype.type(AFFINE_STEP * t) * direction) for t in (1, -1, _NEAR))
        except Exception:  # noqa: BLE001  # so far from x a function may refuse; then it is not affine there
            return None
        # Far from x a loss may be infinite or zero, which is a number of any dtype.
        point.epsilon = max(point.epsilon, seen_epsilon(ahead), seen_epsilon(near))
        slope, rounding = np.zeros(2, point.dtype)
        center = point.base.value
        buffers = np.empty((4, min(center.size, BLOCK)), point.dtype)
        for block in blocks(center.size):
            parts = ahead[block], behind[block], near[block], center[block]
            found = _on_a_line(*parts, point.epsilon, buffers[:, : parts[0].size])
            if found is None:
                return None
            change, residue, size = found
            slope += point.base.cotangent[block] @ change
            rounding += point.base.weights[block] @ size
            residues, sizes = residues + float(residue @ residue), sizes + float(size @ size)
        lines.append((direction, slope, rounding))
    roundings = min(_DEVIATIONS * math.sqrt(residues / sizes) / point.epsilon, ROUNDINGS) if sizes > 0 else 0.0
    return Affine(
        lines=tuple(
            Line(
                direction=direction,
                slope=slope / (2 * AFFINE_STEP),
                error_bound=((1 + roundings) * point.epsilon + 2 * epsilon(point.dtype)) * rounding / (2 * AFFINE_STEP),
            )
            for direction, slope, rounding in lines
        ),
        roundings=roundings,
    )


def _on_a_line(
    ahead: Array, behind: Array, near: Array, center: Array, epsilon: float, buffers: Array
) -> tuple[Array, Array, Array] | None:
    """Compare some outputs with a straight line; return f+ - f-, |f+ - 2 f + f-| and |f+| + |f-|, if they are on it."""
    short, residue, double, size = buffers
    np.subtract(ahead, center, out=short)
    short *= _NEAR
    np.subtract(near, center, out=residue)
    residue -= short
    np.abs(residue, out=residue)
    np.multiply(center, 2, out=double)
    np.abs(double, out=size)  # and |near| is that of the center and of what is short of it at the most
    np.abs(short, out=short)
    short *= 2
    short += size
    if not is_rounding(residue, short, epsilon).all():
        return None
    np.add(ahead, behind, out=residue)
    residue -= double
    np.abs(residue, out=residue)
    change = np.subtract(ahead, behind, out=double)
    np.abs(change, out=short)
    np.maximum(short, size, out=short)  # |f+| + |f-|, but for what is bent
    size += short
    if not is_rounding(residue, size, epsilon).all():
        return None
    return change, residue, short
