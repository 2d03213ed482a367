"""Are the gradients the derivatives of the implementation's own forward?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import Subject, compare, flaw, noisy, unravel, without_numbers
from gradcheck_cli.checks.where import place
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.numeric.arrays import epsilon, working_dtype
from gradcheck_cli.numeric.black_box import Evaluation
from gradcheck_cli.numeric.derivative import differentiate
from gradcheck_cli.numeric.method import choose_method
from gradcheck_cli.results.result import ArrayResult, Diagnosis, Verdict
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.black_box import Function
    from gradcheck_cli.numeric.estimate import Estimate, Leak

#: The error bound of a derivative that is good enough, in roundings: less would not show beside the tolerance.
_RESOLUTION = 0.5

#: The same as a share of the scale, where roundings are large: to within half of one in float16, differences agree by
#: accident. Of 180 right max poolings of 990 elements, each with kinks all around, 4 were called wrong and 12 not
#: differentiable; with this, none of 500.
_COARSEST = 2.0**-20


def resolution(rounding: float) -> float:
    """Return the error bound of a derivative that is good enough, as a share of its scale."""
    return min(_RESOLUTION * rounding, _COARSEST)


@frozen
class Gradients:
    """The verdicts on the gradients of an implementation, and what differentiating its forward has shown."""

    results: dict[str, ArrayResult]  #: by the gradient's name
    #: The derivatives of forward, by the input's name, where it was differentiated element by element.
    derivatives: dict[str, Estimate]
    leaks: tuple[Diagnosis, ...] = ()  #: where forward is less local than the layer
    ignored: tuple[str, ...] = ()  #: inputs in `derivatives` on which forward does not depend
    remarks: tuple[Diagnosis, ...] = ()  #: what a pass should mention
    causes: tuple[Diagnosis, ...] = ()  #: of what is wrong, where that is known already


def check_gradients(
    gradients: Mapping[str, object],
    implementation: Implementation,
    problem: Problem,
    dtype: str,
    settings: Settings,
) -> Gradients:
    """Compare each gradient with the numerical derivative of forward.

    Where a gradient has the wrong form, such as a wrong shape, nothing is differentiated: there is nothing to compare.

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
    center: Evaluation | None = None
    results: dict[str, ArrayResult] = {}
    derivatives: dict[str, Estimate] = {}
    leaks: list[Diagnosis] = []
    ignored: list[str] = []
    for name in problem.differentiable:
        value = problem.inputs[name]
        subject = Subject(
            name=f"d{name}", array=gradients.get(name), dtype=dtype, shape=value.shape, axes=problem.axes[name]
        )
        if reason := flaw(subject):
            results[subject.name] = without_numbers(subject, None, settings, Verdict.FAIL, reason)
            continue
        if inputs is None:
            inputs = numeric_inputs(implementation, problem)
        x, function = inputs[name], along(implementation, problem, inputs, name)
        center = center or Evaluation(function, x, problem.cotangent)
        method = _method(name, x, problem, settings)
        if method == "projected":
            results[subject.name] = _check_projected(subject, function, x, center, problem, settings)
            continue
        derivative = differentiate(
            function,
            x,
            problem.cotangent,
            resolution=resolution(epsilon(dtype)),
            step=settings.step,
            coupling=problem.coupling.get(name) if method == "colored" else None,
            center=center,
        )
        scale = np.maximum(derivative.scale, problem.gradient_scale.get(name, 0.0))
        derivatives[name] = replace(derivative, scale=scale, doubt=_doubt(derivative, name))
        results[subject.name] = compare(subject, derivatives[name], settings)
        leaks += [_leak(derivative.leak, name, problem)] if derivative.leak else []
        ignored += [] if derivative.scale.any() else [name]
    return Gradients(results=results, derivatives=derivatives, leaks=tuple(leaks), ignored=tuple(ignored))


