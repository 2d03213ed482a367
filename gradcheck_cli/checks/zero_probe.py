"""A function of which nothing is known, looked at where its inputs are 0: is backward right there too?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.diagnosis.at_zeros import at_zero
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.numeric.arrays import epsilon, working_dtype
from gradcheck_cli.results.result import Verdict, WorstElement, WrongElements

if TYPE_CHECKING:
    from gradcheck_cli.checks.gradients import Gradients
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

#: Steps by which an element is moved. What is smooth at 0 looks the same with both; a kink, a pole and a root do not.
_STEPS = (2.0**-14, 2.0**-20)

#: An error is told by this share of the largest gradient; and by this many times what is not smooth.
_SEEN, _SMOOTH = 1e-3, 16.0

#: Elements of an input that are made 0 at the most.
_MOST = 8


def probe_zeros(found: Gradients, implementation: Implementation, problem: Problem) -> Gradients:
    """Fail the gradients that are wrong where an input is 0, though they are right elsewhere.

    Each input has some zeros in turn. Only what forward shows to be smooth there counts: elsewhere, as in |x|, at 1 / x
    or where it raises, nothing is said.
    """
    if any(result.verdict is not Verdict.PASS for result in found.results.values()):
        return found
    for name in problem.differentiable:
        low, high = problem.domain.get(name, (-np.inf, np.inf))
        if problem.inputs[name].size < 2 or not low < 0 < high:
            continue
        try:
            wrong = _wrong(name, implementation, problem)
        except (ImplementationError, NotExpressibleError):
            continue
        if wrong:
            result, size = found.results[f"d{name}"], problem.inputs[name].size
            count = WrongElements(count=len(wrong), of=size, where=f"where {name} is 0")
            failed = replace(
                result,
                verdict=Verdict.FAIL,
                reason=f"d{name} is wrong in {len(wrong)} of {size} elements: where {name} is 0",
                worst=wrong[0],
                wrong=count,
            )
            return replace(found, results={**found.results, f"d{name}": failed}, causes=(at_zero(name),))
    return found


@np.errstate(all="ignore")
def _wrong(name: str, implementation: Implementation, problem: Problem) -> list[WorstElement]:
    """List the elements of a gradient that are wrong where its input is 0."""
    x, wide = problem.inputs[name].copy(), working_dtype(problem.cotangent.dtype)
    count = min(_MOST, max(1, x.size // 8))
    places = [int(place) for place in np.linspace(0, x.size - 1, count + 2)[1:-1]] if x.size > 2 else [0]
    x.reshape(-1)[places] = 0
    inputs = {**problem.inputs, name: x}
    out, cache = implementation.forward(inputs, problem.parameters)
    gradient = implementation.backward(problem.cotangent, cache, problem.differentiable).get(name)
    if not _finite(out) or not isinstance(gradient, np.ndarray) or gradient.shape != x.shape:
        return []
    finite = abs(gradient[np.isfinite(gradient) & (x != 0)])
    typical = float(finite.max(initial=0))
    inputs = {key: value.astype(wide) if value.dtype.kind == "f" else value for key, value in inputs.items()}

    def value(place: int, moved: float) -> tuple[Array, float]:
        there = inputs[name].copy()
        there.reshape(-1)[place] = moved
        out, _ = implementation.forward({**inputs, name: there}, problem.parameters)
        if not _finite(out) or out.shape != problem.cotangent.shape:  # type: ignore[attr-defined]
            raise ImplementationError("forward is not defined beside 0")
        return problem.cotangent.astype(wide) * np.asarray(out), epsilon(np.asarray(out).dtype)

    wrong = []
    for place in dict.fromkeys(places):
        analytic, slopes, error, center = float(gradient.flat[place]), [], np.inf, value(place, 0.0)
        for step in _STEPS:
            (ahead, eps), (behind, _) = value(place, step), value(place, -step)
            rounding = 8 * eps * float(abs(center[0]).sum()) / step
            bending = float(abs(ahead - 2 * center[0] + behind).sum()) / step
            slopes.append(float((ahead - behind).sum()) / (2 * step))
            error = abs(analytic - slopes[-1]) if np.isfinite(analytic) else np.inf
            if not error > max(_SMOOTH * bending, _SEEN * max(typical, abs(slopes[-1])), 8 * rounding):
                break
            if not bending <= _SEEN * max(typical, abs(slopes[-1])) + rounding and step == _STEPS[-1]:
                break
        else:
            if abs(slopes[0] - slopes[1]) <= _SEEN * max(typical, abs(slopes[1])):
                index = tuple(int(i) for i in np.unravel_index(place, x.shape))
                bound = abs(slopes[0] - slopes[1])
                wrong.append(WorstElement(index=index, analytic=analytic, numeric=slopes[1], error_bound=bound))
    return wrong


def _finite(out: object) -> bool:
    return isinstance(out, np.ndarray) and out.dtype.kind == "f" and bool(np.isfinite(out).all())
