"""Which residues rounding error can explain."""

from __future__ import annotations

import math

import numpy as np

from gradcheck_cli.numeric.arrays import Array, epsilon, working_dtype

#: Rounding error that a value may carry, in eps of its size. A sequential sum of 100,000 terms reaches about 40.
#: A nonlinearity too small to exceed this changes a derivative by less than as many roundings.
ROUNDINGS = 64.0


def is_rounding(residue: Array, size: Array, epsilon: float) -> Array:
    """Return, for each output, whether a residue can be rounding error of values of the given size.

    It can if it is at most `ROUNDINGS * epsilon * size`. Cancellation inside a function leaves values smaller than the
    terms they were summed from, but with the terms' rounding error. So a residue is also accepted up to
    `ROUNDINGS * epsilon` times the root mean square size of all outputs, provided that it is at most epsilon**0.25 of
    its own size. (Without that condition, one huge output would excuse the residues of all others.)

    Args:
        residue: absolute values, of any shape.
        size: absolute values that the residue was computed from, of the same shape.
        epsilon: the machine epsilon that the values were rounded with.
    """
    by_own_size = np.asarray(residue <= (ROUNDINGS * epsilon) * size)
    if by_own_size.all():
        return by_own_size
    typical = ROUNDINGS * epsilon * root_mean_square(size[size > 0])
    return np.asarray(by_own_size | ((residue <= typical) & (residue <= epsilon**0.25 * size)))


def epsilon_of_values(values: Array) -> float:
    """Return the epsilon of float32 if every value is a float32 number, whatever the dtype of the array, else 0.

    A float32 computation stored in a float64 array rounds as float32 does. Values that are all float16 numbers too
    (zeros, small integers) are no evidence of that. Meaningful only where x itself is not made of float32 numbers.
    """
    for part in (values.reshape(-1)[:64], values):  # the first few usually settle it
        if not (part.astype(np.float32) == part).all():
            return 0.0
    return 0.0 if (values.astype(np.float16) == values).all() else epsilon(np.float32)


def root_mean_square(values: Array) -> float:
    """Return the root mean square of an array: 0 if it is empty, NaN if an element is not finite."""
    flat = values.reshape(-1).astype(working_dtype(values.dtype), copy=False)
    if not flat.size:
        return 0.0
    with np.errstate(all="ignore"):
        largest = float(abs(flat).max())  # whose square may overflow or underflow
        return largest * math.sqrt(float(np.square(flat / largest).mean())) if largest > 0 else largest
