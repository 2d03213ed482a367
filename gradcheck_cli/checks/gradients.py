"""The verdicts on the gradients: are they the derivatives of the implementation's own forward?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gradcheck_cli.checks.comparison import Comparison, compare, uncompared, unravel
from gradcheck_cli.checks.where import place
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.results.result import ArrayResult, Diagnosis, Verdict
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from gradcheck_cli.checks.differentiation import Derivatives
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.estimate import Leak


def compare_gradients(run: CaseRun, derivatives: Derivatives) -> Comparison:
    """Compare each gradient with the derivative of forward, or where that does not decide with the reference's."""
    names = run.problem.differentiable if run.gradients is not None else ()
    by_own_scale = Comparison(
        forward=run.forward,
        gradients={f"d{name}": _compare(run, name, derivatives) for name in names},
        expected=derivatives.estimates,
        leaks=tuple(
            _leak(estimate.leak, name, run.problem) for name, estimate in derivatives.estimates.items() if estimate.leak
        ),
        ignored=derivatives.ignored,
    )
    comparison = _allowing_cancellation(run, by_own_scale)
    if all(result.verdict is Verdict.PASS for result in comparison.arrays):
        if run.is_built_in or derivatives.of_reference or not names:
            return comparison
        from gradcheck_cli.checks.reference import confirm_by_reference  # only for other people's code

        return confirm_by_reference(run, comparison)
    from gradcheck_cli.checks.reference import decide_by_reference, judge_guarded  # only for a case that fails

    return judge_guarded(run, decide_by_reference(run, comparison, wide=derivatives.wide))


def _allowing_cancellation(run: CaseRun, comparison: Comparison) -> Comparison:
    if all(result.verdict is not Verdict.FAIL for result in comparison.gradients.values()):
        return comparison
    from gradcheck_cli.checks.cancellation import allow_cancellation  # only where something is wrong

    return allow_cancellation(run, comparison, run.dtype)


def _compare(run: CaseRun, name: str, derivatives: Derivatives) -> ArrayResult:
    subject, settings = run.subjects[name], run.settings
    if name in derivatives.estimates:
        return compare(subject, derivatives.estimates[name], settings)
    if name in derivatives.projections:
        from gradcheck_cli.checks.projection import compare_projection  # only for large layers

        return compare_projection(subject, derivatives.projections[name], settings)
    if run.forward and run.forward.worst is None:
        reason = f"{subject.name} was not checked: forward's output cannot be differentiated"
        return uncompared(subject, settings, Verdict.INCONCLUSIVE, reason)
    return uncompared(subject, settings, Verdict.FAIL, subject.flaw)


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
