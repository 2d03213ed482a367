"""The derivative of <cotangent, function(x)> in every element of x, with an error bound: the numeric side of a check.

Where the function turns out to be affine in x, one difference with a large step is exact but for roundoff. Where it
does not, central differences with shrinking steps are extrapolated to zero, element by element, until the error bound
is good enough or stops improving.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.numeric.affine import detect_affine
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.black_box import BlackBox, Evaluation, Function, affordable
from gradcheck_cli.numeric.colored import ColoredScheme, Coupling
from gradcheck_cli.numeric.dense import DenseScheme
from gradcheck_cli.numeric.estimate import Estimate, Scheme
from gradcheck_cli.numeric.leak import find_leak, has_leak
from gradcheck_cli.numeric.partial_derivatives import partial_derivatives


@np.errstate(all="ignore")  # overflow and the like show in the values
def differentiate(
    function: Function,
    x: Array,
    cotangent: Array,
    *,
    resolution: float,
    step: float | None = None,
    coupling: Coupling | None = None,
    elements: Array | None = None,
    center: Evaluation | None = None,
) -> Estimate:
    """Estimate the derivative of <cotangent, function(x)> in every element of x.

    Args:
        function: maps an array of x's shape and dtype to an array of cotangent's shape. It must not change its
            argument; it may return the same buffer at each call.
        x: the point, of any shape, in a floating dtype that the function accepts.
        cotangent: the weights of the outputs.
        resolution: an error bound of `resolution * scale` is good enough; no evaluation is spent on a better one.
        step: a fixed step for every element, instead of a chosen one.
        coupling: which elements can be moved together. It is verified, and not used if the function breaks it.
        elements: flat indices of those to differentiate in, without a coupling; all by default.
        center: the evaluation at x, if there is one already: it saves two calls.

    Returns:
        An estimate with arrays of the shape of x or `elements`, in float64 (longdouble for longdouble x). Its method is
        "dense" if there is no coupling or the function breaks it, else "colored". Where a function that breaks its
        coupling is too large for the dense method, all error bounds are infinite.
    """
    box = BlackBox(function, x, center or Evaluation(function, x, cotangent))
    affine = detect_affine(box)
    chosen = np.arange(x.size) if elements is None else elements
    in_all = partial(partial_derivatives, elements=chosen, resolution=resolution, step=step)
    scheme: Scheme = DenseScheme(box) if coupling is None else ColoredScheme(box, coupling, affine)
    estimate = in_all(scheme, affine=affine is not None)
    leak = None
    if coupling is not None and has_leak(box, estimate, affine):
        leak = find_leak(box, coupling)
        if leak.element is None and affine is not None:  # the function may be curved where few elements move
            affine, scheme = None, ColoredScheme(box, coupling)
            estimate = in_all(scheme, affine=False)
            leak = leak if has_leak(box, estimate, None) else None
    if leak is not None:
        if affordable(2 * x.size, x.size, cotangent.size):
            scheme = DenseScheme(box)
            estimate = in_all(scheme, affine=affine is not None)
        else:
            estimate = replace(estimate, error_bound=np.full_like(estimate.error_bound, np.inf))
    return replace(
        estimate.reshape(x.shape) if elements is None else estimate,
        affine=affine is not None,
        noise=box.noise,
        leak=leak,
        method=scheme.method,
        evaluations=box.evaluations + (box.center.evaluations if center is None else 0),
    )
