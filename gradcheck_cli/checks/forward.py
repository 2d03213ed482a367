"""Is the output of forward what the layer's reference makes of the same inputs?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import Expected, Subject, compare, nonfinite
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.layers.framework.make_problem import with_output_shape
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import ArrayResult


def adopt_output_shape(out: object, problem: Problem, case: Case, order: tuple[str, ...]) -> Problem:
    """Return the problem as forward has it, where no reference has said that: its output's shape, its inputs' order.

    Raises:
        ImplementationError: the output cannot be differentiated, and there is no reference by which to say more of it.
    """
    if problem.reference:
        return problem
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f":
        kind = f"an array of {out.dtype}" if isinstance(out, np.ndarray) else f"a value of type {type(out).__name__}"
        raise ImplementationError(f"forward returned {kind}; only floating point can be differentiated")
    if not out.size:
        raise ImplementationError(f"forward returned an empty array, of shape {out.shape}")
    if reason := nonfinite("out", out):
        raise ImplementationError(f"{reason}: {_ELSEWHERE}")
    inputs = {name: problem.inputs[name] for name in order if name in problem.inputs}
    return with_output_shape(replace(problem, inputs=inputs), case, out.shape)


#: What helps where a function is not defined for what was drawn.
_ELSEWHERE = "if forward is not defined for all inputs, say between which numbers, by --range x=0.5..2"


def check_forward(out: object, problem: Problem, dtype: str, settings: Settings) -> ArrayResult | None:
    """Hold forward's output against the reference, computed in the working dtype; None where there is no reference.

    Of several outputs, the result is that of the one that is furthest off, and its reason names every one that is. It
    is that of state only where all outputs are better.
    """
    if not problem.reference:
        return None
    parts = problem.parts(out) if isinstance(out, np.ndarray) and problem.outputs else {}
    whole = expected_output(problem, out)
    if not parts:
        return _compare(next(iter(problem.outputs or ["out"])), out, whole, problem, dtype, settings)
    values, scales, bounds = (problem.parts(array) for array in (whole.value, whole.scale, whole.error_bound))
    found = [
        _compare(
            name,
            part,
            replace(whole, value=values[name], scale=scales[name], error_bound=bounds[name]),
            problem,
            dtype,
            settings,
        )
        for name, part in parts.items()
    ]
    verdict = Verdict.worst(one.verdict for one in found)
    worst = max(
        (one for one in found if one.verdict is verdict),
        key=lambda one: (one.name not in problem.state, _badness(one)),
    )
    reasons = [one.reason for one in found if one.verdict is verdict and one.reason]
    return replace(worst, reason="; ".join(reasons) or None)


def _compare(
    name: str, out: Array | object, expected: Expected, problem: Problem, dtype: str, settings: Settings
) -> ArrayResult:
    subject = Subject(name=name, array=out, dtype=dtype, shape=expected.value.shape, axes=problem.axes.get(name, ()))
    return compare(subject, expected, settings)


def _badness(result: ArrayResult) -> float:
    """Order results: one without numbers comes first."""
    return float("inf") if result.scaled_error is None else result.scaled_error


def expected_output(problem: Problem, out: object) -> Expected:
    """Return what forward should return where it returned `out`."""
    return Expected(
        value=problem.expected_for(out),
        scale=problem.expected_scale,
        # What the reference itself rounds: of a sum in the working dtype, about one eps of its scale.
        error_bound=np.asarray(epsilon(problem.expected.dtype) * problem.expected_scale),
        method="reference",
        evaluations=1,
    )
