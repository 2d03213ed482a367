"""A check of one case of one implementation: from the problem to a result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradcheck_cli.checks.differentiation import differentiate
from gradcheck_cli.checks.duties import try_duties
from gradcheck_cli.checks.gradients import compare_gradients
from gradcheck_cli.checks.outcome import explained_result, skipped_result, stopped_result
from gradcheck_cli.checks.replay import replay_command
from gradcheck_cli.checks.run import RunStoppedError, call_passes, make_run
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.guard.state import current_folder, preserve_folder
from gradcheck_cli.implementation.implementation import Implementation, NotExpressibleError
from gradcheck_cli.implementation.resolve import resolve
from gradcheck_cli.implementation.seeding import generators_kept
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import CaseResult, Verdict

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import Place

Functions = Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]]


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
    # A notebook draws what is wrong.
    settings = Settings(method=method, tol=tol, step=step, skipped_duties=skipped_duties, keep_wrong=True)
    with preserve_folder():
        return check_case(case, resolve(implementation, LAYERS[case.layer]), settings)


def check_case(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    """Check one case of one implementation, and time it."""
    started, folder = time.perf_counter(), current_folder()
    result = _check(case, implementation, settings)
    if result.verdict in (Verdict.FAIL, Verdict.ERROR):
        from gradcheck_cli.checks.diagnosis.place.locate import with_place  # 10 ms, only for a case that fails

        result = with_place(result, implementation, folder)
    command = implementation.spec and replay_command(LAYERS[case.layer].command, case, implementation.spec, settings)
    return replace(result, command=command, seconds=time.perf_counter() - started)


def _check(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    if reason := case.impossible():
        return skipped_result(case, implementation, reason)
    prepared = make_run(case, LAYERS[case.layer], implementation, settings)
    with generators_kept(prepared.problem):
        try:
            run = call_passes(prepared)
            derivatives = differentiate(run)
            comparison = compare_gradients(run, derivatives)
            duties = try_duties(run, comparison)
        except NotExpressibleError as error:
            return skipped_result(case, implementation, str(error))
        except RunStoppedError as stopped:
            return stopped_result(stopped.run)
        result = explained_result(run, comparison, duties)
        if not settings.sweep_wrong or result.verdict is not Verdict.FAIL:
            return result
        from gradcheck_cli.checks.worst_element import sweep_worst  # only for a report that shows it

        return replace(result, sweeps=sweep_worst(run, comparison))


def failed_case(
    case: Case,
    name: str,
    spec: str | None,
    settings: Settings,
    reason: str,
    traceback: str | None = None,
    place: Place | None = None,
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
        place=place,
        command=spec and replay_command(layer.command, case, spec, settings),
    )
