"""The derivative of <cotangent, function(x)> in every element of x, with an error bound: the numeric side of a check.

The function is a black box from an array to an array. Nothing here knows layers or implementations.

Two roads lead to it. Where the function turns out to be affine in x, one central difference with a large step is
exact but for roundoff. Where it is not, a ladder of shrinking steps is extrapolated to zero, element by element,
until the bound is good enough or gets no better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.arrays import epsilon, working_dtype
from gradcheck_cli.numeric import dense
from gradcheck_cli.numeric.affine import AFFINE_STEP, is_affine, typical
from gradcheck_cli.numeric.function import CountedFunction
from gradcheck_cli.numeric.ladder import climb

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.function import Function


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """A numerical gradient. The arrays have the shape of x and the working dtype."""

    value: Array  #: sum_o cotangent_o J[o, p]; NaN where the function gave nothing finite
    scale: Array  #: sum_o |cotangent_o J[o, p]|, to which the roundoff of any such sum is proportional
    error_bound: Array  #: how far `value` may be from the truth
    affine: bool  #: whether the function was found to be affine in x
    noise: float  #: root mean square difference of two evaluations at the same point; 0 for a deterministic function
    method: str
    evaluations: int  #: calls of the function


def differentiate(
    function: Function, x: Array, cotangent: Array, *, resolution: float, step: float | None = None
) -> Derivative:
    """Differentiate <cotangent, function(x)> in every element of x.

    Args:
        function: maps an array of x's shape and dtype to an array of cotangent's shape. It leaves its argument
            as it was; it may return the same buffer at each call.
        x: the point, of any shape, in a floating dtype that the function accepts.
        cotangent: the weights of the outputs.
        resolution: an error bound of `resolution * scale` is good enough; no evaluation is spent on a better one.
        step: a fixed step for every element, instead of a chosen one.

    Returns:
        The derivative, in float64 (longdouble for longdouble x).
    """
    counted = CountedFunction(function, working_dtype(x.dtype))
    center = counted(x)
    weights = cotangent.astype(center.dtype)
    noise = typical(counted(x) - center)
    sampler = dense.Sampler(counted, x, center, weights, noise)
    affine = is_affine(counted, x, center)
    everywhere = np.arange(x.size)
    if affine:
        sample = sampler.sample(everywhere, np.full(x.size, step or AFFINE_STEP))
        value, scale = sample.value, sample.scale
        # In an affine function what is left of f+ - 2 f + f- is its rounding, seen at work; a bound from eps alone
        # knows nothing of long sums.
        bound = sample.roundoff + sample.bending
        doubtful = everywhere[~sample.straight]
    else:
        value, scale, bound = (np.full(x.size, np.nan, sampler.dtype) for _ in range(3))
        doubtful = everywhere
    if doubtful.size:
        refined = climb(sampler, doubtful, resolution=resolution, step=step)
        value[doubtful], scale[doubtful], bound[doubtful] = refined
    # The dot product and the quotient round too; a relative 2 eps of the scale covers what NumPy's pairwise sums lose.
    bound = bound + 2 * epsilon(center.dtype) * scale
    bound[np.isnan(bound)] = np.inf
    return Derivative(
        value=value.reshape(x.shape),
        scale=scale.reshape(x.shape),
        error_bound=bound.reshape(x.shape),
        affine=affine,
        noise=noise,
        method=sampler.method,
        evaluations=counted.evaluations,
    )