def unchecked_gradients(
    problem: Problem,
    dtype: str,
    settings: Settings,
    verdict: Verdict,
    reason: str,
    returned: Mapping[str, object] | None = None,
) -> dict[str, ArrayResult]:
    """Give every expected gradient the same verdict, without comparing its elements."""
    arrays = returned or {}
    subjects = (
        Subject(name=f"d{name}", array=arrays.get(name), dtype=dtype, shape=problem.inputs[name].shape)
        for name in problem.differentiable
    )
    return {s.name: without_numbers(s, None, settings, verdict, f"{s.name} {reason}") for s in subjects}


def numeric_inputs(implementation: Implementation, problem: Problem) -> dict[str, Array]:
    """Choose the inputs for the numeric side: the same values in the working dtype, where forward accepts that.

    A kernel compiled for one dtype refuses any other; then the derivatives carry its roundoff.
    """
    wide = dict(problem.inputs)
    wide |= {name: wide[name].astype(working_dtype(wide[name].dtype)) for name in problem.differentiable}
    try:
        out, _ = implementation.forward(wide, problem.parameters)
    except ImplementationError:
        return dict(problem.inputs)
    usable = isinstance(out, np.ndarray) and out.shape == problem.cotangent.shape and out.dtype.kind == "f"
    return wide if usable else dict(problem.inputs)


def _method(name: str, x: Array, problem: Problem, settings: Settings) -> str:
    coupling = problem.coupling.get(name)
    return choose_method(settings.method, x.size, problem.cotangent.size, coupling.colors if coupling else None)


def _check_projected(
    subject: Subject, function: Function, x: Array, center: Evaluation, problem: Problem, settings: Settings
) -> ArrayResult:
    from gradcheck_cli.checks.projection import compare_projection  # only for large layers
    from gradcheck_cli.numeric.projected import project

    projection = project(
        function,
        x,
        problem.cotangent,
        np.asarray(subject.array),
        epsilon=epsilon(subject.dtype),
        tolerance=settings.tolerance(subject.dtype),
        step=settings.step,
        center=center,
    )
    return compare_projection(subject, projection, settings)


def _doubt(derivative: Estimate, name: str) -> str | None:
    """Say why the error bound of the derivative may be large, if that is known."""
    if derivative.noise:
        return noisy(derivative.noise)
    if derivative.kinks.any():
        first = unravel(int(derivative.kinks.argmax()), derivative.kinks.shape)
        return f"forward is not differentiable at {name}{place(first) if first else ''}"
    return "forward leaks, and is too large to be differentiated element by element" if derivative.leak else None


def _leak(leak: Leak, name: str, problem: Problem) -> Diagnosis:
    if leak.element is None or leak.output is None:
        outputs = join_names(problem.outputs or ["out"])
        text = f"forward leaks: {outputs} depends on elements of {name} that should not reach it"
    else:
        element = place(unravel(leak.element, problem.inputs[name].shape))
        output, index = problem.located(leak.output)
        text = f"forward leaks: {output}{place(index)} depends on {name}{element}, which should not reach it"
    return Diagnosis(code="leak", text=text)


def along(implementation: Implementation, problem: Problem, inputs: Mapping[str, Array], name: str) -> Function:
    """Return forward as a function of one input, with the others as they are in `inputs`.

    It raises ImplementationError where forward does, or returns something that cannot be differentiated. Of an input
    with a domain it may refuse what lies outside, and is NaN there.
    """

    def function(value: Array) -> Array:
        try:
            out, _ = implementation.forward({**inputs, name: value}, problem.parameters)
        except ImplementationError:
            low, high = problem.domain.get(name, (-np.inf, np.inf))
            if ((low <= value) & (value <= high)).all():
                raise
            return np.full(problem.cotangent.shape, np.nan, value.dtype)
        if not isinstance(out, np.ndarray) or out.shape != problem.cotangent.shape or out.dtype.kind != "f":
            kind = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            raise ImplementationError(f"forward returned {kind} after {name} was moved a little")
        return out

    return function
