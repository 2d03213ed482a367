"""Roundings of what a gradient is computed from, of which the Jacobian shows nothing: 1 - out**2 for an out near 1.

The scale of an element is the sum of the absolute values of its terms. Where terms cancel within the layer, a right
gradient is off by more than that explains. How much more is seen in the reference, which rounds in the same places.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import compare
from gradcheck_cli.checks.form import dtype_name
from gradcheck_cli.checks.small_case import is_large
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.numeric.arrays import epsilon, working_dtype
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.checks.comparison import Comparison
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.numeric.estimate import Estimate
    from gradcheck_cli.results.result import ArrayResult

#: How much larger than any sum of terms of the Jacobian the terms within a function may be that cancel: of right
#: attentions with scores up to 60, one in four had an element off by 113 roundings of its own scale. In narrow dtypes,
#: 1 - out**2 of a sigmoid at 4 to 6 needs 14 in float16, and of a tanh there 12 in float32.
_WITHIN = 16

#: How many times as far off as the reference a gradient may be.
TIMES = 8


def allow_cancellation(run: CaseRun, comparison: Comparison, dtype: str) -> Comparison:
    """Pass gradients that are wrong by their own scale, and right by that of what they are computed from.

    In a narrow dtype only where a reference shows how much digits cancel. Of a function of which nothing is known, what
    is off by no more than roundings of its output is undecided: of a saturated softmax, p (dout - sum(dout p)) is.

    Args:
        run: what was compared.
        comparison: by the scales of sums of the Jacobian.
        dtype: in which the gradients may have been computed.
    """
    wrong = {name: each for name, each in comparison.expected.items() if _may_be_roundings(run, name, comparison)}
    if not wrong or not (has_reference(run) or run.dtype == dtype_name(working_dtype(run.dtype))):
        return comparison
    lenient = with_cancellation(run, wrong, dtype)
    found = {name: (compare(run.subjects[name], each, run.settings), each) for name, each in lenient.items()}
    if not has_reference(run):
        found |= {n: _unless_lost(run, n, wrong[n]) for n, each in found.items() if each[0].verdict is not Verdict.PASS}
    return comparison.with_results({n: each for n, each in found.items() if each[0].verdict is not Verdict.FAIL})


def _may_be_roundings(run: CaseRun, name: str, comparison: Comparison) -> bool:
    """Tell whether a gradient is wrong by no more than half of the digits of its largest terms.

    Most faults are larger, and to call the reference eight times takes longer than all else in a case that fails.
    """
    result, scale = comparison.gradients[f"d{name}"], comparison.expected[name].scale
    if result.verdict is not Verdict.FAIL or result.max_abs_error is None:
        return False
    largest = max(float(scale.max(initial=0)), largest_term(run))
    return bool(result.max_abs_error <= epsilon(run.dtype) ** 0.5 * largest)


def _unless_lost(run: CaseRun, name: str, expected: Estimate) -> tuple[ArrayResult, Estimate]:
    """Judge a gradient by roundings of the output, which leave it undecided if they explain its errors."""
    lenient = replace(expected, scale=np.full_like(expected.scale, largest_term(run)))
    result = compare(run.subjects[name], lenient, run.settings)
    if result.verdict is Verdict.PASS:
        reason = f"d{name} could not be decided: it is so small beside the output that its digits may have cancelled"
        result = replace(result, verdict=Verdict.INCONCLUSIVE, reason=reason)
    return result, lenient


def with_cancellation(run: CaseRun, expected: Mapping[str, Estimate], dtype: str) -> dict[str, Estimate]:
    """Return estimates with the scale of what gradients are computed from: by how much the reference is off.

    Without a reference, or a wider dtype to compare it in, the scale that terms within a function may have.

    Args:
        run: its arguments are those of the reference.
        expected: by the name of the input.
        dtype: in which the gradients may have been computed.
    """
    scales = {name: each.scale for name, each in expected.items()}
    wide = np.longdouble if dtype == "float64" else working_dtype(dtype)
    is_measured = has_reference(run) and epsilon(wide) < epsilon(dtype)
    if is_measured and wide == np.longdouble and is_large(run.problem):  # which takes 20 s of 200,000 elements
        if run.layer.sums:
            return {**expected}  # nothing cancels but the terms of its scale
        is_measured = False
    if is_measured:
        errors, unit = run.reference_errors(dtype), run.settings.share(run.dtype)
        scales = {name: np.fmax(scale, TIMES * errors[name] / unit) for name, scale in scales.items()}
    else:
        scales = {name: np.full_like(scale, _WITHIN * scale.max(initial=0)) for name, scale in scales.items()}
    return {name: replace(each, scale=scales[name]) for name, each in expected.items()}


def largest_term(run: CaseRun) -> float:
    """Return the largest product of an output and its cotangent that there can be: terms of it may have cancelled."""
    largest = abs(run.problem.cotangent).max(initial=0) * abs(np.asarray(run.out)).max(initial=0)
    return float(largest)


def has_reference(run: CaseRun) -> bool:
    """Tell whether there is a reference that forward equals."""
    problem = run.problem
    return bool(
        problem.reference and not problem.expected_for_draws and run.forward and run.forward.verdict is Verdict.PASS
    )
