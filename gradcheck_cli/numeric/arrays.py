"""What an array is to this package: its type, and the dtypes on offer."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

#: A string, for NumPy is not loaded where nothing is computed.
Array: TypeAlias = "NDArray[Any]"

#: The dtypes that a layer can be checked in, by the names that `--dtype` takes.
DTYPES = ("float16", "float32", "float64", "longdouble")


@functools.cache  # NumPy takes 2 µs to find it, a hundred times in a case of 3 ms
def epsilon(dtype: DTypeLike) -> float:
    """The machine epsilon of a floating dtype: the spacing of its numbers at 1."""
    return float(np.finfo(np.dtype(dtype)).eps)


def largest_exact(dtype: str | np.dtype[Any]) -> float:
    """The integer up to which a floating dtype represents every one."""
    return 2 / epsilon(dtype)


@functools.cache
def working_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The dtype in which `dtype` is judged: float64, or longdouble where that is under test."""
    return np.promote_types(dtype, np.float64)
