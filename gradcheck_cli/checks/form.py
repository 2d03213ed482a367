"""The form of a returned array: whether it has the shape, the dtype and the finite values of what is expected."""

from __future__ import annotations

import functools
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck_cli.checks.where import place
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.implementation import Misshapen
from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.numeric.arrays import Array, epsilon
from gradcheck_cli.results.result import MISSING


@frozen
class Subject:
    """An array under test, and what is expected of its form."""

    name: str
    array: object  #: what was returned in its place, whatever that is
    dtype: str  #: the dtype under test
    shape: tuple[int, ...]
    axes: tuple[Axis, ...] = ()  #: what its axes are called, where they have names

    def __post_init__(self) -> None:
        if isinstance(self.array, Misshapen):  # messages give shapes as they are in the user's code
            object.__setattr__(self, "shape", self.array.wanted)
            object.__setattr__(self, "array", self.array.array)

    @property
    def flaw(self) -> str | None:
        """Why the array cannot be compared element by element: its form, or values that are no numbers."""
        return self.malformed or self.nonfinite

    @cached_property
    def malformed(self) -> str | None:
        """The faults in the form of the array: missing, no array, its shape or dtype."""
        name, array = self.name, self.array
        if array is None:
            return f"{name}{MISSING}"
        if not isinstance(array, np.ndarray | np.generic | float | int):
            noun = type(array).__name__
            return f"{name} is no array but {'an' if noun[0] in 'aeiou' else 'a'} {noun}"
        array = np.asarray(array)
        if array.shape != self.shape:
            if array.size == 0:
                return f"{name} is empty: shape {array.shape} instead of {self.shape}"
            return f"{name} has shape {array.shape} instead of {self.shape}"
        if array.dtype.kind != "f":
            hint = ": return a dtype of NumPy, as .astype(np.float32) does" if array.dtype.kind == "V" else ""
            return f"{name} has dtype {array.dtype}, which is not floating point{hint}"
        if epsilon(array.dtype) > epsilon(self.dtype):
            return f"{name} has dtype {dtype_name(array.dtype)}, narrower than the {self.dtype} of the inputs"
        return None

    @cached_property
    def nonfinite(self) -> str | None:
        """How many elements are NaN or infinite, of an array of the right form."""
        return None if self.malformed else nonfinite(self.name, np.asarray(self.array))


def nonfinite(name: str, array: Array) -> str | None:
    """Say how many elements are NaN or infinite, and where the first is, or None."""
    bad = ~np.isfinite(array)
    count = int(bad.sum())
    if not count:
        return None
    nans = int(np.isnan(array).sum())
    kinds = "NaN" if nans == count else "infinite" if not nans else "NaN or infinite"
    first = f", the first at {place(np.argwhere(bad)[0])}" if array.ndim else ""
    return f"{name} is {kinds}{share_of(bad)}{first}"


def share_of(mask: Array) -> str:
    """Say in how many elements, of an array that has any axes."""
    return f" in {int(mask.sum())} of {mask.size} elements" if mask.ndim else ""


@functools.cache  # NumPy makes the name in Python, which is 2 % of a small case
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Name a dtype as `--dtype` does: NumPy calls the long double float128 or float96, by its padding."""
    return "longdouble" if dtype == np.longdouble and dtype != np.float64 else str(dtype)
