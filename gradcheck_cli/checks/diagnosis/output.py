"""Why the output of forward is wrong: slips of the layer's forward pass, held against what was returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.arrays import working_dtype
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Explanation
from gradcheck_cli.checks.diagnosis.further import usable
from gradcheck_cli.checks.forward import expected_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.checks.diagnosis.further import Further
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.layer import Case, Fault, Layer, Problem

#: Further cases in which forward is looked at before a cause is believed.
_MOST = 2


def explain_output(
    case: Case, layer: Layer, problem: Problem, settings: Settings, out: object, further: Further
) -> Explanation | None:
    """Return what explains a wrong output, if something does and no other case refutes it."""
    if not isinstance(out, np.ndarray) or problem.outputs or not usable(out, case.dtype):
        return None
    evidence = _evidence(case, layer, problem, settings, {"out": out.astype(working_dtype(case.dtype))})
    with np.errstate(all="ignore"):  # what was returned may be as large as it likes
        for fault in layer.forward_faults(case, problem):
            if evidence.fitting(fault.gradients) and not _refuted(fault, layer, settings, further):
                return Explanation(code=fault.code, cause=fault.cause, remedy=fault.remedy)
    return None


def _refuted(fault: Fault, layer: Layer, settings: Settings, further: Further) -> bool:
    """Tell whether forward is right in a case where the fault would make it wrong."""
    asked = 0
    for other in further:
        if other.setting is None:
            continue
        case, problem = other.case, other.setting.problem
        setting = _evidence(case, layer, problem, settings, {})
        same = [f for f in layer.forward_faults(case, problem) if (f.code, f.cause) == (fault.code, fault.cause)]
        if same and all(setting.differs("out", setting.all_of(f.gradients)["out"]) for f in same):
            if other.run is not None:
                return True
            asked += 1
            if asked == _MOST:
                break
    return False


def _evidence(
    case: Case, layer: Layer, problem: Problem, settings: Settings, returned: Mapping[str, Array]
) -> Evidence:
    return Evidence(
        case=case,
        layer=layer,
        problem=problem,
        settings=settings,
        returned=returned,
        failing=("out",),
        derivatives={"out": expected_output(problem, None)},
    )
