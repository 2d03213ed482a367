"""Was a gradient computed in a narrower dtype than it is returned in?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.arrays import DTYPES, epsilon
from gradcheck_cli.checks.comparison import floored
from gradcheck_cli.checks.diagnosis.evidence import ENOUGH_BITS, Explanation

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.checks.comparison import Expected

#: Roundings of the narrower dtype that a sum in it is off at the most: measured 2 for direct sums, 5 for FFT.
_ROUNDINGS = 8.0

#: Where values are not themselves of the narrower dtype, roundings show in their errors: of both signs, each at least
#: in this share of so many elements. A factor near 1 has errors of one sign relative to the values.
_SHARE, _ELEMENTS = 0.2, 12


def narrower(array: Array, right: Expected, dtype: str) -> Explanation | None:
    """Name the dtype whose roundings are the only fault of an array, if there is one."""
    if array.shape != right.value.shape:
        return None
    scale = floored(right.scale)
    with np.errstate(all="ignore"):
        error = array - right.value
        for inside in DTYPES:
            if epsilon(inside) <= epsilon(dtype):
                return None
            small = bool((abs(error) <= _ROUNDINGS * epsilon(inside) * scale + right.error_bound).all())
            if small and (_representable(array, inside, dtype) or _rounded(error, right, epsilon(inside))):
                return Explanation(
                    code=f"{inside}-inside",
                    cause=f"{{names}} {{be}} computed in {inside}: off by its roundings, in an array of {dtype}.",
                    remedy=f"Make the arrays of intermediate results of {dtype} too, by `dtype=x.dtype`.",
                )
    return None


def _representable(array: Array, inside: str, dtype: str) -> bool:
    """Tell whether all values are numbers of a narrower dtype: an accident in one of 2^(bits lost) for each."""
    values = array[array != 0]
    bits = values.size * np.log2(epsilon(inside) / epsilon(dtype))
    return bool(bits >= ENOUGH_BITS and (values.astype(inside).astype(array.dtype) == values).all())


def _rounded(error: Array, right: Expected, eps: float) -> bool:
    """Tell whether errors are scattered as roundings are, and of their size."""
    seen = abs(error) > right.error_bound
    relative = (error / right.value)[seen & (right.value != 0)]
    if relative.size < max(_ELEMENTS, error.size / 2):
        return False
    typical = float(np.median(abs(error) / floored(right.scale)))
    return bool(_SHARE <= (relative > 0).mean() <= 1 - _SHARE and typical >= eps / 64)
