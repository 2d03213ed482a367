"""Derivatives in chosen elements or along a direction: one large step if affine, else extrapolated small ones."""

from __future__ import annotations

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.numeric.affine import AFFINE_STEP
from gradcheck_cli.numeric.arrays import Array, epsilon
from gradcheck_cli.numeric.black_box import BlackBox
from gradcheck_cli.numeric.dense import DenseScheme
from gradcheck_cli.numeric.directions import DirectionalDerivative
from gradcheck_cli.numeric.estimate import Estimate, Scheme
from gradcheck_cli.numeric.richardson import extrapolate
from gradcheck_cli.numeric.rounding import is_rounding


def partial_derivatives(
    scheme: Scheme, elements: Array, *, affine: bool, resolution: float, step: float | None
) -> Estimate:
    """Differentiate <cotangent, function(x)> in some elements of x.

    Args:
        scheme: takes the differences.
        elements: flat indices of x.
        affine: whether the function was found to be affine in x. Elements in which it turns out to be curved are
            extrapolated.
        resolution: an error bound of `resolution * scale` is good enough.
        step: a fixed step, instead of a chosen one.

    Returns:
        Flat arrays, one entry per element. The error bound is infinite at kinks and where nothing finite was found.
    """
    if affine:
        steps = np.full(elements.size, step or AFFINE_STEP, scheme.box.dtype)
        single = scheme.affine_differences(elements, steps)
        # The second difference of an affine function is rounding error as it really is; a bound from eps alone does
        # not know how long the sums inside are.
        estimate = replace(
            single,
            error_bound=single.error_bound + single.second_difference,
            kinks=np.zeros(elements.size, bool),
        )
        straight = _is_straight(single, scheme.box.epsilon)
        if not straight.all():
            curved = np.flatnonzero(~straight)
            refined = extrapolate(scheme, elements[curved], resolution=resolution, step=step)
            estimate = estimate.with_elements(curved, refined)
    else:
        estimate = extrapolate(scheme, elements, resolution=resolution, step=step)
    # The dot product and the quotient round too; 2 eps of the scale cover what NumPy's pairwise sums lose.
    bound = estimate.error_bound + 2 * epsilon(scheme.box.dtype) * estimate.scale
    return replace(estimate, error_bound=np.where(np.isnan(bound) | estimate.kinks, np.inf, bound))


def directional_derivative(
    box: BlackBox, direction: Array, *, affine: bool, step: float | None = None
) -> DirectionalDerivative:
    """Differentiate <cotangent, function(x + t direction)> in t, at t = 0.

    Args:
        box: the function and its point.
        direction: of x's shape and dtype.
        affine: whether the function was found to be affine. Then this is the adjoint test, <J direction, cotangent>,
            and any step is exact but for roundoff.
        step: a fixed step, instead of a chosen one.
    """
    line = DenseScheme(box.along(direction))
    found = partial_derivatives(line, np.zeros(1, int), affine=affine, resolution=0, step=step)
    return DirectionalDerivative(direction=direction, value=found.value[0], error_bound=found.error_bound[0])


def _is_straight(difference: Estimate, epsilon: float) -> Array:
    """Tell in which elements the second difference can be rounding, summed over the outputs that they reach."""
    size = difference.error_bound / epsilon
    return is_rounding(difference.second_difference, size, epsilon) & np.isfinite(difference.value)
