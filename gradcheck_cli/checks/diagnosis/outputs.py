"""Why an output of forward is wrong: the faults that a layer knows, compared with what was returned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli.checks.comparison import judge_elements
from gradcheck_cli.checks.diagnosis.codes import Explanation, of_fault
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Hypothesis, choose
from gradcheck_cli.checks.diagnosis.other_cases import OtherCases
from gradcheck_cli.checks.diagnosis.rearranged import transposed
from gradcheck_cli.checks.forward import expected_outputs
from gradcheck_cli.checks.run import CaseRun
from gradcheck_cli.layers.framework.fault import ForwardFault
from gradcheck_cli.layers.framework.faults import forward_faults_to_try
from gradcheck_cli.layers.framework.problem import Problem, as_dtype
from gradcheck_cli.numeric.arrays import Array, epsilon, working_dtype
from gradcheck_cli.numeric.estimate import Estimate

#: Other cases in which forward is looked at before a fault is believed.
_MOST = 2


def explain_outputs(run: CaseRun, others: OtherCases) -> dict[Explanation, list[str]]:
    """Return faults of forward that explain outputs to roundoff, with the names of these; each output has one at most.

    A fault that explains all wrong outputs comes before those that explain one each. None is given that is refuted by
    another case, where it would show and forward is right. A single output may be of another shape than it should.
    """
    out, problem, wide = run.out, run.problem, working_dtype(run.dtype)
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f" or not np.isfinite(out).all():
        return {}
    if problem.outputs and out.shape != problem.expected.shape:
        return {}
    returned, right = problem.parts(out.astype(wide)), expected_outputs(problem, out)
    failing = tuple(
        name
        for name, array in returned.items()
        if array.shape != right[name].value.shape
        or judge_elements(array, right[name], run.dtype, run.settings).wrong.any()
    )
    evidence = Evidence(run=run, returned=returned, failing=failing, expected=right)
    hypotheses = (
        Hypothesis(
            explanation=of_fault(fault),
            names=frozenset(n for n in failing if n in fault.outputs and _fits(evidence, n, fault.outputs[n])),
        )
        for fault in _faults(evidence, out.astype(wide) if out.shape == problem.expected.shape else problem.expected)
    )

    def refute(hypothesis: Hypothesis) -> frozenset[str]:
        return hypothesis.names if _is_refuted(hypothesis.explanation, others) else frozenset()

    return choose(failing, hypotheses, refute)


def _faults(evidence: Evidence, out: Array) -> Iterator[ForwardFault]:
    """Yield the faults of forward that the layer knows, and the right output with its axes in another order."""
    run, axes = evidence.run, evidence.problem.output_axes
    yield from forward_faults_to_try(run.layer, run.case, _widened(run.problem, out.dtype), out)
    right = evidence.expected.get("out")
    if right is not None and len(axes) == right.value.ndim:
        for each in transposed(right.value.shape, axes):
            yield ForwardFault(**vars(each.explanation), outputs={"out": each.change(right.value)})


def _fits(evidence: Evidence, name: str, value: Array) -> bool:
    return bool(np.isfinite(value).all()) and evidence.fits(name, _estimate(value, evidence.right(name)))


def _estimate(value: Array, right: Estimate) -> Estimate:
    """Return an output with the roundoff of the right one."""
    same_shape = value.shape == right.value.shape
    scale = np.maximum(right.scale if same_shape else right.scale.mean(), abs(value))
    bound = right.error_bound if same_shape else epsilon(value.dtype) * scale
    return replace(right, value=value, scale=scale, error_bound=bound)


def _is_refuted(fault: Explanation, others: OtherCases) -> bool:
    """Tell whether forward is right in a case in which the fault would show."""
    asked = 0
    for other in others:
        setting = other.setting
        if asked == _MOST or setting is None or setting.problem.expected_for_draws:
            break
        right = expected_outputs(setting.problem, None)
        evidence = replace(setting, expected=right)
        shows = [
            any(evidence.differs(name, _estimate(value, right[name])) for name, value in same.outputs.items())
            for same in _faults(evidence, setting.problem.expected)
            if (same.code, same.cause) == (fault.code, fault.cause)
        ]
        if shows and all(shows):
            if other.result is not None:
                return True
            asked += 1
    return False


def _widened(problem: Problem, wide: np.dtype[Any]) -> Problem:
    """Return the problem with its inputs and parameters in the working dtype, as the reference takes them."""
    inputs = {name: as_dtype(value, wide) for name, value in problem.inputs.items()}
    parameters = problem.parameters and {name: as_dtype(value, wide) for name, value in problem.parameters.items()}
    return replace(problem, inputs=inputs, parameters=parameters)
