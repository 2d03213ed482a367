"""The output of forward: its form, and whether the reference makes the same of the same inputs."""

from __future__ import annotations

import numpy as np

from gradcheck_cli.checks.comparison import compare
from gradcheck_cli.checks.form import Subject, nonfinite
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.implementation import Implementation
from gradcheck_cli.implementation.outputs import with_outputs
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.results.result import ArrayResult, Verdict

#: What to do about an output of a function that is no number for the inputs that were drawn.
_OTHER_RANGE = "if forward is not defined for all inputs, say between which numbers, by --range x=0.5..2"


def unusable_output(out: object) -> str | None:
    """Say why an output cannot be differentiated, where no reference says what it should be; else None."""
    if isinstance(out, tuple):
        return next((reason for each in out if (reason := unusable_output(each))), None)
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f":
        kind = f"an array of {out.dtype}" if isinstance(out, np.ndarray) else f"a value of type {type(out).__name__}"
        return f"forward returned {kind}; only floating point can be differentiated"
    if not out.size:
        return f"forward returned an empty array, of shape {out.shape}"
    reason = nonfinite("out", out)
    return f"{reason}: {_OTHER_RANGE}" if reason else None


def adopt_output_shape(out: object, problem: Problem, case: Case, implementation: Implementation) -> Problem:
    """Return the problem with the shapes of forward's outputs and its order of inputs, if no reference states them."""
    if problem.reference:
        return problem
    order = {name: place for place, name in enumerate(implementation.order)}
    known = [name for name in problem.inputs if name.partition(".")[0] in order]
    inputs = {name: problem.inputs[name] for name in sorted(known, key=lambda name: order[name.partition(".")[0]])}
    return with_outputs(replace(problem, inputs=inputs or problem.inputs), case, out, implementation.outputs)


def compare_output(out: object, problem: Problem, dtype: str, settings: Settings) -> ArrayResult | None:
    """Compare forward's output with the reference, computed in the working dtype; return None without a reference.

    Of several outputs, the result is that of the one with the largest error, and its reason names every wrong one. It
    is that of state only if all outputs are better.
    """
    if not problem.reference:
        return None
    expected = expected_outputs(problem, out)
    outputs = problem.parts(out) if isinstance(out, np.ndarray) and problem.outputs else {"out": out}
    results = [_compare(name, array, expected[name], problem, dtype, settings) for name, array in outputs.items()]
    if len(results) == 1:
        return results[0]
    verdict = Verdict.worst(result.verdict for result in results)
    failing = [result for result in results if result.verdict is verdict]
    worst = max(failing, key=lambda result: (result.name not in problem.state, _severity(result)))
    return replace(worst, reason="; ".join(result.reason for result in failing if result.reason) or None)


def expected_output(problem: Problem, out: object) -> Estimate:
    """Return what forward should return where it returned `out`: several outputs as one array."""
    return Estimate(
        value=problem.expected_for(out),
        scale=problem.expected_scale,
        # What the reference itself rounds: of a sum in the working dtype, about one eps of its scale.
        error_bound=np.asarray(epsilon(problem.expected.dtype) * problem.expected_scale),
        method="reference",
        evaluations=1,
    )


def expected_outputs(problem: Problem, out: object) -> dict[str, Estimate]:
    """Return what each output should be where forward returned `out`, by name."""
    whole = expected_output(problem, out)
    if not problem.outputs:
        return {"out": whole}
    values, scales, bounds = (problem.parts(array) for array in (whole.value, whole.scale, whole.error_bound))
    return {name: replace(whole, value=values[name], scale=scales[name], error_bound=bounds[name]) for name in values}


def _compare(
    name: str, out: object, expected: Estimate, problem: Problem, dtype: str, settings: Settings
) -> ArrayResult:
    subject = Subject(name=name, array=out, dtype=dtype, shape=expected.value.shape, axes=problem.axes.get(name, ()))
    return compare(subject, expected, settings)


def _severity(result: ArrayResult) -> float:
    """Order results by their error, those without numbers last."""
    return float("inf") if result.scaled_error is None else result.scaled_error
