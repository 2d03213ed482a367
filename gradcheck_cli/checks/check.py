"""One case of one implementation: from the problem to a result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.checks.duties import FirstRun, try_duties, untried_duties
from gradcheck_cli.checks.forward import adopt_output_shape, check_forward
from gradcheck_cli.checks.gradients import Gradients, check_gradients, unchecked_gradients
from gradcheck_cli.checks.precision import accepted_dtype, kernel_dtype, kernel_reason, widest_rounding
from gradcheck_cli.checks.reference import decide_by_reference
from gradcheck_cli.checks.replay import replay_command
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.implementation.calling import watch_arguments
from gradcheck_cli.implementation.implementation import (
    Implementation,
    ImplementationError,
    NotExpressibleError,
)
from gradcheck_cli.implementation.outputs import pack_outputs
from gradcheck_cli.implementation.seeding import depends_on_draws, generators_kept
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import ArrayResult, CaseResult, Diagnosis, Duty, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

Functions = Callable[..., Any] | tuple[Callable[..., Any], Callable[..., Any]]

_SEEDED = "random and np.random are seeded before each call, because the output depends on them"

_TWO_AXES_ONLY = (
    "Forward is right for an x of three axes too, and backward is not. Write axis=-1 for the last axis and "
    "axis=tuple(range(x.ndim - 1)) for all others, or let forward refuse such an x."
)


def check(
    case: Case,
    implementation: str | Functions | Implementation | None = None,
    *,
    method: str = "auto",
    tol: float | None = None,
    step: float | None = None,
    skipped_duties: tuple[str, ...] = (),
) -> CaseResult:
    """Check one case: run forward and backward, and hold them against the reference and the numerical derivative.

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
    layer = LAYERS[case.layer]
    implementation = implementation or next(iter(layer.builtin))
    if isinstance(implementation, str) and implementation in layer.builtin:
        implementation = built_in(layer, implementation)
    elif isinstance(implementation, str):
        from gradcheck_cli.implementation.finding.find import find  # 30 ms, and only for code that is named

        implementation = find(implementation, layer)
    elif not isinstance(implementation, Implementation):
        from gradcheck_cli.implementation.from_python import from_functions

        implementation = from_functions(
            implementation if isinstance(implementation, tuple) else (implementation,), layer
        )
    return check_case(case, implementation, Settings(method=method, tol=tol, step=step, skipped_duties=skipped_duties))


