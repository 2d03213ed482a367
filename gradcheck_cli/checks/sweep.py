"""One case of one implementation, differentiated with one step after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gradcheck_cli.checks.differentiation import ForwardFunction, method_for, numeric_inputs, resolution
from gradcheck_cli.checks.form import dtype_name
from gradcheck_cli.checks.plain_differences import sweep
from gradcheck_cli.checks.run import CaseRun, RunStoppedError, call_forward, make_run
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.seeding import generators_kept
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.black_box import affordable
from gradcheck_cli.numeric.derivative import differentiate
from gradcheck_cli.numeric.projected import sample_elements
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.step_sweep import STEPS, Sweep


def sweep_case(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    """Compare plain central differences of forward, in the case's own dtype, with the checker's derivative.

    Backward is not called: it does not affect the error of a difference.
    """
    blank = CaseResult(
        implementation=implementation.name,
        layer=case.layer,
        case=case,
        verdict=Verdict.SKIP,
        reason=case.impossible(),
        warnings=implementation.warnings,
    )
    if blank.reason:
        return blank
    prepared = make_run(case, LAYERS[case.layer], implementation, settings)
    with generators_kept(prepared.problem):
        try:
            return _sweep_inputs(blank, call_forward(prepared))
        except NotExpressibleError as skipped:
            return replace(blank, reason=str(skipped))
        except RunStoppedError as stopped:
            error = stopped.run.error
        except ImplementationError as raised:
            error = raised
    return replace(blank, verdict=Verdict.ERROR, reason=str(error), traceback=error.traceback if error else None)


def _sweep_inputs(blank: CaseResult, run: CaseRun) -> CaseResult:
    if run.forward and run.forward.worst is None:  # out has a form, or values, that cannot be differentiated
        return replace(blank, verdict=Verdict.FAIL, reason=run.forward.reason)
    inputs, names = numeric_inputs(run), run.problem.differentiable
    sweeps = {
        f"d{name}": replace(_sweep_input(run, inputs, name), numeric_dtype=dtype_name(inputs[name].dtype))
        for name in names
    }
    swept = replace(blank, sweeps=sweeps)
    if not any(found.errors for found in sweeps.values()):
        reason = "forward is too rough, or does not depend on its inputs: no derivative to compare differences with"
        return replace(swept, verdict=Verdict.INCONCLUSIVE, reason=reason)
    return replace(swept, verdict=Verdict.PASS)


def _sweep_input(run: CaseRun, inputs: Mapping[str, Array], name: str) -> Sweep:
    problem, chosen = run.problem, method_for(run, name)
    plain, exact = ForwardFunction(run, problem.inputs, name), ForwardFunction(run, inputs, name)
    x, narrow, cotangent, coupling = inputs[name], problem.inputs[name], problem.cotangent, problem.coupling.get(name)
    used = coupling if chosen == "colored" else None
    # An array that is differentiated in a second would take half a minute to sweep.
    evaluations = 2 * len(STEPS) * (used.colors if used else x.size)
    is_dear = run.settings.method == "auto" and not affordable(evaluations, x.size, cotangent.size)
    if chosen == "projected" or is_dear:
        elements = sample_elements(x.size)
        estimate = differentiate(exact, x, cotangent, resolution=resolution(run.dtype), elements=elements)
        return sweep(plain, narrow, cotangent, estimate, elements=elements)
    estimate = differentiate(exact, x, cotangent, resolution=resolution(run.dtype), coupling=used)
    verified = coupling if estimate.method == "colored" else None  # not used where forward was found to leak
    return sweep(plain, narrow, cotangent, estimate, coupling=verified)
