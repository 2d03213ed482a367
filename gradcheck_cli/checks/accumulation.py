"""The dtype in which a gradient is accumulated, as its errors show: information, on which no verdict depends.

A sum in float32 that is rounded to float16 once is off by half a unit in the last place of the result, and by some
roundings of float32; one that is rounded to float16 at each step is off by roundings of its terms, however small the
result is (Higham, *Accuracy and Stability of Numerical Algorithms*, chapter 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.form import dtype_name
from gradcheck_cli.numeric.arrays import DTYPES, epsilon
from gradcheck_cli.numeric.rounding import ROUNDINGS

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.estimate import Estimate

#: Elements half of whose terms cancel, at least: so many of them show it if terms are rounded. Of 200 arrays of 16 sums
#: each, of 400 terms that alone were rounded, 13 looked as if rounded once; with 32 sums, or partial sums that were
#: rounded too, none of 11,200 did.
_ENOUGH = 24
_CANCELLED = 2.0

#: The mean error, in roundings of a narrower dtype, from which on it is one of that dtype: sums of 1,000 numbers have
#: more, and right code in float64 has less than a millionth.
_TYPICAL = 2.0**-8


@np.errstate(all="ignore")  # of what is not finite nothing can be told
def accumulates_in(array: Array, expected: Estimate, error: Array, roundings: float) -> str | None:
    """Name the dtype in which an array was accumulated: its own, or another one.

    Args:
        array: what was returned.
        expected: the right values; their scale is the sum of the absolute values of the terms.
        error: how far off each element is.
        roundings: how far off one of them is that is worst, in roundings of the array's dtype.

    Returns:
        None if that cannot be told.
    """
    own = dtype_name(array.dtype)
    if own not in DTYPES or not array.size:
        return None
    place = DTYPES.index(own)
    narrower, wider = DTYPES[place - 1] if place else None, DTYPES[min(place + 1, len(DTYPES) - 1)]
    if narrower and roundings * epsilon(own) > _TYPICAL * epsilon(narrower):
        return narrower if float(error.mean()) > _TYPICAL * epsilon(narrower) * float(expected.scale.mean()) else None
    if epsilon(wider) < epsilon(expected.value.dtype):  # nor is the expected value known better than that
        return None
    half_a_unit = np.spacing(abs(array)).astype(error.dtype) * (0.5 + epsilon(own))
    once = half_a_unit + ROUNDINGS * epsilon(wider) * expected.scale + expected.error_bound
    if (error > once).any():
        return own
    cancelling = np.count_nonzero(expected.scale > _CANCELLED * abs(expected.value))
    return wider if cancelling >= _ENOUGH else None
