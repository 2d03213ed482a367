"""Are the gradients the derivatives of the implementation's own forward?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.arrays import epsilon, working_dtype
from gradcheck_cli.checks.comparison import Expected, Subject, compare, malformed, nonfinite, without_numbers
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.numeric.derivative import differentiate
from gradcheck_cli.result import ArrayResult, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.layer import Problem
    from gradcheck_cli.numeric.function import Function


def check_gradients(
    gradients: Mapping[str, object],
    implementation: Implementation,
    problem: Problem,
    dtype: str,
    settings: Settings,
) -> dict[str, ArrayResult]:
    """Hold each gradient owed against the numerical derivative of forward.

    A gradient whose form is wrong is not differentiated: nothing could be compared with it.

    Args:
        gradients: what backward returned, by the input's name.
        implementation: whose forward is differentiated.
        problem: the inputs and the cotangent.
        dtype: the dtype under test.
        settings: tolerance, method and step.

    Raises:
        ImplementationError: forward raised on perturbed inputs.
    """
    inputs: dict[str, Array] | None = None
    results = {}
    for name, value in problem.inputs.items():
        subject = Subject(name=f"d{name}", array=gradients.get(name), dtype=dtype, shape=value.shape)
        reason = malformed(subject) or nonfinite(subject.name, np.asarray(subject.array))
        if reason:
            results[subject.name] = without_numbers(subject, None, settings, Verdict.FAIL, reason)
            continue
        if inputs is None:
            inputs = numeric_inputs(implementation, problem)
        expected = _derivative(implementation, problem, inputs, name, settings.step, dtype)
        results[subject.name] = compare(subject, expected, settings)
    return results


def unchecked_gradients(
    problem: Problem,
    dtype: str,
    settings: Settings,
    verdict: Verdict,
    reason: str,
    returned: Mapping[str, object] | None = None,
) -> dict[str, ArrayResult]:
    """Give every gradient owed the same verdict, without having looked at its elements."""
    arrays = returned or {}
    subjects = (
        Subject(name=f"d{name}", array=arrays.get(name), dtype=dtype, shape=x.shape)
        for name, x in problem.inputs.items()
    )
    return {s.name: without_numbers(s, None, settings, verdict, f"{s.name} {reason}") for s in subjects}


def numeric_inputs(implementation: Implementation, problem: Problem) -> dict[str, Array]:
    """Choose the inputs for the numeric side: the same values in the working dtype, where forward accepts that.

    A kernel compiled for one dtype refuses any other; then the numeric side has to live with its roundoff.
    """
    wide = {name: value.astype(working_dtype(value.dtype)) for name, value in problem.inputs.items()}
    try:
        out, _ = implementation.forward(wide, problem.parameters)
    except ImplementationError:
        return dict(problem.inputs)
    usable = isinstance(out, np.ndarray) and out.shape == problem.cotangent.shape and out.dtype.kind == "f"
    return wide if usable else dict(problem.inputs)


def _derivative(
    implementation: Implementation,
    problem: Problem,
    inputs: Mapping[str, Array],
    name: str,
    step: float | None,
    dtype: str,
) -> Expected:
    function = _along(implementation, problem, inputs, name)
    # Half a rounding: whatever is below disappears in the tolerance.
    derivative = differentiate(function, inputs[name], problem.cotangent, resolution=epsilon(dtype) / 2, step=step)
    return Expected(
        value=derivative.value,
        scale=derivative.scale,
        error_bound=derivative.error_bound,
        method=derivative.method,
        evaluations=derivative.evaluations,
        doubt=f"forward is noisy: two calls differ by {derivative.noise:.1g}" if derivative.noise else None,
    )


def _along(implementation: Implementation, problem: Problem, inputs: Mapping[str, Array], name: str) -> Function:
    def function(value: Array) -> Array:
        out, _ = implementation.forward({**inputs, name: value}, problem.parameters)
        if not isinstance(out, np.ndarray) or out.shape != problem.cotangent.shape or out.dtype.kind != "f":
            kind = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ImplementationError(f"forward returned {kind} after {name} was moved a little")
        return out

    return function
