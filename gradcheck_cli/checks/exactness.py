"""Gradients at small integers, where a right one is exact: evidence beside the comparison at real inputs.

At real inputs an element may be off by the roundings of its dtype, in float16 by 1/256 of its scale. At integers
nothing rounds, and one missing term among thousands is a fault. What that does not show are roundings themselves, such
as those of narrow sums: so it is tried beside the real inputs, not in their place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gradcheck_cli.checks.comparison import Comparison, compare, unravel
from gradcheck_cli.checks.differentiation import Derivatives, ForwardFunction, differentiate, wide_inputs
from gradcheck_cli.checks.run import CaseRun, RunStoppedError, call_backward, first_steps
from gradcheck_cli.checks.where import place
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.numeric.arrays import Array, epsilon, largest_exact, working_dtype
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.numeric.integers import (
    GRID,
    ExactLine,
    draw_integers,
    first_point,
    largest_magnitude,
    on_grid,
)
from gradcheck_cli.results.result import ArrayResult, Verdict, WorstElement, WrongElements

if TYPE_CHECKING:
    from gradcheck_cli.implementation.implementation import Step
    from gradcheck_cli.layers.framework.problem import Problem

#: Terms of a sum of a given scale: inputs and cotangents have magnitudes of 0.5 to 1.5, so that a product of two is at
#: least 1/4, and of many 1 on average.
_MOST_TERMS, _USUAL_TERMS = 4.0, 1.25

#: Any error is wrong. As a tolerance in roundings: far below 1/64 for sums that are exact.
_NONE = 2.0**-10

#: Wrong elements that are located in an array that is too large to be differentiated element by element.
_MOST_LOCATED = 4


class Judged(NamedTuple):
    """A run and its comparison after a look at integers: those at integers, if a gradient is wrong there alone."""

    run: CaseRun
    comparison: Comparison


def judge_at_integers(run: CaseRun, derivatives: Derivatives, comparison: Comparison) -> Judged:
    """Compare at integers the gradients of inputs in which forward is affine, if nothing is wrong at real inputs."""
    may_pass = all(result.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE) for result in comparison.arrays)
    found = {**derivatives.estimates, **{name: p.estimate for name, p in derivatives.projections.items()}}
    affine = {n: e for n, e in found.items() if e.affine and not (e.noise or e.leak or run.problem.domain.get(n))}
    if not affine or not may_pass:
        return Judged(run, comparison)
    # Of what is differentiated element by element, sums that turn out to be too long are sorted out afterwards.
    longest = {name: _USUAL_TERMS if name in derivatives.estimates else _MOST_TERMS for name in affine}
    sums = max(terms * float(affine[name].scale.max(initial=0.0)) for name, terms in longest.items())
    largest = largest_magnitude(sums, run.dtype) if np.isfinite(sums) else None
    if largest is None:
        return Judged(run, comparison)
    try:
        exact = _run_at_integers(run, largest, affine, derivatives)
        lines = _lines(exact, affine, derivatives)
        tests = {name: line.test() for name, line in lines.items()}
        right = {
            f"d{name}": replace(_exact_result(run, name, derivatives, comparison), exact=True, missed=test.missed)
            for name, test in tests.items()
            if test.equal
        }
        judged = replace(comparison, gradients={**comparison.gradients, **right})
        wrong = {name: lines[name] for name, test in tests.items() if test.equal is False}
        return (_judge_wrong(exact, wrong, judged) if wrong else None) or Judged(run, judged)
    except (RunStoppedError, ImplementationError):
        return Judged(run, comparison)  # it takes no such values, and need not


def _exact_result(run: CaseRun, name: str, derivatives: Derivatives, comparison: Comparison) -> ArrayResult:
    """Return the result of a gradient that is exact at integers, where a lost element of a large one shows too."""
    result = comparison.gradients[f"d{name}"]
    if result.verdict is Verdict.INCONCLUSIVE and name in derivatives.projections:
        from gradcheck_cli.checks.projection import compare_projection  # only for large layers

        result = compare_projection(run.subjects[name], derivatives.projections[name], run.settings, exact=True)
    return result


def steps_at_integers(run: CaseRun, number: int) -> list[Step]:
    """Return the calls that are likely at integers, of which the first has a number among all expected ones."""
    sums = _USUAL_TERMS * float(run.problem.expected_scale.max(initial=0.0))
    largest = largest_magnitude(sums, run.dtype) if run.layer.sums and np.isfinite(sums) else None
    if largest is None:
        return []
    exact = _at_integers(run, largest)
    terms = dict.fromkeys(run.problem.differentiable, _terms_of_reference(exact.problem))
    return _steps(exact, wide_inputs(exact.problem), terms, epsilon(working_dtype(run.dtype)), number)


def _run_at_integers(run: CaseRun, largest: int, affine: Mapping[str, Estimate], derivatives: Derivatives) -> CaseRun:
    """Call forward and backward with integers in place of the inputs that have a gradient, and of the cotangent."""
    exact = _at_integers(run, largest)
    if (expect := exact.calls.expect) is not None:
        terms = {name: _terms(exact, name, estimate) for name, estimate in affine.items()}
        expect(_steps(exact, _inputs_of_lines(exact, derivatives), terms, derivatives.epsilon))
    out, cache = exact.calls.forward(exact.problem.inputs, exact.problem.parameters)
    return call_backward(replace(exact, out=np.array(out), cache=cache))


def _at_integers(run: CaseRun, largest: int) -> CaseRun:
    """Return a run with integers in place of the inputs that have a gradient, and of the cotangent."""
    problem = run.problem
    inputs = dict(problem.inputs)
    for name in problem.differentiable:
        inputs[name] = draw_integers(inputs[name], largest, f"{run.case.seed} {name}")
    cotangent = problem.cotangent
    if cotangent.size > 1:  # the one of a number is 1
        cotangent = draw_integers(cotangent, largest, f"{run.case.seed} cotangent")
    return replace(run, problem=replace(problem, inputs=inputs, cotangent=cotangent))


def _steps(
    exact: CaseRun, inputs: Mapping[str, Array], terms: Mapping[str, float], eps: float, number: int = 0
) -> list[Step]:
    """Return the calls of both passes at integers, and the first along a line in each input with so many terms."""
    points = {name: first_point(inputs[name], terms=most, epsilon=eps) for name, most in terms.items()}
    lines = [ForwardFunction(exact, inputs, name).step(point) for name, point in points.items()]
    return [*first_steps(exact, number, watched=False), *lines]


def _lines(exact: CaseRun, affine: Mapping[str, Estimate], derivatives: Derivatives) -> dict[str, ExactLine]:
    """Return forward at integers as a function of each input, with the gradient, where that has the right form."""
    inputs, center = _inputs_of_lines(exact, derivatives), on_grid(np.asarray(exact.out))
    return {
        name: ExactLine(
            ForwardFunction(exact, inputs, name),
            inputs[name],
            exact.problem.cotangent,
            center,
            np.asarray(exact.subjects[name].array),
            terms=_terms(exact, name, estimate),
            epsilon=derivatives.epsilon,
        )
        for name, estimate in affine.items()
        if not exact.subjects[name].flaw
    }


def _inputs_of_lines(exact: CaseRun, derivatives: Derivatives) -> dict[str, Array]:
    return wide_inputs(exact.problem) if derivatives.wide else dict(exact.problem.inputs)


def _terms(exact: CaseRun, name: str, estimate: Estimate) -> float:
    """Return how many terms are summed for an element of the output, at most."""
    if exact.problem.reference:
        return _terms_of_reference(exact.problem)
    return max(_MOST_TERMS * float(estimate.scale.max() * exact.problem.inputs[name].size), 1.0)


def _terms_of_reference(problem: Problem) -> float:
    return max(_MOST_TERMS * float(problem.expected_scale.max()), 1.0)


def _judge_wrong(exact: CaseRun, wrong: Mapping[str, ExactLine], comparison: Comparison) -> Judged | None:
    """Give gradients their verdicts and the numbers at integers; None if they are not wrong, but sums are too long."""
    derivatives = differentiate(exact)
    expected = {name: _rounded(estimate) for name, estimate in derivatives.estimates.items()}
    results: dict[str, ArrayResult] = {}
    for name, line in wrong.items():
        if name in expected:
            result = compare(exact.subjects[name], expected[name], replace(exact.settings, tol=_NONE))
            is_exact = bool((expected[name].scale <= largest_exact(exact.dtype)).all())
        else:
            result, is_exact = _located(exact, name, line, comparison.gradients[f"d{name}"]), True
        if result.verdict is Verdict.FAIL and is_exact:
            reason = f"{result.reason}; at real inputs its roundings hide that, at small integers nothing rounds"
            results[f"d{name}"] = replace(result, reason=reason, exact=False)
    if not results:
        return None
    gradients = {**comparison.gradients, **results}
    return Judged(exact, replace(comparison, gradients=gradients, expected=expected))


def _rounded(estimate: Estimate) -> Estimate:
    """Return a derivative at integers as the multiple of 1/64 that it is."""
    return replace(estimate, value=np.rint(GRID * estimate.value) / GRID, error_bound=np.zeros_like(estimate.value))


def _located(exact: CaseRun, name: str, line: ExactLine, real: ArrayResult) -> ArrayResult:
    """Return the result of a gradient that is too large to be differentiated element by element."""
    gradient, found = np.asarray(exact.subjects[name].array), line.locate(_MOST_LOCATED)
    if not found:
        return real
    indices = {unravel(element, gradient.shape): error for element, error in found.items()}
    worst = max(indices, key=lambda index: abs(indices[index]))
    more = "" if len(found) == 1 else f", at {place(worst)} among them"
    wrong = f"at {place(worst)}" if len(found) == 1 else f"in at least {len(found)} of {gradient.size} elements{more}"
    return replace(
        real,
        verdict=Verdict.FAIL,
        reason=f"d{name} is wrong {wrong}",
        max_abs_error=abs(indices[worst]),
        evaluations=real.evaluations + line.evaluations,
        wrong=WrongElements(count=len(found), of=gradient.size, where=None),
        worst=WorstElement(
            index=worst,
            analytic=float(gradient[worst]),
            numeric=float(gradient[worst]) - indices[worst],
            error_bound=0.0,
        ),
    )
