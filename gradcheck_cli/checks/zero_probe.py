"""Whether backward is right where an input is 0, for a function of which nothing is known."""

from __future__ import annotations

import numpy as np

from gradcheck_cli.checks.comparison import Comparison, unravel
from gradcheck_cli.checks.diagnosis.codes import explanation
from gradcheck_cli.checks.differentiation import ForwardFunction, numeric_inputs, wide_inputs
from gradcheck_cli.checks.run import CaseRun
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.numeric.arrays import epsilon, working_dtype
from gradcheck_cli.numeric.derivative import differentiate
from gradcheck_cli.results.result import Verdict, WorstElement, WrongElements

#: An error counts beyond this share of the largest gradient: what forward hides near 0, such as a guard, is smaller.
_SEEN = 1e-3

#: The step, small enough not to see beyond a dead zone around 0, as a hard shrinkage has. What is smooth at 0 looks the
#: same with twice the step; a kink, a pole and a root do not.
_STEP = 2.0**-14

#: The most elements of an input that are made 0.
_MOST = 8


def probe_zeros(run: CaseRun, comparison: Comparison) -> Comparison:
    """Fail the gradient that is wrong where its input is 0, though right elsewhere.

    Each input has some zeros in turn. Only what forward shows to be smooth there counts: elsewhere, as in |x|, at 1 / x
    or where it raises, nothing is reported.
    """
    if any(result.verdict is not Verdict.PASS for result in comparison.gradients.values()):
        return comparison
    given = numeric_inputs(run)
    if any(given[name].dtype != working_dtype(run.dtype) for name in run.problem.differentiable):
        return comparison  # differences of this step would show the roundings of forward
    for name in run.problem.differentiable:
        low, high = run.problem.domain.get(name, (-np.inf, np.inf))
        size = run.problem.inputs[name].size
        if size < 2 or not low < 0 < high:
            continue
        try:
            wrong = _wrong_elements(run, name)
        except (ImplementationError, NotExpressibleError):
            continue
        if wrong:
            failed = replace(
                comparison.gradients[f"d{name}"],
                verdict=Verdict.FAIL,
                reason=f"d{name} is wrong in {len(wrong)} of {size} elements: where {name} is 0",
                worst=wrong[0],
                wrong=WrongElements(count=len(wrong), of=size, where=f"where {name} is 0"),
            )
            cause = explanation("wrong-at-zero", name=name).diagnosis()
            return replace(comparison, gradients={**comparison.gradients, f"d{name}": failed}, causes=(cause,))
    return comparison


@np.errstate(all="ignore")
def _wrong_elements(run: CaseRun, name: str) -> list[WorstElement]:
    """List the elements of a gradient that are wrong where its input is 0."""
    problem, x, wide = run.problem, run.problem.inputs[name].copy(), working_dtype(run.dtype)
    count = min(_MOST, max(1, x.size // 8))
    places = np.unique(np.linspace(0, x.size - 1, count + 2)[1:-1].astype(int)) if x.size > 2 else np.zeros(1, int)
    x.reshape(-1)[places] = 0
    inputs = wide_inputs(replace(problem, inputs={**problem.inputs, name: x}))
    out, cache = run.calls.forward(inputs, problem.parameters)
    gradient = run.calls.backward(problem.cotangent.astype(wide), cache, problem.differentiable).get(name)
    if not isinstance(gradient, np.ndarray) or gradient.shape != x.shape:
        return []
    function, at = ForwardFunction(run, inputs, name), inputs[name]
    found = differentiate(function, at, problem.cotangent, resolution=0, step=_STEP, elements=places)
    analytic = gradient.reshape(-1)[places].astype(wide)
    typical = float(abs(gradient[np.isfinite(gradient) & (x != 0)]).max(initial=0))
    rounded = epsilon(wide) * np.sum(abs(problem.cotangent * np.asarray(out))) / _STEP  # changes that forward hides
    visible = np.maximum(_SEEN * np.maximum(typical, abs(found.value)), rounded)
    error = np.where(np.isfinite(analytic), abs(analytic - found.value), np.inf)
    wrong = (error > visible) & (found.error_bound <= visible) & ~found.kinks & (found.noise == 0)
    return [
        WorstElement(
            index=unravel(int(places[k]), x.shape),
            analytic=float(analytic[k]),
            numeric=float(found.value[k]),
            error_bound=float(found.error_bound[k]),
        )
        for k in np.flatnonzero(wrong)
    ]
