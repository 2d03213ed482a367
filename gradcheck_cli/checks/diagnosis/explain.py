"""From a failing case to its causes: hypotheses are tried in order, and the first that fits is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gradcheck_cli.checks.comparison import Comparison, judge_elements
from gradcheck_cli.checks.diagnosis.codes import Explanation, explanation, of_fault
from gradcheck_cli.checks.diagnosis.cotangent import faults_of_functions, replaced_cotangents
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Hypothesis, choose, usable
from gradcheck_cli.checks.diagnosis.factor import any_factor, named_factors
from gradcheck_cli.checks.diagnosis.narrow_rounding import narrower, narrower_gradients, rounded_inputs
from gradcheck_cli.checks.diagnosis.other_cases import OtherCases, faults_in
from gradcheck_cli.checks.diagnosis.outputs import explain_outputs
from gradcheck_cli.checks.diagnosis.rearranged import exchanged, moved, rearrangements, reshaped
from gradcheck_cli.checks.forward import expected_output
from gradcheck_cli.checks.run import CaseRun
from gradcheck_cli.layers.framework.fault import Fault, Observed
from gradcheck_cli.layers.framework.faults import faults_to_try
from gradcheck_cli.numeric.arrays import working_dtype
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.results.result import Diagnosis, Verdict

Diagnoses = tuple[Diagnosis, ...]

#: Elements of all inputs and the cotangent up to which faults are tried in the reference, about a hundred evaluations
#: of it. Measured: 0.3 s at (4, 3, 32, 32) * (8, 3, 3, 3), which has 45,000, and 0.8 s with 16 channels, 99,000.
LARGEST_FOR_REFERENCE = 200_000

#: Elements up to which anything is tried. Transpositions of that many take half a second.
LARGEST = 2_000_000


def explain(run: CaseRun, comparison: Comparison) -> tuple[Diagnosis, ...]:
    """Find what would have led to the output and the gradients that were returned, where one of them is wrong.

    A cause is reported only if it fits to roundoff in too many elements for coincidence, and no other case refutes it.
    The implementation is run again only to choose between hypotheses that fit: in a few small cases, and for a function
    at points near by.

    Returns:
        One diagnosis for each cause, leaks among them; none where nothing fits.
    """
    if comparison.causes:
        return comparison.causes
    if found := _why_not_finite(run) or _wrong_at_zeros(run, comparison):
        return *comparison.leaks, found
    causes = _try_hypotheses(run, comparison)
    if run.problem.meaning_open and not causes:
        return (explanation("two-axes-only").diagnosis(),)
    return causes


def _why_not_finite(run: CaseRun) -> Diagnosis | None:
    """Name the likeliest reason why the output is infinite or NaN; None where it is finite, or none is known."""
    if not isinstance(run.out, np.ndarray) or run.out.dtype.kind != "f" or np.isfinite(run.out).all():
        return None
    returned = usable(run.gradients or {}, run.dtype)
    cause = next(iter(run.layer.overflows(run.problem, returned)), None)
    return of_fault(cause).diagnosis() if cause else None


def _wrong_at_zeros(run: CaseRun, comparison: Comparison) -> Diagnosis | None:
    """Name the one gradient that fails, if its wrong elements are those of an input of 0; else None."""
    failing = [name for name in run.problem.differentiable if comparison.verdict_on(name) is Verdict.FAIL]
    if len(failing) != 1:
        return None
    (name,) = failing
    array, zeros = (run.gradients or {}).get(name), run.problem.inputs[name] == 0
    if not isinstance(array, np.ndarray) or array.shape != zeros.shape or array.dtype.kind != "f" or not zeros.any():
        return None
    wrong = ~np.isfinite(array)
    if expected := comparison.expected.get(name):
        wrong |= judge_elements(array.astype(expected.value.dtype), expected, run.dtype, run.settings).wrong
    return explanation("wrong-at-zero", name=name).diagnosis() if wrong.any() and not (wrong & ~zeros).any() else None


@np.errstate(all="ignore")  # what was returned may be as large as it likes
def _try_hypotheses(run: CaseRun, comparison: Comparison) -> tuple[Diagnosis, ...]:
    """Explain forward first, and then the gradients."""
    size = run.problem.cotangent.size + sum(value.size for value in run.problem.inputs.values())
    if size > LARGEST:
        return comparison.leaks
    small, others, forward = size <= LARGEST_FOR_REFERENCE, OtherCases(run), run.forward
    faults = explain_outputs(run, others) if forward and forward.verdict is Verdict.FAIL and small else {}
    # Leaks follow from a fault of forward.
    found = tuple(cause.diagnosis(names) for cause, names in faults.items()) or comparison.leaks
    if forward and run.output_fails:
        if not found and (rounding := _rounding_of_forward(run)):
            return (rounding.diagnosis(["out"]),)  # what else is seen, in leaks and gradients, is its roundings
        if forward.worst and {result.verdict for result in comparison.gradients.values()} == {Verdict.PASS}:
            explained = any(forward.name in names for names in faults.values())
            own = explanation("own-function", layer=run.layer.title_with_article).diagnosis([forward.name])
            return found if explained else (*found, own)
    evidence = _gather(run, comparison)
    hypotheses = _hypotheses(evidence, others, small=small) if evidence.failing else ()
    causes = choose(evidence.failing, hypotheses, others.refute)
    in_gradients = {cause: [f"d{name}" for name in names] for cause, names in causes.items()}
    if not faults:
        return *found, *(cause.diagnosis(names) for cause, names in in_gradients.items())
    return _told_once(faults, in_gradients)


def _told_once(forward: Mapping[Explanation, list[str]], backward: Mapping[Explanation, list[str]]) -> Diagnoses:
    """Join what is said of outputs and of gradients alike: one fault of forward, which its cache hands on."""
    alike = {(cause.code, cause.cause): names for cause, names in backward.items()}
    first = [cause.diagnosis([*names, *alike.pop((cause.code, cause.cause), [])]) for cause, names in forward.items()]
    rest = [cause.diagnosis(names) for cause, names in backward.items() if (cause.code, cause.cause) in alike]
    return *first, *rest


def _rounding_of_forward(run: CaseRun) -> Explanation | None:
    """Name the dtype whose roundings are the only fault of the output, if there is one."""
    if not run.forward or not run.forward.worst:
        return None
    expected = expected_output(run.problem, run.out)
    return narrower(np.asarray(run.out, expected.value.dtype), expected, run.dtype)


def _gather(run: CaseRun, comparison: Comparison) -> Evidence:
    returned = usable(run.gradients or {}, run.dtype)
    known = run.problem.differentiable if run.problem.reference else comparison.expected
    failing = tuple(n for n in returned if comparison.verdict_on(n) is Verdict.FAIL and n in known)
    return Evidence(run=run, returned=returned, failing=failing, expected=comparison.expected)


def _hypotheses(evidence: Evidence, others: OtherCases, *, small: bool) -> Iterator[Hypothesis]:
    """Yield hypotheses about the gradients in the order in which they are tried: simple and common causes first."""
    run = evidence.run
    reference, in_reference = run.problem.reference, run.problem.reference and small
    if in_reference:
        yield from _first_faults(evidence)
    zero = frozenset(name for name in evidence.failing if not evidence.returned[name].any())
    yield from _at_a_glance(evidence, zero - others.nonzero(zero))
    yield from exchanged(evidence)
    yield from rearrangements(evidence, reshaped)
    yield from named_factors(evidence, others)
    if in_reference:
        yield from (_of_fault(evidence, fault) for fault in faults_to_try(run.layer, run.case, run.problem))
    if reference:
        yield from (_of_fault(evidence, fault) for fault in replaced_cotangents(run.layer, run.problem))
    else:
        yield from faults_of_functions(evidence)
    yield from rearrangements(evidence, moved)
    yield from any_factor(evidence, others)
    if in_reference:
        yield from rounded_inputs(evidence)
    yield from narrower_gradients(evidence)
    yield Hypothesis(explanation=explanation("zero"), names=_with_elements(evidence, zero))


def _at_a_glance(evidence: Evidence, zero: frozenset[str]) -> Iterator[Hypothesis]:
    """Yield gradients that are right for the layer, but not for this forward; and those that are zero in all cases."""
    run, failing = evidence.run, evidence.failing
    if run.output_fails:
        right = frozenset(name for name in failing if evidence.fits(name, evidence.reference[name]))
        yield Hypothesis(explanation=explanation("reference-gradient", layer=run.layer.title_with_article), names=right)
    yield Hypothesis(explanation=explanation("zero"), names=_with_elements(evidence, zero))


def _with_elements(evidence: Evidence, names: frozenset[str]) -> frozenset[str]:
    return frozenset(name for name in names if evidence.returned[name].size)


def _first_faults(evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield the faults of the layer that come before all other hypotheses. They say nothing of other cases."""
    run, out = evidence.run, evidence.run.out
    if not isinstance(out, np.ndarray) or out.shape != run.problem.expected.shape:
        return
    derivatives = {name: expected.value for name, expected in evidence.expected.items()}
    wide = out.astype(working_dtype(run.dtype))
    observed = Observed(out=wide, derivatives=derivatives, gradients=evidence.returned)
    for fault in run.layer.observed_faults(run.case, run.problem, observed):
        yield Hypothesis(explanation=of_fault(fault), names=evidence.explained_by(fault.gradients))


def _of_fault(evidence: Evidence, fault: Fault) -> Hypothesis:
    """Return the hypothesis of a fault; in other cases it predicts what the fault with the same cause does there."""

    def predict(elsewhere: Evidence) -> Mapping[str, Estimate]:
        same = faults_in(elsewhere.run.case, elsewhere.run.implementation.absent).get((fault.code, fault.cause))
        return elsewhere.estimate(same.gradients) if same else {}

    return Hypothesis(explanation=of_fault(fault), names=evidence.explained_by(fault.gradients), predict=predict)
