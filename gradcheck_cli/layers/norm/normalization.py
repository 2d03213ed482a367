"""What the normalizations have in common: sets of elements, each shifted and scaled to mean 0 and variance 1.

They differ in what a set is: a feature of all samples, the features of a sample, and so on. A function says it that
puts the mean of its set in the place of each element, or what can be broadcast to that. With it, m = mean(x) and
s = sqrt(mean((x - m)^2) + eps), each has z = (x - m) / s and out = gamma z + beta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.numeric.arrays import Array

    Mean = Callable[[Array], Array]


def absolute(x: Array, mean: Mean, eps: float) -> tuple[Array, Array]:
    """Return (|x| + mean |x|) / s, whose difference z is, and s."""
    deviation = np.sqrt(mean((x - mean(x)) ** 2) + eps)
    return (abs(x) + mean(abs(x))) / deviation, deviation


def absolute_dx(g: Array, x: Array, mean: Mean, eps: float) -> Array:
    """Sum the absolute values of the three terms of dx, with g = gamma dout: with x - m, digits are lost in each."""
    normal, deviation = absolute(x, mean, eps)
    g = abs(g)
    return np.asarray((g + mean(g) + normal * mean(g * normal)) / deviation)


def batch_mean(x: Array) -> Array:
    """Average each feature over the batch, and over the image where it is a channel of one."""
    return np.asarray(x.mean(axis=(0, *range(2, x.ndim)), keepdims=True))


def by_feature(values: Array, x: Array) -> Array:
    """Lay values (D,) along the second axis of x."""
    return values.reshape(-1, *[1] * (x.ndim - 2))
