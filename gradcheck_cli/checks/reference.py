"""Gradients compared with those of the reference, where the derivative of forward alone does not decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.cancellation import has_reference, with_cancellation
from gradcheck_cli.checks.comparison import Comparison, compare, floored, judge_elements
from gradcheck_cli.checks.form import Subject, share_of
from gradcheck_cli.checks.forward import expected_output
from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.numeric.arrays import Array, epsilon, working_dtype
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.results.result import ArrayResult, Diagnosis, Verdict

if TYPE_CHECKING:
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.layers.framework.fault import Guard

#: Roundings of the working dtype that the reference's gradient may be off: sums measured below 2.
_ROUNDINGS = 4.0

#: Error bounds by which the derivative of forward may be off where the gradient is the reference's.
_BOUNDS = 4.0

#: How much nearer the output must be to the reference with a guard than without, where it is near enough to both.
_NEARER = 4.0


def confirm_by_reference(run: CaseRun, comparison: Comparison) -> Comparison:
    """Fail gradients that are the derivatives of forward and not the reference's, where forward is as the reference.

    Then forward is another function where it was differentiated than where its output was compared. Half of the digits
    tell, more than any way to compute a gradient loses.
    """
    known = run.problem.reference and (run.problem.gradients_for_draws or not run.problem.expected_for_draws)
    if not (known and run.forward and run.forward.verdict is Verdict.PASS):
        return comparison
    reference, results = reference_gradients(run), dict(comparison.gradients)
    for name, subject in run.subjects.items():
        value, numeric = reference[name], comparison.expected.get(name)
        scale = abs(value) if numeric is None else np.maximum(numeric.scale, abs(value))
        bound = 0.0 if numeric is None else numeric.error_bound
        error = abs(np.asarray(subject.array).astype(value.dtype) - value)
        wrong = error > epsilon(run.dtype) ** 0.5 * floored(scale) + bound
        if wrong.any():
            reason = (
                f"{subject.name} is wrong{share_of(wrong)}, though it is the derivative of forward where that was "
                "differentiated: forward is right only where its output was compared"
            )
            results[subject.name] = replace(results[subject.name], verdict=Verdict.FAIL, reason=reason)
    return replace(comparison, gradients=results)


def decide_by_reference(run: CaseRun, comparison: Comparison, *, wide: bool) -> Comparison:
    """Pass gradients that are undecided and equal the reference's, where forward is the reference's too.

    A kernel of float16 or float32 leaves differences in which too few digits can be seen: between numbers of it that
    are far apart, a softmax of scores near 1,000 has kinks, or another slope. And an error bound that is wider than the
    tolerance may be missed: one gradient in 10,000 is off by a little more. What is undecided for another reason stays
    so: noise, a leak, a step that the user fixed, a kink in the working dtype.

    Args:
        run: what was compared.
        comparison: with the derivative of forward.
        wide: whether forward was evaluated in the working dtype.
    """
    if run.settings.step is not None or not has_reference(run):
        return comparison
    unsure = (Verdict.INCONCLUSIVE, Verdict.FAIL)
    rough = {
        name: e
        for name, e in comparison.expected.items()
        if comparison.verdict_on(name) in unsure and not (e.doubt if wide else e.noise or e.leak)
    }
    if wide:
        rough = {name: e for name, e in rough.items() if _is_within_bounds(run, name, e)}
    if not rough:
        return comparison
    reference = reference_gradients(run)
    lenient = with_cancellation(run, rough, run.dtype)
    found = {name: _compare(run, name, reference[name], expected) for name, expected in lenient.items()}
    return comparison.with_results({name: each for name, each in found.items() if each[0].verdict is Verdict.PASS})


def _is_within_bounds(run: CaseRun, name: str, expected: Estimate) -> bool:
    """Tell whether no element of a gradient is wrong if error bounds are some times as large."""
    subject, rough = run.subjects[name], replace(expected, error_bound=_BOUNDS * expected.error_bound)
    if subject.flaw:
        return False
    return not judge_elements(np.asarray(subject.array), rough, run.dtype, run.settings).wrong.any()


@frozen
class GuardedForward:
    """A forward that is the reference with a guard, as in log(p + 1e-12): right as it is."""

    guard: Guard
    result: ArrayResult  #: the output compared with the reference with the guard


def judge_guarded(run: CaseRun, comparison: Comparison) -> Comparison:
    """Judge again what is wrong, if forward turns out to be the reference with a guard.

    Gradients of the forward without the guard pass, as do the derivatives with it. What is neither is compared with
    the gradient without the guard: its causes are found there.
    """
    if Verdict.FAIL not in {result.verdict for result in comparison.arrays} or not (guarded := _find_guard(run)):
        return comparison
    guard, reference = guarded.guard, reference_gradients(run)
    results: dict[str, tuple[ArrayResult, Estimate]] = {}
    left_out = False
    for name, numeric in comparison.expected.items():
        if comparison.verdict_on(name) is Verdict.PASS:
            continue
        # Terms that the guard has made vanish have left their roundings.
        unguarded = replace(numeric, scale=np.fmax(numeric.scale, abs(reference[name])))
        own = compare(run.subjects[name], unguarded, run.settings)
        if own.verdict is Verdict.PASS:
            results[name] = own, unguarded
            continue
        values = [reference[name], *guard.gradients.get(name, ())]
        tries = [_compare(run, name, value, numeric) for value in values]
        right = next((each for each in tries if each[0].verdict is Verdict.PASS), None)
        left_out |= right is not None
        if right or comparison.verdict_on(name) is Verdict.FAIL:
            results[name] = right or tries[0]
    gradient = ", which the gradient leaves out." if left_out else "."
    remark = Diagnosis(code=guard.code, text=f"{guard.cause}{gradient} {guard.remedy}")
    # Where the guard caps every loss, forward does not depend on the scores; that is in the remark.
    return replace(comparison.with_results(results), forward=guarded.result, ignored=(), remarks=(remark,))


def _find_guard(run: CaseRun) -> GuardedForward | None:
    """Find the guard with which the reference reproduces forward to roundoff, and better than without; None without.

    A guard of 1e-15 may disappear in the roundings of a loss, and still be seen in its derivative.
    """
    out, forward = run.out, run.forward
    if forward is None or forward.worst is None or not isinstance(out, np.ndarray) or out.shape != ():
        return None
    expected = expected_output(run.problem, out)

    def distance(value: Array) -> float:
        return float(np.nan_to_num(abs(out - value), nan=np.inf))

    guards: dict[str, list[Guard]] = {}
    with np.errstate(all="ignore"):
        for guard in run.layer.guards(run.problem):
            guards.setdefault(guard.code, []).append(guard)
        for kind in guards.values():  # the commonest kind that fits; where scores are far apart several do
            guard = min(kind, key=lambda one: distance(one.out))
            subject = Subject(name=forward.name, array=out, dtype=run.dtype, shape=())
            result = compare(subject, replace(expected, value=guard.out), run.settings)
            if result.verdict is Verdict.PASS and _NEARER * distance(guard.out) < distance(expected.value):
                return GuardedForward(guard=guard, result=result)
    return None


def _compare(run: CaseRun, name: str, value: Array, numeric: Estimate) -> tuple[ArrayResult, Estimate]:
    """Compare a gradient with one of the reference, on the scale that forward has shown."""
    scale = np.maximum(np.where(np.isfinite(numeric.scale), numeric.scale, 0), abs(value))
    bound = np.asarray(_ROUNDINGS * epsilon(value.dtype) * scale)
    expected = replace(numeric, value=value, scale=scale, error_bound=bound, method="reference", doubt=None)
    return compare(run.subjects[name], expected, run.settings), expected


def reference_estimates(run: CaseRun) -> dict[str, Estimate]:
    """Return the reference's gradients, by input, of a layer that is a sum of products, with the scales of their sums.

    These are the gradients for absolute values: no term cancels there.
    """
    wide, problem, values = working_dtype(run.dtype), run.problem, reference_gradients(run)
    magnitudes = {name: abs(problem.inputs[name].astype(wide)) for name in problem.differentiable}
    sums = run.layer.gradients(problem, {**problem.inputs, **magnitudes}, abs(problem.cotangent.astype(wide)))
    scales = {name: np.maximum(sums[name], abs(value)) for name, value in values.items()}
    return {
        name: Estimate(
            value=value,
            scale=scales[name],
            error_bound=np.asarray(_ROUNDINGS * epsilon(value.dtype) * scales[name]),
            method="reference",
        )
        for name, value in values.items()
    }


def reference_gradients(run: CaseRun) -> dict[str, Array]:
    """Return the reference's gradients in the working dtype, by input."""
    wide, problem = working_dtype(run.dtype), run.problem
    if problem.gradients_for_draws:
        return {**problem.gradients_for_draws(np.asarray(run.out), problem.cotangent.astype(wide))}
    inputs = {**problem.inputs, **{name: problem.inputs[name].astype(wide) for name in problem.differentiable}}
    with np.errstate(all="ignore"):
        return run.layer.gradients(problem, inputs, problem.cotangent.astype(wide))
