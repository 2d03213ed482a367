"""What can be the rounding of a value, and what cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array

#: Roundings that a value may be off, in eps of its size. Sums of 100,000 terms, one after the other, come to about 40.
#: A nonlinearity that hides below it changes a derivative by less than this many roundings.
ROUNDINGS = 64.0


def is_rounding(residue: Array, size: Array, company: float, epsilon: float) -> Array:
    """Tell for each output whether a residue can be the rounding of values that are, or came from, such a size.

    Cancellation inside a function leaves values smaller than what they were summed from, and their rounding does not
    shrink with them: so a residue may also be measured against the company of the other outputs, if by its own size
    it is at least small. (Against the company alone, one huge output would hide what all others do.)
    """
    by_size = residue <= (ROUNDINGS * epsilon) * size
    if by_size.all():
        return np.asarray(by_size)
    by_company = (residue <= ROUNDINGS * epsilon * company) & (residue <= epsilon**0.5 * size)
    return np.asarray(by_size | by_company)


def typical(values: Array) -> float:
    """The root mean square of an array, NaN if it is not finite."""
    largest = float(abs(values).max()) if values.size else 0.0
    return largest * float(np.sqrt(np.mean(np.square(values / largest)))) if largest > 0 else largest
