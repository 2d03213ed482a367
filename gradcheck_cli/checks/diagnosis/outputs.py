"""Why an output of forward is wrong: the mistakes that a layer knows, held against what was returned."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.checks.comparison import Expected, judge_elements
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Explanation
from gradcheck_cli.checks.diagnosis.rearranged import transposed
from gradcheck_cli.checks.forward import expected_output
from gradcheck_cli.layers.framework.fault import ForwardFault
from gradcheck_cli.numeric.arrays import epsilon, working_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.checks.diagnosis.further import Further
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

#: Further cases in which forward is looked at before a mistake is believed.
_MOST = 2


def forward_causes(
    case: Case, layer: Layer, problem: Problem, settings: Settings, out: object, further: Further
) -> Iterator[tuple[Explanation, list[str]]]:
    """Yield mistakes in forward that explain outputs to roundoff, with the names of these; each output has one at most.

    A mistake that explains all wrong outputs comes before those that explain one each. None is yielded that is refuted
    by another case, where it would show and forward is right. A single output may be of another shape than it should.
    """
    wide = working_dtype(case.dtype)
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f" or not np.isfinite(out).all():
        return
    if problem.outputs and out.shape != problem.expected.shape:
        return
    right = _parts(problem, expected_output(problem, out))
    returned = problem.parts(out.astype(wide))
    evidence = Evidence(
        case=case,
        layer=layer,
        problem=problem,
        settings=settings,
        returned=returned,
        failing=tuple(
            name
            for name, array in returned.items()
            if array.shape != right[name].value.shape
            or judge_elements(array, right[name], case.dtype, settings).wrong.any()
        ),
        derivatives=right,
    )
    found: dict[str, Explanation] = {}
    observed = out.astype(wide) if out.shape == problem.expected.shape else problem.expected
    known = layer.forward_faults(case, _widened(problem, wide), observed)
    for fault in itertools.chain(known, _rearranged(evidence)):
        explained = [
            name for name in evidence.failing if name in fault.outputs and _fits(evidence, name, fault.outputs[name])
        ]
        if not explained or _refuted(fault, layer, further):
            continue
        explanation = Explanation(code=fault.code, cause=fault.cause, remedy=fault.remedy)
        if explained == [*evidence.failing]:
            found = dict.fromkeys(explained, explanation)
            break
        found = dict.fromkeys(explained, explanation) | found
    for explanation in dict.fromkeys(found.values()):
        yield explanation, [name for name in evidence.failing if found.get(name) == explanation]


def _rearranged(evidence: Evidence) -> Iterator[ForwardFault]:
    """Yield the right output with its axes in another order, and reshaped from one."""
    axes = evidence.problem.output_axes
    right = evidence.derivatives.get("out")
    if right is None or len(axes) != right.value.ndim:
        return
    for explanation, prediction, _ in transposed("out", right.value.shape, axes):
        yield ForwardFault(
            code=explanation.code,
            cause=explanation.cause,
            remedy=explanation.remedy,
            outputs={"out": prediction(evidence).value},
        )


def _fits(evidence: Evidence, name: str, value: Array) -> bool:
    right = evidence.right(name)
    return bool(np.isfinite(value).all()) and evidence.fits(name, _hypothesis(right, value))


def _hypothesis(right: Expected, value: Array) -> Expected:
    """Return what an output would be, with the roundoff of the right one."""
    alike = value.shape == right.value.shape
    scale = np.maximum(right.scale if alike else right.scale.mean(), abs(value))
    bound = right.error_bound if alike else epsilon(value.dtype) * scale
    return replace(right, value=value, scale=scale, error_bound=bound)


def _refuted(fault: ForwardFault, layer: Layer, further: Further) -> bool:
    """Tell whether forward is right in a case in which the mistake would show."""
    asked = 0
    for other in further:
        if asked == _MOST or other.setting is None or other.setting.problem.expected_for_draws:
            break
        case, problem = other.case, other.setting.problem
        right = _parts(problem, expected_output(problem, None))
        evidence = replace(other.setting, derivatives=right)
        same = [
            found
            for found in itertools.chain(
                layer.forward_faults(case, _widened(problem, problem.expected.dtype), problem.expected),
                _rearranged(evidence),
            )
            if (found.code, found.cause) == (fault.code, fault.cause)
        ]
        shown = [
            any(evidence.differs(name, _hypothesis(right[name], value)) for name, value in found.outputs.items())
            for found in same
        ]
        if shown and all(shown):
            if other.run is not None:
                return True
            asked += 1
    return False


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
