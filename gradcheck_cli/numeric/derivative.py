"""The derivative of <cotangent, function(x)> in every element of x, with an error bound: the numeric side of a check.

The function is a black box from an array to an array. Nothing here knows layers or implementations.

Two roads lead to it. Where the function turns out to be affine in x, one central difference with a large step is
exact but for roundoff. Where it is not, a ladder of shrinking steps is extrapolated to zero, element by element,
until the bound is good enough or gets no better.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.affine import affine
from gradcheck_cli.numeric.colored import ColoredSampler
from gradcheck_cli.numeric.dense import DenseSampler
from gradcheck_cli.numeric.elements import at_elements
from gradcheck_cli.numeric.leak import find_leak, leaks
from gradcheck_cli.numeric.method import affordable
from gradcheck_cli.numeric.point import Base, Point

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.colored import Coupling
    from gradcheck_cli.numeric.leak import Leak
    from gradcheck_cli.numeric.point import Function, Sampler


@dataclass(frozen=True, kw_only=True)
class Derivative:
    """A numerical gradient. The arrays have the shape of x and the working dtype."""

    value: Array  #: sum_o cotangent_o J[o, p]; NaN where the function gave nothing finite
    scale: Array  #: sum_o |cotangent_o J[o, p]|, to which the roundoff of any such sum is proportional
    error_bound: Array  #: how far `value` may be from the truth
    step: Array  #: the smallest step that `value` rests on; it may be extrapolated from larger ones
    kinks: Array  #: where it has no derivative: differences to both sides disagree, however small the step
    affine: bool  #: whether the function was found to be affine in x
    noise: float  #: root mean square difference of two evaluations at the same point; 0 for a deterministic function
    leak: Leak | None  #: where the function is not as local as the coupling says
    method: str
    evaluations: int  #: calls of the function


@np.errstate(all="ignore")  # overflow and the like are answered in the values
def differentiate(
    function: Function,
    x: Array,
    cotangent: Array,
    *,
    resolution: float,
    step: float | None = None,
    coupling: Coupling | None = None,
    base: Base | None = None,
) -> Derivative:
    """Differentiate <cotangent, function(x)> in every element of x.

    Args:
        function: maps an array of x's shape and dtype to an array of cotangent's shape. It leaves its argument
            as it was; it may return the same buffer at each call.
        x: the point, of any shape, in a floating dtype that the function accepts.
        cotangent: the weights of the outputs.
        resolution: an error bound of `resolution * scale` is good enough; no evaluation is spent on a better one.
        step: a fixed step for every element, instead of a chosen one.
        coupling: which elements can be moved together. It is verified, and given up if the function breaks it.
        base: what the function is at the point, if that is known: it spares two evaluations.

    Returns:
        The derivative, in float64 (longdouble for longdouble x).
    """
    point = Point(function, x, base or Base(function, x, cotangent))
    straight = affine(point)
    everywhere = partial(at_elements, elements=np.arange(x.size), resolution=resolution, step=step)
    sampler: Sampler = DenseSampler(point) if coupling is None else ColoredSampler(point, coupling, straight)
    found = everywhere(sampler, affine=straight is not None)
    leak = None
    if coupling is not None and leaks(point, found.value, found.error_bound, straight):
        leak = find_leak(point, coupling)
        if leak.element is None and straight is not None:  # lines may have looked straighter than the function is
            straight, sampler = None, ColoredSampler(point, coupling)
            found = everywhere(sampler, affine=False)
            leak = leak if leaks(point, found.value, found.error_bound, None) else None
    if leak is not None:
        if affordable(2 * x.size, x.size, cotangent.size):
            sampler = DenseSampler(point)
            found = everywhere(sampler, affine=straight is not None)
        else:
            found.error_bound[:] = np.inf
    return Derivative(
        value=found.value.reshape(x.shape),
        scale=found.scale.reshape(x.shape),
        error_bound=found.error_bound.reshape(x.shape),
        step=found.step.reshape(x.shape),
        kinks=found.kinks.reshape(x.shape),
        affine=straight is not None,
        noise=point.noise,
        leak=leak,
        method=sampler.method,
        evaluations=point.evaluations + (point.base.evaluations if base is None else 0),
    )
