"""One case of one implementation, differentiated with one step after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck_cli.checks.comparison import dtype_name
from gradcheck_cli.checks.forward import adopt_output_shape, check_forward
from gradcheck_cli.checks.gradients import along, numeric_inputs, resolution
from gradcheck_cli.checks.plain_differences import restrict, sweep
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.implementation.outputs import pack_outputs
from gradcheck_cli.implementation.seeding import generators_kept
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.numeric.derivative import differentiate
from gradcheck_cli.numeric.method import affordable, choose_method
from gradcheck_cli.numeric.projected import sample_elements
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.step_sweep import STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.step_sweep import Sweep


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
    problem = LAYERS[case.layer].problem(case)
    with generators_kept(problem):
        return _sweep_problem(blank, problem, pack_outputs(implementation, problem), case, settings)


def _sweep_problem(
    blank: CaseResult, problem: Problem, implementation: Implementation, case: Case, settings: Settings
) -> CaseResult:
    try:
        out, _ = implementation.forward(problem.inputs, problem.parameters)
        problem = adopt_output_shape(out, problem, case, implementation.order)
        forward = check_forward(out, problem, case.dtype, settings)
        if forward and forward.worst is None:  # out is not of a form, or not of numbers, that could be differentiated
            return replace(blank, verdict=Verdict.FAIL, reason=forward.reason)
        inputs = numeric_inputs(implementation, problem)
        sweeps = {
            f"d{name}": replace(
                _sweep(name, implementation, problem, inputs, case.dtype, settings),
                numeric_dtype=dtype_name(inputs[name].dtype),
            )
            for name in problem.differentiable
        }
    except ImplementationError as error:
        return replace(blank, verdict=Verdict.ERROR, reason=str(error), traceback=error.traceback)
    swept = replace(blank, sweeps=sweeps)
    if not any(found.errors for found in sweeps.values()):
        reason = "forward is too rough, or does not depend on its inputs: no derivative to hold differences against"
        return replace(swept, verdict=Verdict.INCONCLUSIVE, reason=reason)
    return replace(swept, verdict=Verdict.PASS)


def _sweep(
    name: str,
    implementation: Implementation,
    problem: Problem,
    inputs: Mapping[str, Array],
    dtype: str,
    settings: Settings,
) -> Sweep:
    plain, exact = (along(implementation, problem, values, name) for values in (problem.inputs, inputs))
    x, coupling, cotangent = inputs[name], problem.coupling.get(name), problem.cotangent
    colors = coupling.colors if coupling else None
    method = choose_method(settings.method, x.size, cotangent.size, colors)
    # What differentiates an array once in a second takes half a minute to sweep it.
    evaluations = 2 * len(STEPS) * (colors if colors and method == "colored" else x.size)
    if method == "projected" or (settings.method == "auto" and not affordable(evaluations, x.size, cotangent.size)):
        elements = sample_elements(x.size)
        point, function = x.reshape(-1)[elements], restrict(exact, x, elements)
        estimate = differentiate(function, point, cotangent, resolution=resolution(epsilon(dtype)))
        return sweep(plain, problem.inputs[name], cotangent, estimate, elements=elements)
    estimate = differentiate(
        exact,
        x,
        cotangent,
        resolution=resolution(epsilon(dtype)),
        coupling=coupling if method == "colored" else None,
    )
    verified = coupling if estimate.method == "colored" else None  # not used where forward was found to leak
    return sweep(plain, problem.inputs[name], cotangent, estimate, coupling=verified)
