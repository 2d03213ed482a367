"""Plain differences of the worst element of each wrong gradient, step by step: evidence for a report to show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck_cli.checks.comparison import Comparison, floored
from gradcheck_cli.checks.differentiation import ForwardFunction
from gradcheck_cli.checks.form import dtype_name
from gradcheck_cli.checks.plain_differences import sweep
from gradcheck_cli.checks.run import CaseRun
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.results.result import ArrayResult, Verdict
from gradcheck_cli.results.step_sweep import STEPS, Sweep

#: Decades only: with 26 evaluations for a gradient it costs less than the check did.
_STEPS = STEPS[::2]


def sweep_worst(run: CaseRun, comparison: Comparison) -> dict[str, Sweep]:
    """Sweep the worst element of each gradient that fails, by the gradient's name.

    Errors are shares of the scale by which the element was judged. Left out is what cannot be differentiated further
    away, and what was compared with something else than differences.
    """
    failed = {
        name: result
        for name, estimate in comparison.expected.items()
        if (result := comparison.gradients[f"d{name}"]).verdict is Verdict.FAIL and estimate.method != "reference"
    }
    found = {f"d{name}": _sweep(run, name, result, comparison.expected[name]) for name, result in failed.items()}
    return {name: each for name, each in found.items() if each is not None and each.errors}


def _sweep(run: CaseRun, name: str, result: ArrayResult, estimate: Estimate) -> Sweep | None:
    x, cotangent = run.problem.inputs[name], run.problem.cotangent
    if result.worst is None or not x.size:
        return None
    judged = replace(estimate, scale=floored(estimate.scale)).reshape((-1,))
    element = np.array([np.ravel_multi_index(result.worst.index, x.shape)])
    try:
        function = ForwardFunction(run, run.problem.inputs, name)
        swept = sweep(function, x, cotangent, judged.take(element), steps=_STEPS, elements=element)
        return replace(swept, size=x.size, numeric_dtype=dtype_name(estimate.value.dtype))
    except ImplementationError:  # so far from x forward may refuse
        return None
