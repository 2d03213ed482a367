"""A check of one case of one implementation: from the problem to a result.

Forward and backward are run on the case's problem. The output is compared with the layer's definition, and each
gradient with the numerical derivative of that very forward. The other duties of a backward pass are tried. What is
wrong is explained, and located in the user's code.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gradcheck_cli.checks.comparison import Comparison
from gradcheck_cli.checks.differentiation import differentiate
from gradcheck_cli.checks.duties import try_duties
from gradcheck_cli.checks.exactness import Judged, judge_at_integers
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
    from gradcheck_cli.checks.differentiation import Derivatives
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import Place

Functions = Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]]


def check(
    case: Case | str,
    implementation: str | Functions | Implementation | None = None,
    *,
    method: str = "auto",
    tol: float | None = None,
    step: float | None = None,
    repeat: int = 0,
    skipped_duties: tuple[str, ...] = (),
    **geometry: Any,
) -> CaseResult:
    """Check one case: run forward and backward, and compare with the reference and the numerical derivative.

    Args:
        case: geometry, dtype and seed, such as `ConvCase(N=2, C=3, stride=2)`; or the name of a layer.
        implementation: (forward, backward), or the one function of a loss; or what the command line takes, such as
            "naive" or "layers.py". By default the built-in one.
        method: how derivatives are computed: "auto" (by the sizes), "dense", "colored" or "projected".
        tol: tolerance in roundings (eps of the dtype); by default 100, and never over 1/256 of an element's scale.
        step: a fixed step for the differences, instead of one chosen and bounded by the checker.
        repeat: how many times both passes are called again, to see whether they are wrong only sometimes.
        skipped_duties: names of duties (`checks.settings.DUTIES`) that are not tried.
        geometry: of a layer that is named, its numbers, and the dtype and seed: `check("lstm", N=2, T=3)`.

    Returns:
        The result. A geometry that no layer can have is a skip; code that raises is an error with its traceback.

    Raises:
        ValueError: a setting is out of range, or there is no such layer.
        TypeError: the layer has no such number, or functions do not say what they take.
        ImplementationNotFoundError: there is no such implementation, or several.
    """
    # A notebook draws what is wrong.
    settings = Settings(
        method=method, tol=tol, step=step, repeat=repeat, skipped_duties=skipped_duties, keep_wrong=True
    )
    chosen = _case_of(case, geometry)
    with preserve_folder():
        return check_case(chosen, resolve(implementation, LAYERS[chosen.layer], chosen), settings)


def check_function(
    function: Callable[..., Any], backward: Callable[..., Any] | None, /, *args: Any, **kwargs: Any
) -> CaseResult:
    """Check a function and its gradient with the arguments of one call.

    Arrays of floating point are differentiated, those in dictionaries and lists by their path, such as `params.W`.
    All other arguments are passed as they are.

    Args:
        function: returns the output, or (outputs, cache); without a backward, (number, gradients).
        backward: the gradient, understood as on the command line; or None.
        args: arguments of the function.
        kwargs: arguments of the function by name.

    Raises:
        TypeError: the function cannot be called so, or has nothing to differentiate.
    """
    from gradcheck_cli.implementation.conventions.given_arguments import bind_arguments  # only for functions
    from gradcheck_cli.implementation.from_python import from_functions

    arguments = bind_arguments(function, args, kwargs)
    case, functions = arguments.case(), (function,) if backward is None else (function, backward)
    with preserve_folder():
        found = from_functions(functions, LAYERS["function"], case=case, given=arguments.given_to)
        return check_case(case, replace(found, spec=None), Settings(keep_wrong=True))


def _case_of(case: Case | str, geometry: dict[str, Any]) -> Case:
    """Return a case, or make that of a layer that is named."""
    if not isinstance(case, str):
        if geometry:
            raise TypeError(f"{next(iter(geometry))!r} goes with the name of a layer; a case has its own numbers")
        return case
    if case not in LAYERS:
        raise ValueError(f"there is no layer {case!r}; there are {', '.join(LAYERS)}")
    known = {parameter.name for parameter in LAYERS[case].case.parameters()} | {"dtype", "seed"}
    if unknown := [name for name in geometry if name not in known]:
        raise TypeError(f"{case} has no {unknown[0]!r}; it has {', '.join(sorted(known))}")
    return LAYERS[case].case(**geometry)


def check_case(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    """Check one case of one implementation, and time it."""
    started, folder = time.perf_counter(), current_folder()
    result = _check(case, implementation, settings)
    if result.verdict in (Verdict.FAIL, Verdict.ERROR):
        if implementation.locate is not None:
            result = implementation.locate(result, folder)
        else:
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
            if prepared.calls.expect is not None:
                from gradcheck_cli.checks.expected_calls import expect_case  # only for code in another process

                prepared = expect_case(prepared)
            run = call_passes(prepared)
            derivatives = _differentiate(run)
            comparison = compare_gradients(run, derivatives)
            duties = try_duties(run, comparison)
            judged = _judge_in_float64(run, derivatives, judge_at_integers(run, derivatives, comparison))
            if any(gradient.stands_out for gradient in judged.comparison.gradients.values()) and judged.run is run:
                from gradcheck_cli.checks.outliers import look_again  # only where an element stands out

                judged = judged._replace(comparison=look_again(run, judged.comparison, _compared))
        except NotExpressibleError as error:
            return skipped_result(case, implementation, str(error))
        except RunStoppedError as stopped:
            return stopped_result(stopped.run)
        result = replace(explained_result(judged.run, judged.comparison, duties), case=case)
        if not settings.sweep_wrong or result.verdict is not Verdict.FAIL:
            return result
        from gradcheck_cli.checks.worst_element import sweep_worst  # only for a report that shows it

        return replace(result, sweeps=sweep_worst(judged.run, judged.comparison))


def _compared(run: CaseRun) -> Comparison:
    """Return what `look_again` needs to know of a run."""
    derivatives = _differentiate(run)
    return _judge_in_float64(run, derivatives, Judged(run, compare_gradients(run, derivatives))).comparison


def _judge_in_float64(run: CaseRun, derivatives: Derivatives, judged: Judged) -> Judged:
    if run.dtype not in ("float16", "float32"):
        return judged
    from gradcheck_cli.checks.low_precision import judge_in_float64  # only for dtypes narrower than that

    return judge_in_float64(run, derivatives, judged)


def _differentiate(run: CaseRun) -> Derivatives:
    if not run.is_built_in:
        from gradcheck_cli.checks.same_function import derivatives_of_reference  # only for other people's code

        if shared := derivatives_of_reference(run):
            return shared
    return differentiate(run)


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
