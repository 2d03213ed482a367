"""The verdicts on the gradients: are they the derivatives of the implementation's own forward?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import Comparison, compare, uncompared, unravel
from gradcheck_cli.checks.form import dtype_name
from gradcheck_cli.checks.where import place
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.results.result import Verdict
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from gradcheck_cli.checks.differentiation import Derivatives
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.estimate import Estimate, Leak
    from gradcheck_cli.results.result import ArrayResult, Diagnosis


def compare_gradients(run: CaseRun, derivatives: Derivatives) -> Comparison:
    """Compare each gradient with the derivative of forward, or where that does not decide with the reference's."""
    names = run.problem.differentiable if run.gradients is not None else ()
    comparison = Comparison(
        forward=run.forward,
        gradients={f"d{name}": _compare(run, name, derivatives) for name in names},
        expected=derivatives.estimates,
        leaks=tuple(
            _leak(estimate.leak, name, run.problem) for name, estimate in derivatives.estimates.items() if estimate.leak
        ),
        ignored=derivatives.ignored,
    )
    if {result.verdict for result in comparison.arrays} <= {Verdict.PASS}:
        if run.is_built_in or derivatives.of_reference or not names:
            return comparison
        from gradcheck_cli.checks.reference import confirm_by_reference  # only for other people's code

        return confirm_by_reference(run, comparison)
    from gradcheck_cli.checks.reference import decide_by_reference, judge_guarded  # only for a case that fails

    return judge_guarded(run, decide_by_reference(run, comparison))


def _compare(run: CaseRun, name: str, derivatives: Derivatives) -> ArrayResult:
    subject, settings = run.subjects[name], run.settings
    if name in derivatives.estimates:
        expected = derivatives.estimates[name]
        if run.dtype == dtype_name(expected.value.dtype):
            return compare_allowing_cancellation(run, name, expected)
        return compare(subject, expected, settings)
    if name in derivatives.projections:
        from gradcheck_cli.checks.projection import compare_projection  # only for large layers

        return compare_projection(subject, derivatives.projections[name], settings)
    if run.forward and run.forward.worst is None:
        reason = f"{subject.name} was not checked: forward's output cannot be differentiated"
        return uncompared(subject, settings, Verdict.INCONCLUSIVE, reason)
    return uncompared(subject, settings, Verdict.FAIL, subject.flaw)


#: How much larger than any sum of terms of the Jacobian the terms within a function may be that cancel: of right
#: attentions with scores up to 60, one in four had an element off by 113 roundings of its own scale. In narrow dtypes,
#: 1 - out**2 of a sigmoid at 4 to 6 needs 14 in float16, and of a tanh there 12 in float32.
_WITHIN = 16


def with_cancellation(expected: Estimate) -> Estimate:
    """Return an estimate with the scale that terms within a function may have, of which nothing is known."""
    return replace(expected, scale=np.full_like(expected.scale, _WITHIN * expected.scale.max(initial=0)))


def compare_allowing_cancellation(run: CaseRun, name: str, expected: Estimate) -> ArrayResult:
    """Compare a gradient by the scale of its elements or, without a reference, that of terms within the function."""
    subject, settings = run.subjects[name], run.settings
    result = compare(subject, expected, settings)
    if result.verdict is not Verdict.FAIL or run.problem.reference or subject.flaw:
        return result
    lenient = compare(subject, with_cancellation(expected), settings)
    return lenient if lenient.verdict is Verdict.PASS else result


def unchecked_gradients(run: CaseRun, verdict: Verdict) -> dict[str, ArrayResult]:
    """Give every expected gradient the same verdict, as nothing was compared."""
    subjects = replace(run, gradients=None).subjects.values()
    return {s.name: uncompared(s, run.settings, verdict, f"{s.name} was not checked") for s in subjects}


def _leak(leak: Leak, name: str, problem: Problem) -> Diagnosis:
    from gradcheck_cli.checks.diagnosis.codes import explanation  # only for a forward that leaks

    if leak.element is None or leak.output is None:
        output, source = join_names(problem.outputs or ["out"]), f"elements of {name}"
    else:
        where, index = problem.located(leak.output)
        output, source = f"{where}{place(index)}", f"{name}{place(unravel(leak.element, problem.inputs[name].shape))}"
    return explanation("leak", output=output, input=source).diagnosis()
