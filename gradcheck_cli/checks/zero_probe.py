"""Whether backward is right where an input is 0, for a function of which nothing is known."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

import numpy as np

from gradcheck_cli.checks.diagnosis.codes import explanation
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.numeric.arrays import epsilon, working_dtype
from gradcheck_cli.results.result import Verdict, WorstElement, WrongElements

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradcheck_cli.checks.gradients import Comparison
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.numeric.arrays import Array

#: Steps by which an element is moved. What is smooth at 0 looks the same with both; a kink, a pole and a root do not.
_STEPS = (2.0**-14, 2.0**-20)

#: An error counts beyond this share of the largest gradient, and beyond this many times what is not smooth.
_SEEN, _SMOOTH = 1e-3, 16.0

#: Elements of an input that are made 0 at the most.
_MOST = 8


class Weighted(NamedTuple):
    """An output times the cotangent, element by element, and the machine epsilon it was rounded with."""

    terms: Array
    epsilon: float


def probe_zeros(run: CaseRun, comparison: Comparison) -> Comparison:
    """Fail the gradient that is wrong where its input is 0, though right elsewhere.

    Each input has some zeros in turn. Only what forward shows to be smooth there counts: elsewhere, as in |x|, at 1 / x
    or where it raises, nothing is said.
    """
    if any(result.verdict is not Verdict.PASS for result in comparison.gradients.values()):
        return comparison
    for name in run.problem.differentiable:
        low, high = run.problem.domain.get(name, (-np.inf, np.inf))
        size = run.problem.inputs[name].size
        if size < 2 or not low < 0 < high:
            continue
        try:
            wrong = _wrong_elements(run, name)
        except (ImplementationError, NotExpressibleError):
            continue
        if wrong:
            failed = replace(
                comparison.gradients[f"d{name}"],
                verdict=Verdict.FAIL,
                reason=f"d{name} is wrong in {len(wrong)} of {size} elements: where {name} is 0",
                worst=wrong[0],
                wrong=WrongElements(count=len(wrong), of=size, where=f"where {name} is 0"),
            )
            gradients = {**comparison.gradients, f"d{name}": failed}
            return replace(
                comparison, gradients=gradients, causes=(explanation("wrong-at-zero", name=name).diagnosis(),)
            )
    return comparison


@np.errstate(all="ignore")
def _wrong_elements(run: CaseRun, name: str) -> list[WorstElement]:
    """List the elements of a gradient that are wrong where its input is 0."""
    problem, x = run.problem, run.problem.inputs[name].copy()
    count = min(_MOST, max(1, x.size // 8))
    places = [int(place) for place in np.linspace(0, x.size - 1, count + 2)[1:-1]] if x.size > 2 else [0]
    x.reshape(-1)[places] = 0
    inputs = {**problem.inputs, name: x}
    out, cache = run.calls.forward(inputs, problem.parameters)
    gradient = run.calls.backward(problem.cotangent, cache, problem.differentiable).get(name)
    if not _is_finite(out) or not isinstance(gradient, np.ndarray) or gradient.shape != x.shape:
        return []
    typical = float(abs(gradient[np.isfinite(gradient) & (x != 0)]).max(initial=0))
    wrong = []
    for place in dict.fromkeys(places):
        analytic = float(gradient.flat[place])
        if found := _disagreeing_slope(_in_one_element(run, inputs, name, place), analytic, typical):
            index = tuple(int(i) for i in np.unravel_index(place, x.shape))
            wrong.append(WorstElement(index=index, analytic=analytic, numeric=found[0], error_bound=found[1]))
    return wrong


def _in_one_element(run: CaseRun, inputs: Mapping[str, Array], name: str, place: int) -> Callable[[float], Weighted]:
    """Return cotangent * out as a function of one element of an input."""
    problem, wide = run.problem, working_dtype(run.problem.cotangent.dtype)
    widened = {key: value.astype(wide) if value.dtype.kind == "f" else value for key, value in inputs.items()}

    def function(element: float) -> Weighted:
        moved = widened[name].copy()
        moved.reshape(-1)[place] = element
        out, _ = run.calls.forward({**widened, name: moved}, problem.parameters)
        if not _is_finite(out) or out.shape != problem.cotangent.shape:
            raise ImplementationError("forward is not defined beside 0")
        return Weighted(problem.cotangent.astype(wide) * out, epsilon(out.dtype))

    return function


def _disagreeing_slope(
    function: Callable[[float], Weighted], analytic: float, typical: float
) -> tuple[float, float] | None:
    """Return the slope at 0 and its error bound, if forward is smooth there and the gradient is another; else None."""
    center, slopes = function(0.0).terms, []
    for step in _STEPS:
        (ahead, eps), (behind, _) = function(step), function(-step)
        rounding = 8 * eps * float(abs(center).sum()) / step
        bending = float(abs(ahead - 2 * center + behind).sum()) / step
        slopes.append(float((ahead - behind).sum()) / (2 * step))
        visible = _SEEN * max(typical, abs(slopes[-1]))
        error = abs(analytic - slopes[-1]) if np.isfinite(analytic) else np.inf
        if not error > max(_SMOOTH * bending, visible, 8 * rounding):
            return None
    bound = abs(slopes[0] - slopes[1])
    return (slopes[1], bound) if bending <= visible + rounding and bound <= visible else None


def _is_finite(out: object) -> TypeGuard[Array]:
    return isinstance(out, np.ndarray) and out.dtype.kind == "f" and bool(np.isfinite(out).all())
