"""From a failing case to its causes: every hypothesis is tried, and the first that fits is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.arrays import epsilon, working_dtype
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Explanation
from gradcheck_cli.checks.diagnosis.factor import any_factor, named_factor
from gradcheck_cli.checks.diagnosis.outputs import forward_causes
from gradcheck_cli.checks.diagnosis.precision import narrower, rounded_arrays
from gradcheck_cli.checks.diagnosis.rearranged import rearranged, simple
from gradcheck_cli.checks.forward import expected_output
from gradcheck_cli.implementation.implementation import listed
from gradcheck_cli.layers.layer import Observed
from gradcheck_cli.result import Diagnosis, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.checks.comparison import Expected
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.layer import Case, Fault, Layer, Problem
    from gradcheck_cli.result import ArrayResult

    #: An explanation, and the failing gradients that it explains
    Found = tuple[Explanation, set[str]]

#: Elements of all inputs and the cotangent up to which slips are tried in the reference, about a hundred evaluations of
#: it. Measured: 0.05 s at (4, 3, 32, 32) * (8, 3, 3, 3), which has 45,000, and 0.14 s with 16 channels, 83,000.
LARGEST_FOR_SLIPS = 200_000

#: And up to which anything is tried. Transpositions of so many take half a second.
LARGEST = 2_000_000


def diagnose(
    case: Case,
    layer: Layer,
    problem: Problem,
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

    No evaluation of the implementation is needed. Whatever is said fits to roundoff and would not by accident.

    Args:
        case: the case.
        layer: what its reference and its faults are.
        problem: the inputs and the cotangent.
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
    mistakes: list[tuple[Explanation, list[str]]] = []
    if fails and size <= LARGEST_FOR_SLIPS:
        with np.errstate(all="ignore"):
            mistakes = [*forward_causes(case, layer, problem, settings, out)]
    causes = tuple(_diagnosis(*mistake) for mistake in mistakes)
    # State that is wrong alone leaves the function that is differentiated as it should be.
    forward_fails = fails and forward is not None and forward.name not in problem.state
    if not (forward_fails or gradient_fails):
        return (*leaks, *causes)
    arrays = {name: np.asarray(array) for name, array in returned.items() if _of_numbers(array, case.dtype)}
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
    tries = _hypotheses(evidence, out, slips=slips, forward_fails=forward_fails)
    with np.errstate(all="ignore"):  # what was returned may be as large as it likes
        return (*leaks, *causes, *_told(evidence.failing, tries))


def _own_function(layer: Layer, forward: ArrayResult) -> Diagnosis:
    """Say that the gradients are those of forward, and that forward is that of no such layer."""
    cause = (
        f"Forward and backward agree with each other, but forward computes something other than {layer.indefinite}: "
        f"{forward.name} differs from the definition on the same inputs, and the gradients are right for that forward."
    )
    return Diagnosis(code="own-function", text=f"{cause} Compare forward with the definition first.")


def _of_numbers(array: object, dtype: str) -> bool:
    """Tell whether something returned as a gradient can be held against numbers; of another dtype all is said."""
    if not isinstance(array, np.ndarray | np.generic) or np.asarray(array).dtype.kind != "f":
        return False
    return bool(np.isfinite(array).all() and epsilon(array.dtype) <= epsilon(dtype))


def _told(failing: tuple[str, ...], found: Iterable[Found]) -> Iterator[Diagnosis]:
    """Tell what explains all failing gradients at once, or else the first that explains each."""
    first: dict[str, Explanation] = {}
    for explanation, names in found:
        if names.issuperset(failing):
            first = dict.fromkeys(failing, explanation)
            break
        first = dict.fromkeys(names, explanation) | first
    for explanation in dict.fromkeys(first[name] for name in failing if name in first):
        yield _diagnosis(explanation, [f"d{name}" for name in failing if first.get(name) == explanation])


def _diagnosis(explanation: Explanation, names: list[str]) -> Diagnosis:
    one = len(names) == 1
    words = {"names": listed(names), "be": "is" if one else "are", "have": "has" if one else "have"}
    return Diagnosis(code=explanation.code, text=f"{explanation.cause} {explanation.remedy}".format(**words))


def _hypotheses(evidence: Evidence, out: object, *, slips: bool, forward_fails: bool) -> Iterator[Found]:
    """Yield what fits, simple and common causes first."""
    if not evidence.failing:
        return
    if slips:
        yield from _of_faults(evidence, _first_faults(evidence, out))
    if forward_fails:
        title = evidence.layer.indefinite
        cause = f"{{names}} {{be}} right for {title}, but not for this forward, which computes something else."
        explanation = Explanation(code="reference-gradient", cause=cause, remedy="Correct forward.")
        yield explanation, {name for name in evidence.failing if evidence.fits(name, evidence.reference[name])}
    zero = Explanation(
        code="zero",
        cause="{names} {be} zero in every element: left as allocated.",
        remedy="Accumulate into the array that is returned.",
    )
    yield zero, {name for name in evidence.failing if _is_zero(evidence.returned[name])}
    yield from _each(evidence, _fitting(evidence, simple))
    yield from _each(evidence, lambda name: named_factor(evidence, name))
    if slips:
        yield from _of_faults(evidence, evidence.layer.faults(evidence.case, evidence.problem))
    if evidence.problem.reference:
        yield from _cotangents(evidence)
    yield from _each(evidence, _fitting(evidence, rearranged))
    yield from _each(evidence, lambda name: any_factor(evidence, name))
    if slips:
        yield from rounded_arrays(evidence)
    for name in evidence.failing:
        if rounded := narrower(evidence.returned[name], evidence.right(name), evidence.case.dtype):
            yield rounded, {name}


def _first_faults(evidence: Evidence, out: object) -> Iterable[Fault]:
    """List the faults of the layer that come before all other hypotheses."""
    problem, wide = evidence.problem, working_dtype(evidence.case.dtype)
    if not isinstance(out, np.ndarray) or out.shape != problem.expected.shape:
        return ()
    derivatives = {name: expected.value for name, expected in evidence.derivatives.items()}
    observed = Observed(out=out.astype(wide), derivatives=derivatives, gradients=evidence.returned)
    return evidence.layer.first_faults(evidence.case, problem, observed)


def _of_faults(evidence: Evidence, faults: Iterable[Fault]) -> Iterator[Found]:
    for fault in faults:
        explanation = Explanation(code=fault.code, cause=fault.cause, remedy=fault.remedy)
        yield explanation, evidence.fitting(fault.gradients)


def _is_zero(array: Array) -> bool:
    return bool(array.size and not array.any())


def _each(evidence: Evidence, found: Callable[[str], Iterator[Explanation]]) -> Iterator[Found]:
    """Bring together what explains several gradients."""
    names: dict[Explanation, set[str]] = {}
    for name in evidence.failing:
        for explanation in found(name):
            names.setdefault(explanation, set()).add(name)
    yield from names.items()


def _fitting(
    evidence: Evidence, hypotheses: Callable[[Evidence, str], Iterator[tuple[Explanation, Expected]]]
) -> Callable[[str], Iterator[Explanation]]:
    return lambda name: (told for told, expected in hypotheses(evidence, name) if evidence.fits(name, expected))


def _cotangents(evidence: Evidence) -> Iterator[Found]:
    """Try other cotangents than the one that backward was given."""
    layer, problem = evidence.layer, evidence.problem
    remedy = "Multiply every contribution by its own element of dout."
    if not (axes := problem.output_axes):  # a number, or several outputs
        return
    spatial = tuple(k for k, axis in enumerate(axes) if axis.spatial)
    ones = Explanation(code="cotangent-ones", cause="In {names} dout is replaced by ones.", remedy=remedy)
    yield ones, evidence.fitting(lambda inputs, g: layer.gradients(problem, inputs, np.ones_like(g)))
    for over in dict.fromkeys([tuple(range(len(axes))), *([spatial] if spatial else []), (0,)]):
        words = "its mean" if len(over) == len(axes) else f"its mean over {listed(f'{axes[k].name}s' for k in over)}"
        mean = Explanation(code="cotangent-mean", cause=f"In {{names}} dout is replaced by {words}.", remedy=remedy)

        def averaged(inputs: Mapping[str, Array], g: Array, over: tuple[int, ...] = over) -> Mapping[str, Array]:
            return layer.gradients(problem, inputs, np.broadcast_to(g.mean(axis=over, keepdims=True), g.shape).copy())

        yield mean, evidence.fitting(averaged)
