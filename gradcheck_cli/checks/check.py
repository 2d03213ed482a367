"""A check of one case of one implementation: from the problem to a result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.checks.differentiation import differentiate
from gradcheck_cli.checks.duties import try_duties, untried_duties
from gradcheck_cli.checks.gradients import compare_gradients, unchecked_gradients
from gradcheck_cli.checks.precision import kernel_reason
from gradcheck_cli.checks.replay import replay_command
from gradcheck_cli.checks.run import RunStoppedError, call_passes, make_run
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.guard.state import preserve_folder
from gradcheck_cli.implementation.implementation import Implementation, NotExpressibleError
from gradcheck_cli.implementation.resolve import resolve
from gradcheck_cli.implementation.seeding import generators_kept
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import CaseResult, Diagnosis, Duty, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.checks.gradients import Comparison
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.numeric.arrays import Array

Functions = Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]]

_SEEDED = "random and np.random are seeded before each call, because the output depends on them"


def check(
    case: Case,
    implementation: str | Functions | Implementation | None = None,
    *,
    method: str = "auto",
    tol: float | None = None,
    step: float | None = None,
    skipped_duties: tuple[str, ...] = (),
) -> CaseResult:
    """Check one case: run forward and backward, and compare with the reference and the numerical derivative.

    Args:
        case: geometry, dtype and seed, such as `ConvCase(N=2, C=3, stride=2)`.
        implementation: (forward, backward), or the one function of a loss; or what the command line takes, such as
            "naive" or "layers.py". By default the built-in one.
        method: how derivatives are computed: "auto" (by the sizes), "dense", "colored" or "projected".
        tol: tolerance in roundings (eps of the dtype); by default 100, and never over 1/256 of an element's scale.
        step: a fixed step for the differences, instead of one chosen and bounded by the checker.
        skipped_duties: names of duties (`checks.settings.DUTIES`) that are not tried.

    Returns:
        The result. A geometry that no layer can have is a skip; code that raises is an error with its traceback.

    Raises:
        ValueError: a setting is out of range.
        ImplementationNotFoundError: there is no such implementation, or several.
    """
    settings = Settings(method=method, tol=tol, step=step, skipped_duties=skipped_duties)
    with preserve_folder():
        return check_case(case, resolve(implementation, LAYERS[case.layer]), settings)


def check_case(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    """Check one case of one implementation, and time it."""
    started = time.perf_counter()
    result = _check(case, implementation, settings)
    command = implementation.spec and replay_command(LAYERS[case.layer].command, case, implementation.spec, settings)
    return replace(result, command=command, seconds=time.perf_counter() - started)


def failed_case(
    case: Case, name: str, spec: str | None, settings: Settings, reason: str, traceback: str | None = None
) -> CaseResult:
    """Report a case of which an implementation left nothing to judge: it raised, hung or crashed."""
    layer = LAYERS[case.layer]
    return CaseResult(
        implementation=name,
        layer=layer.name,
        case=case,
        verdict=Verdict.ERROR,
        reason=reason,
        traceback=traceback,
        command=spec and replay_command(layer.command, case, spec, settings),
    )


def _check(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    layer = LAYERS[case.layer]
    skipped = CaseResult(
        implementation=implementation.name,
        understood=None if implementation.name in layer.builtin else implementation.convention,
        warnings=implementation.warnings,
        layer=layer.name,
        case=case,
        verdict=Verdict.SKIP,
        reason=case.impossible(),
    )
    if skipped.reason:
        return skipped
    prepared = make_run(case, layer, implementation, settings)
    with generators_kept(prepared.problem):
        try:
            run = call_passes(prepared)
            derivatives = differentiate(run)
        except NotExpressibleError as error:
            return replace(skipped, reason=str(error))
        except RunStoppedError as stopped:
            return _unchecked(skipped, stopped.run)
        compared = compare_gradients(run, derivatives)
        duties, broken = try_duties(run, compared)
        comparison = _probe_zeros(run, compared, duties)
        verdict = Verdict.worst(
            [*(array.verdict for array in comparison.arrays), *(duty.verdict for duty in duties.values())]
        )
        causes = _explain(run, comparison, verdict)
    judged = replace(
        skipped,
        understood=f"{skipped.understood}; {_SEEDED}" if skipped.understood and run.seeded else skipped.understood,
        verdict=verdict,
        reason=None,
        forward=comparison.forward,
        gradients=comparison.gradients,
        duties=duties,
        diagnosis=(*causes, *broken),
        arrays=_kept_arrays(run),
    )
    return judged if verdict is Verdict.PASS else replace(judged, reason="; ".join(judged.reasons) or None)


def _probe_zeros(run: CaseRun, comparison: Comparison, duties: Mapping[str, Duty]) -> Comparison:
    """Look at a function of which nothing is known where its inputs are 0, if what is run again comes out the same."""
    repeatable = "deterministic" in duties and duties["deterministic"].verdict is Verdict.PASS
    if run.problem.reference or not repeatable:
        return comparison
    from gradcheck_cli.checks.zero_probe import probe_zeros  # only for functions

    return probe_zeros(run, comparison)


def _explain(run: CaseRun, comparison: Comparison, verdict: Verdict) -> tuple[Diagnosis, ...]:
    """Say why an array is wrong, and what is known of forward beside that."""
    if Verdict.FAIL not in {result.verdict for result in comparison.arrays}:
        return comparison.remarks if verdict is Verdict.PASS else comparison.leaks
    from gradcheck_cli.checks.diagnosis.explain import explain  # 15 ms, only for a case that fails

    return explain(run, comparison)


def _unchecked(skipped: CaseResult, run: CaseRun) -> CaseResult:
    """Report a run that was stopped: no gradient was compared and no duty tried."""
    if run.narrower_dtype:
        reason = kernel_reason(run.narrower_dtype, run.dtype)
        duties = untried_duties(run.settings, Verdict.INCONCLUSIVE)
        return replace(
            skipped,
            verdict=Verdict.FAIL,
            reason=reason,
            forward=run.forward and replace(run.forward, verdict=Verdict.FAIL, reason=reason),
            gradients=unchecked_gradients(run, Verdict.INCONCLUSIVE),
            duties={**duties, "shapes": Duty(verdict=Verdict.FAIL, reason=reason)},
            arrays=_kept_arrays(run),
        )
    from gradcheck_cli.checks.diagnosis.raised import explain_error  # only for a case that raises

    reason, causes = explain_error(run)
    return replace(
        skipped,
        verdict=Verdict.ERROR,
        reason=reason,
        forward=run.forward,
        gradients=unchecked_gradients(run, Verdict.ERROR),
        duties=untried_duties(run.settings, Verdict.ERROR),
        diagnosis=causes,
        traceback=run.error.traceback if run.error else None,
        arrays=_kept_arrays(run),
    )


def _kept_arrays(run: CaseRun) -> dict[str, Array]:
    """Gather the arrays of a case, if they are to be kept."""
    if not run.settings.keep_arrays:
        return {}
    returned = {"out": run.out, **{f"d{name}": array for name, array in (run.gradients or {}).items()}}
    arrays = {name: array for name, array in returned.items() if isinstance(array, np.ndarray)}
    return {**run.problem.inputs, "dout": run.problem.cotangent, **arrays}
