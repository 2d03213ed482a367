"""A black box from an array to an array, counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.arrays import epsilon

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array

Function = Callable[["Array"], "Array"]


class CountedFunction:
    """A function that counts its calls and answers in a fresh, flat array of the working dtype.

    `epsilon` is the rounding of its results: that of the widest dtype in which it could have computed them.
    """

    def __init__(self, function: Function, dtype: np.dtype[Any]) -> None:
        self._function = function
        self._dtype = dtype
        self.evaluations = 0
        self.epsilon = epsilon(dtype)

    def __call__(self, x: Array) -> Array:
        """Evaluate at x. Overflow and the like are answered in the values; a probe with a large step may cause them."""
        self.evaluations += 1
        with np.errstate(all="ignore"):
            value = self._function(x)
        self.epsilon = max(self.epsilon, epsilon(value.dtype))
        return np.array(value, dtype=self._dtype).reshape(-1)
