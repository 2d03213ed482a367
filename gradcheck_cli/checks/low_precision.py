"""The same backward pass in float64: what the roundings of a narrow dtype hide, and what is off by them alone.

Forward is differentiated in float64, on the numbers that the narrow dtype holds, wherever it takes them. So the
derivatives are those of the same pass in float64, and it is judged by them too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.cancellation import TIMES, allow_cancellation, has_reference, with_cancellation
from gradcheck_cli.checks.comparison import Comparison, compare, judge_elements
from gradcheck_cli.checks.diagnosis.codes import explanation
from gradcheck_cli.checks.differentiation import wide_inputs
from gradcheck_cli.checks.exactness import Judged
from gradcheck_cli.checks.form import dtype_name, share_of
from gradcheck_cli.checks.precision import narrowest_rounding
from gradcheck_cli.checks.run import RunStoppedError, call_backward, first_steps
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.numeric.arrays import epsilon, largest_exact, working_dtype
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.checks.differentiation import Derivatives
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.numeric.estimate import Estimate
    from gradcheck_cli.results.result import ArrayResult

#: The dtype in which code may compute whatever it is given: in float64, by its tolerance a gradient is right.
_MAY_COMPUTE_IN = {"float16": "float32", "float32": "float64"}


def judge_in_float64(run: CaseRun, derivatives: Derivatives, judged: Judged) -> Judged:
    """Judge the backward pass in float64 too: that of float16 always, of float32 if a gradient is wrong there.

    A gradient that is right in float64 is not wrong in the narrow dtype: it passes if terms that cancel on the way
    explain its errors, and is undecided if these are larger. One that is wrong in float64 is wrong.
    """
    comparison, wide = judged.comparison, dtype_name(working_dtype(run.dtype))
    wrong = [name for name, result in comparison.gradients.items() if result.wrong and result.wrong.count]
    is_asked = run.settings.tol is None and (wrong or run.dtype == "float16")
    if not (is_asked and derivatives.wide and judged.run is run):
        return judged
    try:
        again = _call_passes_in(wide, run)
    except (RunStoppedError, ImplementationError):
        return judged  # backward takes no float64
    expected = {name: each for name, each in comparison.expected.items() if not again.subjects[name].flaw}
    compared = {f"d{name}": compare(again.subjects[name], each, again.settings) for name, each in expected.items()}
    seen = Comparison(forward=run.forward, gradients=compared, expected=expected)
    in_wide = allow_cancellation(again, seen, _MAY_COMPUTE_IN[run.dtype]).gradients
    if wrong:
        right = [n for n in expected if f"d{n}" in wrong and in_wide[f"d{n}"].verdict is not Verdict.FAIL]
        return Judged(run, _with_rounded(run, comparison, right))
    results = {name: _seen(comparison.gradients[name], result, run.dtype) for name, result in in_wide.items()}
    is_hidden = any(result.verdict is Verdict.FAIL for result in in_wide.values())
    return Judged(again if is_hidden else run, replace(comparison, gradients={**comparison.gradients, **results}))


def _with_rounded(run: CaseRun, comparison: Comparison, right: list[str]) -> Comparison:
    """Judge anew the gradients that are right in float64, unless they were computed in a narrower dtype than asked."""
    own = [name for name in right if narrowest_rounding([run.subjects[name].array], run.dtype) == run.dtype]
    lenient = with_cancellation(run, {name: comparison.expected[name] for name in own}, run.dtype)
    results = {f"d{name}": _rounded(run, name, estimate) for name, estimate in lenient.items()}
    passed = [name for name, result in results.items() if result.verdict is Verdict.PASS]
    remarks = (explanation("rounded-on-the-way", dtype=run.dtype).diagnosis(passed),) if passed else ()
    gradients, remarks = {**comparison.gradients, **results}, (*comparison.remarks, *remarks)
    return replace(comparison, gradients=gradients, remarks=remarks)


def _call_passes_in(wide: str, run: CaseRun) -> CaseRun:
    """Call forward and backward in the working dtype, with the same numbers."""
    problem = replace(run.problem, inputs=wide_inputs(run.problem), cotangent=run.problem.cotangent.astype(wide))
    inside = _MAY_COMPUTE_IN[run.dtype]
    settings = replace(run.settings, tol=run.settings.share(inside) / epsilon(wide))
    again = replace(run, case=replace(run.case, dtype=wide), problem=problem, settings=settings)
    if (expect := again.calls.expect) is not None:
        expect(first_steps(again, watched=False))
    out, cache = again.calls.forward(problem.inputs, problem.parameters)
    return call_backward(replace(again, out=np.array(out), cache=cache))


def _rounded(run: CaseRun, name: str, lenient: Estimate) -> ArrayResult:
    """Return the result of a gradient that is right in float64, and off by more than its own roundings here."""
    subject = run.subjects[name]
    result = compare(subject, lenient, run.settings)
    if result.verdict is Verdict.PASS:
        return result
    array = np.asarray(subject.array).astype(lenient.value.dtype)
    lost = judge_elements(array, lenient, run.dtype, run.settings).wrong
    reason = f"{subject.name} could not be decided{share_of(lost)}: it is right in float64, and lost in {run.dtype}"
    if has_reference(run):
        reason += f", by more than {TIMES} times what the reference loses"
    if ((array != 0) & (abs(array) < abs(lenient.value)))[lost].all():
        most = f"{largest_exact(run.dtype):,.0f}"
        reason += f", where sums of numbers of one sign stop growing ({most} + 1 is {most}): sum in float32"
    return replace(result, verdict=Verdict.INCONCLUSIVE, reason=reason)


def _seen(here: ArrayResult, wide: ArrayResult, dtype: str) -> ArrayResult:
    """Return the result of a gradient that is not wrong in the narrow dtype, with what is seen of it in float64."""
    floor, stands_out = min(here.floor or math.inf, wide.floor or math.inf), here.stands_out or wide.stands_out
    worst = wide.worst if wide.stands_out else here.worst
    result = replace(here, floor=floor, stands_out=stands_out, worst=worst)
    if wide.verdict is not Verdict.FAIL:
        return result
    reason = f"{wide.reason}; in {dtype} its roundings hide that, in float64 they do not"
    return replace(
        result, verdict=Verdict.FAIL, reason=reason, worst=wide.worst, wrong=wide.wrong, picture=wide.picture
    )
