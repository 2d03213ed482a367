"""From a failing case to its causes: every hypothesis is tried, and the first that fits is told."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.diagnosis.cotangent import replaced_cotangents
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Explanation, Hypothesis
from gradcheck_cli.checks.diagnosis.factor import any_factor, named_factors
from gradcheck_cli.checks.diagnosis.function import of_functions
from gradcheck_cli.checks.diagnosis.further import Further, usable
from gradcheck_cli.checks.diagnosis.outputs import forward_causes
from gradcheck_cli.checks.diagnosis.precision import narrower, rounded_arrays
from gradcheck_cli.checks.diagnosis.rearranged import rearranged, simple
from gradcheck_cli.checks.forward import expected_output
from gradcheck_cli.layers.framework.fault import Observed
from gradcheck_cli.layers.framework.faults import faults_to_try
from gradcheck_cli.numeric.arrays import working_dtype
from gradcheck_cli.results.result import Diagnosis, Verdict
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gradcheck_cli.checks.comparison import Expected
    from gradcheck_cli.checks.diagnosis.evidence import Prediction
    from gradcheck_cli.checks.diagnosis.rearranged import Rearrangement
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.fault import Fault
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import ArrayResult

#: Elements of all inputs and the cotangent up to which slips are tried in the reference, about a hundred evaluations of
#: it. Measured: 0.05 s at (4, 3, 32, 32) * (8, 3, 3, 3), which has 45,000, and 0.14 s with 16 channels, 83,000.
LARGEST_FOR_SLIPS = 200_000

#: And up to which anything is tried. Transpositions of so many take half a second.
LARGEST = 2_000_000


def diagnose(
    case: Case,
    layer: Layer,
    problem: Problem,
    implementation: Implementation,
    settings: Settings,
    *,
    out: object,
    forward: ArrayResult | None,
    returned: Mapping[str, object],
    gradients: Mapping[str, ArrayResult],
    derivatives: Mapping[str, Expected],
    leaks: tuple[Diagnosis, ...],
) -> tuple[Diagnosis, ...]:
    """Find what would have led to the gradients that were returned.

    Whatever is said fits to roundoff, would not by accident, and is not refuted by further cases. The implementation is
    run again only to tell hypotheses apart that fit: in a few small cases, and of a function at points near by.

    Args:
        case: the case.
        layer: what its reference and its faults are.
        problem: the inputs and the cotangent.
        implementation: the code under test.
        settings: the tolerance.
        out: what forward returned.
        forward: the verdict on it; None where there is no reference.
        returned: what backward returned, by the input's name.
        gradients: the verdicts on them, by the gradient's name.
        derivatives: what they should have been, as far as that was computed for every element, by the input's name.
        leaks: what was found to be wrong with forward when it was differentiated.

    Returns:
        One diagnosis for each cause, the leaks among them; none where nothing fits.
    """
    size = problem.cotangent.size + sum(value.size for value in problem.inputs.values())
    fails = forward is not None and forward.verdict is Verdict.FAIL
    gradient_fails = Verdict.FAIL in {found.verdict for found in gradients.values()}
    if size > LARGEST or not (fails or gradient_fails):
        return leaks
    further = Further(case, layer, implementation, settings)
    mistakes: list[tuple[Explanation, list[str]]] = []
    if fails and size <= LARGEST_FOR_SLIPS:
        with np.errstate(all="ignore"):
            mistakes = [*forward_causes(case, layer, problem, settings, out, further)]
    causes = tuple(_diagnosis(*mistake) for mistake in mistakes)
    leaks = () if causes else leaks  # what forward depends on beside follows from its mistake
    # State that is wrong alone leaves the function that is differentiated as it should be.
    forward_fails = fails and forward is not None and forward.name not in problem.state
    if not (forward_fails or gradient_fails):
        return (*leaks, *causes)
    arrays = {name: np.asarray(array) for name, array in returned.items() if usable(array, case.dtype)}
    evidence = Evidence(
        case=case,
        layer=layer,
        problem=problem,
        settings=settings,
        returned={name: array.astype(working_dtype(case.dtype)) for name, array in arrays.items()},
        failing=tuple(
            name
            for name in arrays
            if gradients[f"d{name}"].verdict is Verdict.FAIL and (problem.reference or name in derivatives)
        ),
        derivatives=derivatives,
    )
    if forward_fails and forward and forward.worst:
        expected = expected_output(problem, out)
        rounded = narrower(np.asarray(out, expected.value.dtype), expected, case.dtype)
        if rounded and not (leaks or causes):  # what else is seen, in leaks and gradients, is its roundings
            return (_diagnosis(rounded, ["out"]),)
        if {found.verdict for found in gradients.values()} == {Verdict.PASS}:
            explained = any(forward.name in names for _, names in mistakes)
            return (*leaks, *causes, *(() if explained else (_own_function(layer, forward),)))
    slips = problem.reference and size <= LARGEST_FOR_SLIPS
    with np.errstate(all="ignore"):  # what was returned may be as large as it likes
        tries: Iterator[Hypothesis] = _hypotheses(
            evidence, implementation, further, slips=slips, forward_fails=forward_fails
        )
        if slips and evidence.failing:
            tries = itertools.chain(_first_faults(evidence, out), tries)
        return (*leaks, *causes, *_told(evidence.failing, tries, further))


def _own_function(layer: Layer, forward: ArrayResult) -> Diagnosis:
    """Say that the gradients are those of forward, and that forward is that of no such layer."""
    cause = (
        "Forward and backward agree with each other, but forward computes something other than "
        f"{layer.title_with_article}: {forward.name} differs from the definition on the same inputs, and the gradients "
        "are right for that forward."
    )
    return Diagnosis(code="own-function", text=f"{cause} Compare forward with the definition first.")


def _told(failing: tuple[str, ...], found: Iterable[Hypothesis], further: Further) -> Iterator[Diagnosis]:
    """Tell what explains all failing gradients at once, or else the first that explains each."""
    first: dict[str, Explanation] = {}
    for hypothesis in found:
        names = set(hypothesis.predictions)
        if names <= first.keys() and not names.issuperset(failing):
            continue
        names -= further.refute(hypothesis)
        if names.issuperset(failing):
            first = dict.fromkeys(failing, hypothesis.explanation)
            break
        first = dict.fromkeys(names, hypothesis.explanation) | first
    for explanation in dict.fromkeys(first[name] for name in failing if name in first):
        yield _diagnosis(explanation, [f"d{name}" for name in failing if first.get(name) == explanation])


def _diagnosis(explanation: Explanation, names: list[str]) -> Diagnosis:
    one = len(names) == 1
    words = {"names": join_names(names), "be": "is" if one else "are", "have": "has" if one else "have"}
    return Diagnosis(code=explanation.code, text=f"{explanation.cause} {explanation.remedy}".format(**words))


def _hypotheses(
    evidence: Evidence, implementation: Implementation, further: Further, *, slips: bool, forward_fails: bool
) -> Iterator[Hypothesis]:
    """Yield what fits, simple and common causes first."""
    if not evidence.failing:
        return
    if forward_fails:
        title = evidence.layer.title_with_article
        cause = f"{{names}} {{be}} right for {title}, but not for this forward, which computes something else."
        explanation = Explanation(code="reference-gradient", cause=cause, remedy="Correct forward.")
        yield _fact(explanation, {name for name in evidence.failing if evidence.fits(name, evidence.reference[name])})
    zero = Explanation(
        code="zero",
        cause="{names} {be} zero in every element.",
        remedy="Look for a contribution that is never added, or for one of arrays that are empty or zero by then.",
    )
    yield _fact(zero, {name for name in evidence.failing if _is_zero(evidence.returned[name])})
    yield from _rearranged(evidence, simple)
    yield from named_factors(evidence, further)
    if slips:
        for fault in faults_to_try(evidence.layer, evidence.case, evidence.problem):
            yield _slip(evidence, fault, further)
    if evidence.problem.reference:
        for fault in replaced_cotangents(evidence):
            yield _slip(evidence, fault, further)
    else:
        yield from of_functions(evidence, implementation)
    yield from _rearranged(evidence, rearranged)
    yield from any_factor(evidence, further)
    if slips:
        for explanation, names in rounded_arrays(evidence):
            yield _fact(explanation, names)
    for name in evidence.failing:
        if rounded := narrower(evidence.returned[name], evidence.right(name), evidence.case.dtype):
            yield _fact(rounded, {name})


def _fact(explanation: Explanation, names: Iterable[str]) -> Hypothesis:
    """Make a hypothesis of what is seen in this case, and says nothing of others."""
    return Hypothesis(explanation=explanation, predictions=dict.fromkeys(names))


def _first_faults(evidence: Evidence, out: object) -> Iterator[Hypothesis]:
    """Hold the faults of the layer against the case that come before all other hypotheses."""
    problem, wide = evidence.problem, working_dtype(evidence.case.dtype)
    if not isinstance(out, np.ndarray) or out.shape != problem.expected.shape:
        return
    derivatives = {name: expected.value for name, expected in evidence.derivatives.items()}
    observed = Observed(out=out.astype(wide), derivatives=derivatives, gradients=evidence.returned)
    for fault in evidence.layer.observed_faults(evidence.case, problem, observed):
        explanation = Explanation(code=fault.code, cause=fault.cause, remedy=fault.remedy)
        yield _fact(explanation, evidence.fitting(fault.gradients))


def _is_zero(array: Array) -> bool:
    return bool(array.size and not array.any())


def _slip(evidence: Evidence, fault: Fault, further: Further) -> Hypothesis:
    """Hold a fault of the layer against the case; what it predicts elsewhere, its namesake there says."""

    def predictor(name: str) -> Prediction:
        def predicted(elsewhere: Evidence) -> Expected | None:
            same = further.faults(elsewhere).get((fault.code, fault.cause))
            return elsewhere.all_of(same.gradients).get(name) if same else None

        return predicted

    explanation = Explanation(code=fault.code, cause=fault.cause, remedy=fault.remedy)
    names = evidence.fitting(fault.gradients)
    return Hypothesis(explanation=explanation, predictions={name: predictor(name) for name in names})


def _rearranged(
    evidence: Evidence, rearrangements: Callable[[Evidence, str], Iterator[Rearrangement]]
) -> Iterator[Hypothesis]:
    """Bring together what explains several gradients."""
    found: dict[Explanation, dict[str, Prediction | None]] = {}
    for name in evidence.failing:
        for explanation, prediction, portable in rearrangements(evidence, name):
            if evidence.fits(name, prediction(evidence)):
                found.setdefault(explanation, {})[name] = prediction if portable else None
    for explanation, predictions in found.items():
        yield Hypothesis(explanation=explanation, predictions=predictions)
