"""Why an output of forward is wrong: the mistakes that a layer knows, held against what was returned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.arrays import working_dtype
from gradcheck_cli.checks.comparison import Expected, judge_elements
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Explanation
from gradcheck_cli.checks.forward import expected_output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem


def forward_causes(
    case: Case, layer: Layer, problem: Problem, settings: Settings, out: object
) -> Iterator[tuple[Explanation, list[str]]]:
    """Yield mistakes in forward that explain outputs to roundoff, with the names of these; each output has one at most.

    A mistake that explains all wrong outputs comes before those that explain one each.
    """
    wide = working_dtype(case.dtype)
    if not isinstance(out, np.ndarray) or out.shape != problem.expected.shape or not np.isfinite(out).all():
        return
    right = _parts(problem, expected_output(problem, out))
    returned = problem.parts(out.astype(wide))
    evidence = Evidence(
        case=case,
        layer=layer,
        problem=problem,
        settings=settings,
        returned=returned,
        failing=tuple(n for n in right if judge_elements(returned[n], right[n], case.dtype, settings).wrong.any()),
        derivatives=right,
    )
    found: dict[str, Explanation] = {}
    for fault in layer.forward_faults(case, _widened(problem, wide), out.astype(wide)):
        explained = [
            name for name in evidence.failing if name in fault.outputs and _fits(evidence, name, fault.outputs[name])
        ]
        explanation = Explanation(code=fault.code, cause=fault.cause, remedy=fault.remedy)
        if explained and explained == [*evidence.failing]:
            found = dict.fromkeys(explained, explanation)
            break
        found = dict.fromkeys(explained, explanation) | found
    for explanation in dict.fromkeys(found.values()):
        yield explanation, [name for name in evidence.failing if found.get(name) == explanation]


def _fits(evidence: Evidence, name: str, value: Array) -> bool:
    right = evidence.right(name)
    if value.shape != right.value.shape or not np.isfinite(value).all():
        return False
    hypothesis = replace(right, value=value, scale=np.maximum(right.scale, abs(value)))
    return evidence.fits(name, hypothesis)


def _parts(problem: Problem, whole: Expected) -> dict[str, Expected]:
    values, scales, bounds = (problem.parts(array) for array in (whole.value, whole.scale, whole.error_bound))
    return {name: replace(whole, value=values[name], scale=scales[name], error_bound=bounds[name]) for name in values}


def _widened(problem: Problem, wide: np.dtype[Any]) -> Problem:
    """Return the problem with its inputs and parameters in the working dtype, as the reference takes them."""

    def widened(value: object) -> object:
        return value.astype(wide) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value

    inputs = {name: np.asarray(widened(value)) for name, value in problem.inputs.items()}
    parameters = problem.parameters and {name: widened(value) for name, value in problem.parameters.items()}
    return replace(problem, inputs=inputs, parameters=parameters)
