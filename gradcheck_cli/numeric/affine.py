"""Is a black box affine in its argument? Asked of it, never assumed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.arrays import signed_uniform

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.function import CountedFunction

#: The step for affine functions, which have no truncation error: the larger, the smaller the share of roundoff.
#: Worst error over five convolutions, both signs of everything, in eps of the scale: 5.3 at h = 1, 1.8 at 8,
#: 1.8 at 64, 1.9 at 1024. A power of two, so that adding it loses few bits and dividing by it none.
AFFINE_STEP = 64.0

#: How far from affine the values may be, in eps of their size. Sums of 100,000 terms, one after the other, come to
#: about 40. A nonlinearity that hides below it changes a derivative by less than this many roundings.
AFFINE_TOLERANCE = 64.0

_DIRECTIONS = 2
_NEAR = 1 / 128


def is_affine(function: CountedFunction, x: Array, center: Array) -> bool:
    """Tell whether `function` agrees with an affine one along random lines through x, within roundoff.

    Each line is met at -1, 0, 1/128 and 1 times `AFFINE_STEP`. The point near x is there for functions that are odd
    about it (tanh at 0, a cube), which look straight in any symmetric difference, and for those that are flat far
    away. 6 evaluations at most.
    """
    source = random.Random(0)  # noqa: S311  # the same lines for everybody
    for _ in range(_DIRECTIONS):
        direction = AFFINE_STEP * signed_uniform(source, x.shape).astype(x.dtype)
        try:
            ahead, behind, near = (function(x + x.dtype.type(t) * direction) for t in (1, -1, _NEAR))
        except Exception:  # noqa: BLE001  # so far from x a function may refuse; then it is not affine there
            return False
        with np.errstate(all="ignore"):
            size = abs(ahead) + abs(behind) + 2 * abs(center)
            if not is_rounding(abs(ahead + behind - 2 * center), size, typical(size), function.epsilon).all():
                return False
            off = abs(near - center - _NEAR * (ahead - center))
            size = abs(near) + abs(center) + _NEAR * abs(ahead)
            if not is_rounding(off, size, typical(size), function.epsilon).all():
                return False
    return True


def is_rounding(residue: Array, size: Array, company: float, epsilon: float) -> Array:
    """Tell for each output whether a residue can be the rounding of values that are, or came from, such a size.

    Cancellation inside a function leaves values smaller than what they were summed from, and their rounding does not
    shrink with them: so a residue may also be measured against the company of the other outputs, if by its own size
    it is at least small. (Against the company alone, one huge output would hide what all others do.)
    """
    allowed = AFFINE_TOLERANCE * epsilon
    by_company = (residue <= allowed * company) & (residue <= epsilon**0.5 * size)
    return np.asarray((residue <= allowed * size) | by_company)


def typical(values: Array) -> float:
    """The root mean square of an array, NaN if it is not finite."""
    largest = float(abs(values).max()) if values.size else 0.0
    return largest * float(np.sqrt(np.mean(np.square(values / largest)))) if largest > 0 else largest
