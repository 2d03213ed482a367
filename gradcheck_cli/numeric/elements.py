"""The derivative in some elements, with an error bound: a single large step, or a ladder of small ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradcheck_cli.arrays import epsilon
from gradcheck_cli.numeric.affine import AFFINE_STEP
from gradcheck_cli.numeric.ladder import climb

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Sampler


class Found(NamedTuple):
    """What was found of some elements, one entry for each."""

    value: Array
    scale: Array
    error_bound: Array
    step: Array  #: the smallest that the value rests on
    kinks: Array


def at_elements(sampler: Sampler, elements: Array, *, affine: bool, resolution: float, step: float | None) -> Found:
    """Differentiate at `elements`, with a bound on the error.

    Args:
        sampler: takes the differences.
        elements: flat indices of x.
        affine: whether the function was found to be affine in x. Elements in which it is not after all are refined.
        resolution: an error bound of `resolution * scale` is good enough.
        step: a fixed step, instead of a chosen one.
    """
    count, dtype = elements.size, sampler.point.dtype
    if affine:
        smallest = np.full(count, step or AFFINE_STEP, dtype)
        sample = sampler.sample_affine(elements, smallest)
        value, scale = sample.value, sample.scale
        # In an affine function what is left of f+ - 2 f + f- is its rounding, seen at work; a bound from eps alone
        # knows nothing of long sums.
        bound = sample.roundoff + sample.bending
        doubtful = np.flatnonzero(~sample.straight)
    else:
        value, scale, bound, smallest = np.full((4, count), np.nan, dtype)
        doubtful = np.arange(count)
    kinks = np.zeros(count, bool)
    if doubtful.size:
        limits = climb(sampler, elements[doubtful], resolution=resolution, step=step)
        value[doubtful], scale[doubtful], bound[doubtful] = limits.value, limits.scale, limits.error_bound
        smallest[doubtful], kinks[doubtful] = limits.step, limits.kinked
    # The dot product and the quotient round too; a relative 2 eps of the scale covers what NumPy's pairwise sums lose.
    bound = bound + 2 * epsilon(dtype) * scale
    bound[np.isnan(bound) | kinks] = np.inf
    return Found(value=value, scale=scale, error_bound=bound, step=smallest, kinks=kinks)