def check_case(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    """Check one case of one implementation, and time it."""
    started = time.perf_counter()
    layer = LAYERS[case.layer]
    result = _judge(case, layer, implementation, settings)
    command = implementation.spec and replay_command(layer.command, case, implementation.spec, settings)
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


def _judge(case: Case, layer: Layer, implementation: Implementation, settings: Settings) -> CaseResult:
    blank = CaseResult(
        implementation=implementation.name,
        understood=None if implementation.name in layer.builtin else implementation.convention,
        warnings=implementation.warnings,
        layer=layer.name,
        case=case,
        verdict=Verdict.SKIP,
        reason=case.impossible(),
    )
    if blank.reason:
        return blank
    problem = layer.problem(case)
    with generators_kept(problem):
        return _judge_problem(blank, problem, case, layer, implementation, settings)


def _judge_problem(
    blank: CaseResult, problem: Problem, case: Case, layer: Layer, whole: Implementation, settings: Settings
) -> CaseResult:
    implementation = pack_outputs(whole, problem)
    forward: ArrayResult | None = None
    returned: Mapping[str, object] | None = None
    found = Gradients(results={}, derivatives={})
    inside: str | None = None
    out: object = None
    try:
        with watch_arguments() as watch:
            out, cache = _forward(implementation, problem)
            out = out.copy() if isinstance(out, np.ndarray) else out  # it may be a buffer, in which others follow
            if blank.understood and not problem.reference and depends_on_draws(whole, problem, out):
                blank = replace(blank, understood=f"{blank.understood}; {_SEEDED}")
            problem = adopt_output_shape(out, problem, case, implementation.order)
            forward = check_forward(out, problem, case.dtype, settings)
            if problem.meaning_open and forward and forward.verdict is Verdict.FAIL:
                raise NotExpressibleError(problem.skip_reason)  # noqa: TRY301  # one way out for all that is skipped
            inside = kernel_dtype(out, {}, case.dtype)
            if inside is None and not (problem.cache_optional and _empty(cache)):
                returned = _backward(implementation, problem, cache)
                inside = kernel_dtype(out, returned, case.dtype)
        changed = watch.changed({**problem.inputs, **_cotangents(problem, implementation.cotangents)})
        if returned is not None and inside is None:
            found = _gradients(returned, forward, implementation, problem, case.dtype, settings)
            found = decide_by_reference(found, returned, forward, layer, problem, case.dtype, settings)
            wrong = {part.verdict for part in (forward, *found.results.values()) if part} & {Verdict.FAIL}
            if wrong:
                found, forward = _judged_with_guard(found, out, returned, forward, layer, problem, case, settings)
    except NotExpressibleError as error:
        return replace(blank, reason=str(error))
    except ImplementationError as error:
        from gradcheck_cli.checks.diagnosis.raised import explain_error  # only for a case that raises

        other = accepted_dtype(case, layer, whole) if out is None else None
        return replace(
            _unjudged(blank, Verdict.ERROR, problem, settings),
            diagnosis=() if other else explain_error(case, layer, problem, whole, settings, error),
            reason=f"{error}; it runs in {other}: check it with --dtype {other}" if other else str(error),
            forward=forward,
            traceback=error.traceback,
        )
    if inside:
        return _of_kernel(inside, _unjudged(blank, Verdict.INCONCLUSIVE, problem, settings), forward)
    parts = [*([forward] if forward else []), *found.results.values()]
    scales = {name: float(expected.scale.max(initial=0)) for name, expected in found.derivatives.items()}
    first = FirstRun(
        out=out,
        gradients=returned,
        changed=changed,
        scales={name: scale for name, scale in scales.items() if math.isfinite(scale)},
        ignored=found.ignored,
        vacuous=problem.why_vacuous(out),
    )
    failing = [out] if forward and forward.verdict is Verdict.FAIL else []
    failing += [(returned or {}).get(name[1:]) for name, one in found.results.items() if one.verdict is Verdict.FAIL]
    rounding = widest_rounding(failing, case.dtype)
    duties, causes = try_duties(implementation, problem, first, case.dtype, settings, rounding=rounding)
    repeats = "deterministic" in duties and duties["deterministic"].verdict is Verdict.PASS
    if repeats and not problem.reference:  # what adds to its last result is no evidence at another point
        found = _probed_at_zeros(found, implementation, problem)
        parts = [*found.results.values()]
    verdict = Verdict.worst([*(part.verdict for part in parts), *(duty.verdict for duty in duties.values())])
    diagnosis = found.remarks if verdict is Verdict.PASS else found.leaks
    if Verdict.FAIL in {part.verdict for part in parts}:
        diagnosis = _causes(case, layer, problem, whole, settings, out, forward, returned or {}, found)
    judged = replace(
        blank,
        verdict=verdict,
        forward=forward,
        gradients=found.results,
        duties=duties,
        diagnosis=(*diagnosis, *causes),
        arrays=_kept(problem, settings, out=out, **{f"d{name}": array for name, array in (returned or {}).items()}),
    )
    return judged if verdict is Verdict.PASS else replace(judged, reason="; ".join(judged.reasons) or None)


def _judged_with_guard(
    found: Gradients,
    out: object,
    returned: Mapping[str, object],
    forward: ArrayResult | None,
    layer: Layer,
    problem: Problem,
    case: Case,
    settings: Settings,
) -> tuple[Gradients, ArrayResult | None]:
    """Judge again what is wrong, if forward turns out to be the reference with a guard."""
    from gradcheck_cli.checks.guards import find_guard, judge_guarded  # only for a case that fails

    guarded = find_guard(out, forward, layer, problem, case.dtype, settings)
    if guarded is None:
        return found, forward
    return judge_guarded(found, returned, guarded, layer, problem, case.dtype, settings), guarded.result


def _probed_at_zeros(found: Gradients, implementation: Implementation, problem: Problem) -> Gradients:
    from gradcheck_cli.checks.zero_probe import probe_zeros  # only for a function of which nothing is known

    return probe_zeros(found, implementation, problem)


def _of_kernel(dtype: str, unjudged: CaseResult, forward: ArrayResult | None) -> CaseResult:
    """Say which dtype the code computes in, and judge nothing else: by the standards of a wider one all is wrong."""
    why = kernel_reason(dtype, unjudged.case.dtype)
    return replace(
        unjudged,
        verdict=Verdict.FAIL,
        reason=why,
        forward=forward and replace(forward, verdict=Verdict.FAIL, reason=why),
        duties={**unjudged.duties, "shapes": Duty(verdict=Verdict.FAIL, reason=why)},
    )


def _unjudged(blank: CaseResult, verdict: Verdict, problem: Problem, settings: Settings) -> CaseResult:
    """Give every gradient and duty the same verdict: none of them was looked at."""
    return replace(
        blank,
        arrays=_kept(problem, settings),
        verdict=verdict,
        gradients=unchecked_gradients(problem, blank.case.dtype, settings, verdict, "was not checked"),
        duties=untried_duties(settings, verdict),
    )


def _causes(
    case: Case,
    layer: Layer,
    problem: Problem,
    implementation: Implementation,
    settings: Settings,
    out: object,
    forward: ArrayResult | None,
    returned: Mapping[str, object],
    found: Gradients,
) -> tuple[Diagnosis, ...]:
    """Say why something is wrong, and what is known of forward beside that."""
    if found.causes:
        return found.causes
    from gradcheck_cli.checks.diagnosis.at_zeros import wrong_at_zeros  # only for a case that fails
    from gradcheck_cli.checks.diagnosis.overflow import why_not_finite

    if not_finite := why_not_finite(out, returned, layer, problem):
        return *found.leaks, not_finite
    if zeros := wrong_at_zeros(returned, found, problem, case.dtype, settings):
        return *found.leaks, zeros
    from gradcheck_cli.checks.diagnosis.diagnose import diagnose  # 15 ms

    diagnosis = diagnose(
        case,
        layer,
        problem,
        implementation,
        settings,
        out=out,
        forward=forward,
        returned=returned,
        gradients=found.results,
        derivatives=found.derivatives,
        leaks=found.leaks,
    )
    if problem.meaning_open and not diagnosis:
        return (Diagnosis(code="two-axes-only", text=_TWO_AXES_ONLY),)
    return diagnosis


def _cotangents(problem: Problem, called: tuple[str, ...]) -> dict[str, Array]:
    """Return the cotangent of each output under the name that backward has for it, or else under the output's."""
    parts = [*problem.parts(problem.cotangent).items()][: problem.cotangents]
    names = called if len(called) == len(parts) else [f"d{name}" for name, _ in parts]
    return {name: part for name, (_, part) in zip(names, parts, strict=True)}


def _forward(implementation: Implementation, problem: Problem) -> tuple[object, object]:
    try:
        return implementation.forward(problem.inputs, problem.parameters)
    except ImplementationError as error:
        if problem.skip_reason:
            raise NotExpressibleError(problem.skip_reason) from error
        raise


def _backward(implementation: Implementation, problem: Problem, cache: object) -> Mapping[str, object]:
    try:
        return implementation.backward(problem.cotangent, cache, problem.differentiable)
    except ImplementationError as error:
        if problem.meaning_open:
            raise NotExpressibleError(problem.skip_reason) from error
        raise


def _empty(cache: object) -> bool:
    """Tell whether forward left nothing that a gradient could be computed from: at most shapes, and None."""
    if isinstance(cache, tuple | list | dict):
        return all(map(_empty, cache.values() if isinstance(cache, dict) else cache))
    return cache is None or isinstance(cache, bool | int | str)


def _kept(problem: Problem, settings: Settings, **returned: object) -> dict[str, Array]:
    """Gather the arrays of a case, if they are to be kept."""
    if not settings.keep_arrays:
        return {}
    arrays = {name: array for name, array in returned.items() if isinstance(array, np.ndarray)}
    return {**problem.inputs, "dout": problem.cotangent, **arrays}


def _gradients(
    returned: Mapping[str, object],
    forward: ArrayResult | None,
    implementation: Implementation,
    problem: Problem,
    dtype: str,
    settings: Settings,
) -> Gradients:
    if forward and forward.worst is None:  # out is not of a form, or not of numbers, that could be differentiated
        why = "was not checked: forward's output cannot be differentiated"
        results = unchecked_gradients(problem, dtype, settings, Verdict.INCONCLUSIVE, why, returned)
        return Gradients(results=results, derivatives={})
    return check_gradients(returned, implementation, problem, dtype, settings)
