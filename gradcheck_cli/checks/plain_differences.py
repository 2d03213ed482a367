"""The error of plain central differences as a function of the step: truncation at one end, roundoff at the other.

A plain difference is that of course code: (f(x + h) - f(x - h)) / 2h, with f evaluated in the dtype of x, one h for all
elements, nothing extrapolated. Its error is measured by comparison with an estimate that is known to be better.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.black_box import BlackBox, Evaluation, Function
from gradcheck_cli.numeric.colored import ColoredScheme, Coupling
from gradcheck_cli.numeric.dense import DenseScheme
from gradcheck_cli.numeric.estimate import Estimate, Scheme
from gradcheck_cli.results.step_sweep import STEPS, ErrorSource, StepError, Sweep

#: A slope is fitted to the steps within this factor: with half decades, five of them.
_NEARBY = 10**1.01


@np.errstate(all="ignore")  # overflow and the like show in the values
def sweep(
    function: Function,
    x: Array,
    cotangent: Array,
    estimate: Estimate,
    *,
    steps: Sequence[float] = STEPS,
    elements: Array | None = None,
    coupling: Coupling | None = None,
) -> Sweep:
    """Measure the error of plain central differences of <cotangent, function(x)> with each step.

    Of an affine function the step of the estimate is tried too. It takes two evaluations at x, and per step two for
    each colour or, without a coupling, for each element.

    Args:
        function: maps an array of x's shape and dtype to an array of cotangent's shape. It must not change its
            argument.
        x: the point, in the dtype in which to take the differences.
        cotangent: the weights of the outputs.
        estimate: the derivative of the same function at the same values, in `elements`; best in a wider dtype.
        steps: the steps.
        elements: flat indices of x to differentiate in, all by default.
        coupling: which elements can be moved together. It is trusted: whoever made `estimate` has verified it.
    """
    box = BlackBox(function, x, Evaluation(function, x, cotangent))
    scheme: Scheme = DenseScheme(box) if coupling is None else ColoredScheme(box, coupling)
    sampled = np.arange(x.size) if elements is None else elements
    flat = estimate.reshape((-1,))
    known = np.isfinite(flat.error_bound)
    compared = known & (flat.scale > 0)  # an element that reaches no output has no relative error
    exact = flat.take(compared)
    errors: tuple[StepError, ...] = ()
    rests_on, floor, affine = (np.nan, np.nan, np.nan), np.inf, False
    if compared.any():
        rests_on = float(exact.step.min()), float(np.median(exact.step)), float(exact.step.max())
        floor = float((exact.error_bound / exact.scale).max())
        affine = estimate.affine and rests_on[0] == rests_on[2]  # elements that turned out curved have other steps
        tried = np.array(sorted({*steps, *rests_on} if affine else steps, reverse=True))
        plain = [_plain_differences(scheme, sampled[compared], step) for step in tried.tolist()]
        largest = np.array([(abs(value - exact.value) / exact.scale).max() for value, _ in plain], float)
        largest[np.isnan(largest)] = np.inf
        errors = _classify(tried, largest, np.array([lost for _, lost in plain]), floor, affine=affine)
    return Sweep(
        errors=errors,
        size=x.size,
        sampled=sampled.size,
        unknown=int((~known).sum()),
        steps=rests_on,
        bound=floor,
        affine=affine,
        evaluations=box.evaluations + box.center.evaluations,
    )


def _plain_differences(scheme: Scheme, elements: Array, step: float) -> tuple[Array, bool]:
    """Return (f(x + h) - f(x - h)) / 2h of each element, and whether for any of them x + h and x - h are equal."""
    box = scheme.box
    at, h = box.x.reshape(-1)[elements], box.x.dtype.type(step)
    width = (at + h).astype(box.dtype) - (at - h)
    # A scheme divides by the difference really taken. Course code divides by 2h, and has that error too.
    value = scheme.central_differences(elements, np.full(elements.size, step)).value * width / (2 * step)
    return np.where(width > 0, value, 0), bool((width <= 0).any())


def _classify(steps: Array, errors: Array, lost: Array, floor: float, *, affine: bool) -> tuple[StepError, ...]:
    """Name the source of each error: truncation with steps larger than that of the least error, roundoff below.

    The place of the least error decides, not the slope: where h is as large as the function's own features, truncation
    has any slope. Of an affine function all error is roundoff.
    """
    usable = ~lost & np.isfinite(errors)
    least = 0 if affine or not usable.any() else int(np.where(usable, errors, np.inf).argmin())
    sources = np.where(np.arange(steps.size) < least, ErrorSource.TRUNCATION, ErrorSource.ROUNDOFF)
    sources[errors <= floor] = ErrorSource.UNSEEN
    sources[~np.isfinite(errors)] = ErrorSource.UNDEFINED
    sources[lost] = ErrorSource.LOST
    found = []
    for step, error, source in zip(steps, errors, sources, strict=True):
        slope = None
        if source in (ErrorSource.TRUNCATION, ErrorSource.ROUNDOFF):
            nearby = (sources == source) & (steps < step * _NEARBY) & (steps > step / _NEARBY)
            if nearby.sum() > 1:
                slope = float(np.polyfit(np.log(steps[nearby]), np.log(errors[nearby]), 1)[0])
        found.append(StepError(step=float(step), error=float(error), source=ErrorSource(source), slope=slope))
    return tuple(found)
