"""The derivative in some elements, with an error bound: a single large step, or a ladder of small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.arrays import epsilon
from gradcheck_cli.numeric.affine import AFFINE_STEP
from gradcheck_cli.numeric.ladder import climb

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Sampler


def at_elements(
    sampler: Sampler, elements: Array, *, affine: bool, resolution: float, step: float | None
) -> tuple[Array, Array, Array, Array]:
    """Return value, scale and error bound of `elements` (flat indices), and which of them have a kink.

    Args:
        sampler: takes the differences.
        elements: flat indices of x.
        affine: whether the function was found to be affine in x. Elements in which it is not after all are refined.
        resolution: an error bound of `resolution * scale` is good enough.
        step: a fixed step, instead of a chosen one.
    """
    count, dtype = elements.size, sampler.point.dtype
    if affine:
        sample = sampler.sample(elements, np.full(count, step or AFFINE_STEP))
        value, scale = sample.value, sample.scale
        # In an affine function what is left of f+ - 2 f + f- is its rounding, seen at work; a bound from eps alone
        # knows nothing of long sums.
        bound = sample.roundoff + sample.bending
        doubtful = np.flatnonzero(~sample.straight)
    else:
        value, scale, bound = (np.full(count, np.nan, dtype) for _ in range(3))
        doubtful = np.arange(count)
    kinks = np.zeros(count, bool)
    if doubtful.size:
        limits = climb(sampler, elements[doubtful], resolution=resolution, step=step)
        value[doubtful], scale[doubtful], bound[doubtful] = limits.value, limits.scale, limits.error_bound
        kinks[doubtful] = limits.kinked
    # The dot product and the quotient round too; a relative 2 eps of the scale covers what NumPy's pairwise sums lose.
    bound = bound + 2 * epsilon(dtype) * scale
    bound[np.isnan(bound) | kinks] = np.inf
    return value, scale, bound, kinks
