"""From what was found in a run to its result."""

from __future__ import annotations

import numpy as np

from gradcheck_cli.checks.comparison import Comparison
from gradcheck_cli.checks.duties import TriedDuties, untried_duties
from gradcheck_cli.checks.gradients import unchecked_gradients
from gradcheck_cli.checks.precision import kernel_reason
from gradcheck_cli.checks.run import CaseRun
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.implementation import Implementation
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.results.result import ArrayResult, CaseResult, Diagnosis, Duty, Verdict

_SEEDED = "random and np.random are seeded before each call, because the output depends on them"


def skipped_result(case: Case, implementation: Implementation, reason: str | None) -> CaseResult:
    """Report a case that no layer can have, or that the implementation cannot be asked for."""
    layer = LAYERS[case.layer]
    return CaseResult(
        implementation=implementation.name,
        understood=None if implementation.name in layer.builtin else implementation.convention,
        warnings=implementation.warnings,
        layer=layer.name,
        case=case,
        verdict=Verdict.SKIP,
        reason=reason,
    )


def stopped_result(run: CaseRun) -> CaseResult:
    """Report a run in which no gradient was compared and no duty tried: code raised, or computes in another dtype."""
    unchecked = Verdict.INCONCLUSIVE if run.narrower_dtype else Verdict.ERROR
    result = replace(
        skipped_result(run.case, run.implementation, None),
        verdict=unchecked,
        forward=run.forward,
        gradients=unchecked_gradients(run, unchecked),
        duties=untried_duties(run.settings, unchecked),
        traceback=run.error.traceback if run.error else None,
        arrays=_kept_arrays(run),
    )
    if not run.narrower_dtype:
        from gradcheck_cli.checks.diagnosis.place.frame import place_of_frame  # only for a case that raises
        from gradcheck_cli.checks.diagnosis.raised import explain_error

        reason, causes = explain_error(run)
        place = place_of_frame(run.error.frame) if run.error and run.error.frame else None
        return replace(result, reason=reason, diagnosis=causes, place=place)
    reason = kernel_reason(run.narrower_dtype, run.dtype)
    return replace(
        result,
        verdict=Verdict.FAIL,
        reason=reason,
        forward=run.forward and replace(run.forward, verdict=Verdict.FAIL, reason=reason),
        duties={**result.duties, "shapes": Duty(verdict=Verdict.FAIL, reason=reason)},
    )


def explained_result(run: CaseRun, compared: Comparison, duties: TriedDuties) -> CaseResult:
    """Report a run with its verdict and, if an array is wrong, the causes."""
    comparison = _probe_zeros(run, compared, duties)
    skipped = skipped_result(run.case, run.implementation, None)
    parts: list[ArrayResult | Duty] = [*comparison.arrays, *duties.decisive]
    verdict = Verdict.worst(part.verdict for part in parts)
    result = replace(
        skipped,
        understood=f"{skipped.understood}; {_SEEDED}" if skipped.understood and run.seeded else skipped.understood,
        verdict=verdict,
        forward=comparison.forward,
        gradients=comparison.gradients,
        duties=duties.verdicts,
        repetition=duties.repetition,
        diagnosis=(
            *_explain(run, comparison, verdict),
            *duties.causes,
            *(duties.remarks if verdict is Verdict.PASS else ()),
        ),
        arrays=_kept_arrays(run),
    )
    return result if verdict is Verdict.PASS else replace(result, reason="; ".join(result.reasons) or None)


def _probe_zeros(run: CaseRun, comparison: Comparison, duties: TriedDuties) -> Comparison:
    """Look at a function of which nothing is known where its inputs are 0, if what is run again comes out the same."""
    deterministic = duties.verdicts.get("deterministic")
    if run.problem.reference or deterministic is None or deterministic.verdict is not Verdict.PASS:
        return comparison
    from gradcheck_cli.checks.zero_probe import probe_zeros  # only for functions

    return probe_zeros(run, comparison)


def _explain(run: CaseRun, comparison: Comparison, verdict: Verdict) -> tuple[Diagnosis, ...]:
    """Explain why an array is wrong; else return the remarks on a pass, or the leaks of forward."""
    if all(result.verdict is not Verdict.FAIL for result in comparison.arrays):
        return comparison.remarks if verdict is Verdict.PASS else comparison.leaks
    from gradcheck_cli.checks.diagnosis.explain import explain  # 15 ms, only for a case that fails

    return explain(run, comparison)


def _kept_arrays(run: CaseRun) -> dict[str, Array]:
    """Gather the arrays of a case, if they are to be kept."""
    if not run.settings.keep_arrays:
        return {}
    returned = {"out": run.out, **{f"d{name}": array for name, array in (run.gradients or {}).items()}}
    arrays = {name: array for name, array in returned.items() if isinstance(array, np.ndarray)}
    return {**run.problem.inputs, "dout": run.problem.cotangent, **arrays}
