"""What code has returned, which may be anything: the arrays of numbers in it, and how far two of them are apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

import numpy as np

from gradcheck_cli.numeric.arrays import Array, working_dtype
from gradcheck_cli.numeric.rounding import root_mean_square


def difference(one: object, other: object) -> float:
    """Return the root mean square difference of two outputs, 0 where they are no arrays of numbers."""
    if is_numeric(one) and is_numeric(other) and one.shape == other.shape:
        if (one == other).all():
            return 0.0
        with np.errstate(invalid="ignore"):  # infinities
            return root_mean_square(one.astype(working_dtype(one.dtype)) - other)
    return 0.0


def is_numeric(value: object) -> TypeGuard[Array]:
    """Tell whether something is an array of numbers."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufc"


def real_arrays(gradients: Mapping[str, object]) -> dict[str, Array]:
    """Pick the gradients that are arrays of numbers, in float64 or wider."""
    found = {}
    for name, value in gradients.items():
        if isinstance(value, np.ndarray | float) and (array := np.asarray(value)).dtype.kind == "f":
            found[name] = array.astype(working_dtype(array.dtype))
    return found
