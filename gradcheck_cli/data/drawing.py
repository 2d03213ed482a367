"""How arrays of random numbers are drawn: the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import random

    from numpy.typing import NDArray

    Array = NDArray[Any]


def signed_uniform(source: random.Random, shape: Sequence[int]) -> Array:
    """Draw float64 values of random sign and of magnitude uniform in (0.5, 1.5).

    Both signs, so that a check cannot pass by cancellation alone; never near zero, so that no element escapes
    notice and none lies on a kink by accident. All are odd multiples of 2**-32, so that none is a float32 number: a
    float64 output that is a float32 number then shows a float32 computation, even where it is a copy of one input.

    The standard library's generator is used, not NumPy's: the same seed must give the same arrays on every
    machine, and NumPy's `Generator` promises that only within one version of NumPy (NEP 19).
    """
    words = random_words(source, shape)
    return np.asarray(np.copysign((words | 1) * 2.0**-32 + 0.5, (words & 1) - 0.5)).reshape(shape)


def drawn(source: random.Random, shape: Sequence[int], within: tuple[float, float] | None = None) -> Array:
    """Draw float64 values uniform between two numbers, neither of them included; signed ones without these."""
    if within is None:
        return signed_uniform(source, shape)
    low, high = within
    return (low + (high - low) * ((random_words(source, shape) + 0.5) * 2.0**-32)).reshape(shape)


def random_words(source: random.Random, shape: Sequence[int]) -> Array:
    """Draw integers of 32 bits, flat: as many as an array of a shape has elements."""
    return np.frombuffer(source.randbytes(4 * math.prod(shape)), dtype="<u4")
