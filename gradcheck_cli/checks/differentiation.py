"""The derivatives of an implementation's own forward."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from gradcheck_cli.checks.comparison import unravel
from gradcheck_cli.checks.method import choose_method
from gradcheck_cli.checks.run import RunStoppedError
from gradcheck_cli.checks.small_case import is_large
from gradcheck_cli.checks.where import place
from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.implementation.implementation import ForwardStep, ImplementationError
from gradcheck_cli.numeric import derivative
from gradcheck_cli.numeric.arrays import epsilon, working_dtype
from gradcheck_cli.numeric.black_box import Evaluation

if TYPE_CHECKING:
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.black_box import Function
    from gradcheck_cli.numeric.estimate import Estimate
    from gradcheck_cli.numeric.projected import Projection

#: The error bound of a derivative that is good enough, in roundings: a smaller one would not change a verdict.
_RESOLUTION = 0.5

#: The same as a share of the scale, where roundings are large: to within half of one in float16, differences agree by
#: accident. Of 180 right max poolings of 990 elements, each with kinks all around, 4 were called wrong and 12 not
#: differentiable; with this, none of 500.
_COARSEST = 2.0**-20


#: Calls that follow derivatives, measured: of duties, and of these where a case is large; of a projection; and for each
#: one of an affine function.
_CALLS_OF_DUTIES, _CALLS_IF_LARGE, _CALLS_OF_PROJECTION, _CALLS_IF_CURVED = 13, 2, 2, 10


@frozen
class Derivatives:
    """The numerical derivatives of forward, by input. Those of a gradient that cannot be compared are left out."""

    estimates: Mapping[str, Estimate] = field(default_factory=dict)  #: element by element
    projections: Mapping[str, Projection] = field(default_factory=dict)  #: along random directions
    ignored: tuple[str, ...] = ()  #: inputs on which forward does not depend
    wide: bool = False  #: whether forward was evaluated in the working dtype
    epsilon: float = 0.0  #: of the values of forward there
    of_reference: bool = False  #: whether they are those of the reference, which is the same function


def differentiate(run: CaseRun) -> Derivatives:
    """Differentiate forward in each input whose gradient has the right form.

    Raises:
        RunStoppedError: forward raised on perturbed inputs.
    """
    comparable = not (run.forward and run.forward.worst is None)
    names = [name for name in run.problem.differentiable if not run.subjects[name].flaw] if comparable else []
    if run.gradients is None or not names:
        return Derivatives()
    try:
        return differentiate_in(run, names)
    except ImplementationError as error:
        raise RunStoppedError(replace(run, error=error)) from error


def differentiate_in(run: CaseRun, names: Sequence[str]) -> Derivatives:
    """Differentiate forward in some inputs.

    Raises:
        ImplementationError: forward raised on perturbed inputs.
    """
    problem, settings = run.problem, run.settings
    inputs = numeric_inputs(run)
    first = ForwardFunction(run, inputs, names[0])
    center = Evaluation(first, inputs[names[0]], problem.cotangent, known_output(run, inputs))
    estimates: dict[str, Estimate] = {}
    projections: dict[str, Projection] = {}
    ignored: tuple[str, ...] = ()
    curved = False
    for number, name in enumerate(names):
        run.calls.announce(calls_to_come(run, names[number:], curved=curved))
        x, function, method = inputs[name], ForwardFunction(run, inputs, name), method_for(run, name)
        if method == "projected":
            projections[name] = _project(run, name, function, x, center)
            continue
        estimate = derivative.differentiate(
            function,
            x,
            problem.cotangent,
            resolution=resolution(run.dtype),
            step=settings.step,
            coupling=problem.coupling.get(name) if method == "colored" else None,
            center=center,
        )
        curved |= not estimate.affine
        estimates[name] = replace(estimate, doubt=doubt(estimate, name))
        ignored += () if estimate.scale.any() else (name,)
    return Derivatives(
        estimates=estimates,
        projections=projections,
        ignored=ignored,
        wide=inputs[names[0]].dtype == working_dtype(run.dtype),
        epsilon=center.epsilon,
    )


def method_for(run: CaseRun, name: str) -> str:
    """Return how forward is differentiated in an input: "colored", "dense" or "projected"."""
    problem, coupling = run.problem, run.problem.coupling.get(name)
    colors = coupling.colors if coupling else None
    return choose_method(run.settings.method, problem.inputs[name].size, problem.cotangent.size, colors)


def is_output(out: object, problem: Problem) -> TypeGuard[Array]:
    """Tell whether what forward returned is an output of the problem that can be differentiated."""
    return isinstance(out, np.ndarray) and out.shape == problem.cotangent.shape and out.dtype.kind == "f"


def is_of_case(run: CaseRun, inputs: Mapping[str, Array]) -> bool:
    """Tell whether inputs of the numeric side are in the dtype of the case."""
    return all(inputs[name].dtype == x.dtype for name, x in run.problem.inputs.items())


def known_output(run: CaseRun, inputs: Mapping[str, Array]) -> Array | None:
    """Return what forward has returned for inputs of the numeric side, if they are in the dtype of the case."""
    return run.out if is_of_case(run, inputs) and is_output(run.out, run.problem) else None


def calls_to_come(run: CaseRun, names: Sequence[str] = (), *, curved: bool = False) -> int:
    """Return about how many calls a case makes when the derivatives in these inputs are left, and all that follows."""
    problem = run.problem
    calls = (_CALLS_IF_LARGE if is_large(problem) else _CALLS_OF_DUTIES) + 2 * len(problem.differentiable)
    for name in names:
        coupling, method = problem.coupling.get(name), method_for(run, name)
        steps = coupling.colors if coupling and method == "colored" else 2 * problem.inputs[name].size
        calls += 3 + (_CALLS_OF_PROJECTION if method == "projected" else steps * (_CALLS_IF_CURVED if curved else 1))
    return calls


def _project(run: CaseRun, name: str, function: Function, x: Array, center: Evaluation) -> Projection:
    from gradcheck_cli.numeric.projected import project  # only for large layers

    projection = project(
        function,
        x,
        run.problem.cotangent,
        np.asarray(run.subjects[name].array),
        epsilon=epsilon(run.dtype),
        tolerance=run.settings.tolerance(run.dtype),
        step=run.settings.step,
        center=center,
        coupling=run.problem.coupling.get(name),
    )
    return replace(projection, estimate=replace(projection.estimate, doubt=noisy(projection.estimate.noise)))


def resolution(dtype: str) -> float:
    """Return the error bound of a derivative that is good enough to judge `dtype` by, as a share of its scale."""
    return min(_RESOLUTION * epsilon(dtype), _COARSEST)


def numeric_inputs(run: CaseRun) -> dict[str, Array]:
    """Choose the inputs for the numeric side: the same values in the working dtype, if forward accepts that.

    A kernel compiled for one dtype refuses any other; then the derivatives carry its roundoff.
    """
    problem = run.problem
    narrow, wide = dict(problem.inputs), wide_inputs(problem)
    if is_of_case(run, wide):
        return narrow
    try:
        out, _ = run.calls.forward(wide, problem.parameters)
        if any(_rounds_within(run, wide, name, out) for name in problem.differentiable):
            return narrow
    except ImplementationError:
        return narrow
    return wide if is_output(out, problem) else narrow


def wide_inputs(problem: Problem) -> dict[str, Array]:
    """Return the inputs of a problem, those that have a gradient in the working dtype."""
    wide = {name: problem.inputs[name] for name in problem.differentiable}
    return {**problem.inputs, **{name: x.astype(working_dtype(x.dtype)) for name, x in wide.items()}}


def steps_in_wider_dtype(run: CaseRun) -> list[ForwardStep]:
    """Return the calls by which `numeric_inputs` finds that forward computes in a wider dtype, if there is one."""
    problem, wide = run.problem, wide_inputs(run.problem)
    if all(wide[name].dtype == x.dtype for name, x in problem.inputs.items()):
        return []
    moved = [{**wide, name: _moved_little(wide[name], run)} for name in problem.differentiable]
    return [ForwardStep(inputs, problem.parameters) for inputs in (wide, *moved)]


def _moved_little(x: Array, run: CaseRun) -> Array:
    """Move an input by less than a rounding of the dtype under test."""
    return np.asarray(x * (1 + epsilon(run.dtype) / 32))


def _rounds_within(run: CaseRun, inputs: Mapping[str, Array], name: str, out: object) -> bool:
    """Tell whether forward rounds an input away that it is given in a wider dtype: it stores parts in its own."""
    eps = epsilon(run.dtype)

    def forward_at(x: Array) -> Array:
        return np.asarray(run.calls.forward({**inputs, name: x}, run.problem.parameters)[0])

    if not isinstance(out, np.ndarray) or not np.array_equal(forward_at(_moved_little(inputs[name], run)), out):
        return False
    return not np.allclose(forward_at(inputs[name] * (1 + 1024 * eps)), out, rtol=eps / 4, atol=0)


class ForwardFunction:
    """Forward as a function of one input, or of a number on which several depend, with the others as in `inputs`.

    It raises ImplementationError where forward does, or returns something that cannot be differentiated. Forward may
    refuse values outside of the domain of an input; the function is NaN there. Where it is in another process, `expect`
    is told the points at which it is evaluated next.
    """

    def __init__(
        self, run: CaseRun, inputs: Mapping[str, Array], moved: str | Callable[[Array], Mapping[str, Array]]
    ) -> None:
        """Take the inputs, and which of them the argument is, or from an argument to those that depend on it."""
        self._problem, self._calls, self._inputs = run.problem, run.calls, inputs
        self._moved = moved
        if run.calls.expect is not None:
            self.expect = self._expect

    def __call__(self, value: Array) -> Array:
        """Evaluate at one point."""
        problem, moved = self._problem, self._inputs_at(value)
        try:
            out, _ = self._calls.forward({**self._inputs, **moved}, problem.parameters)
        except ImplementationError:
            ranges = {name: problem.domain.get(name, (-np.inf, np.inf)) for name in moved}
            if all(((low <= moved[name]) & (moved[name] <= high)).all() for name, (low, high) in ranges.items()):
                raise
            return np.full(problem.cotangent.shape, np.nan, value.dtype)
        if not is_output(out, problem):
            kind = f"{out.dtype} {out.shape}" if isinstance(out, np.ndarray) else type(out).__name__
            what = f"{self._moved} was" if isinstance(self._moved, str) else "its inputs were"
            raise ImplementationError(f"forward returned {kind} after {what} moved a little")
        return out

    def step(self, value: Array) -> ForwardStep:
        """Return the call of forward that evaluates it at one point."""
        return ForwardStep({**self._inputs, **self._inputs_at(value)}, self._problem.parameters)

    def _inputs_at(self, value: Array) -> Mapping[str, Array]:
        return {self._moved: value} if isinstance(self._moved, str) else self._moved(value)

    def _expect(self, points: Sequence[Array]) -> None:
        assert self._calls.expect is not None
        self._calls.expect([*map(self.step, points)])


def noisy(noise: float) -> str | None:
    """Say of a forward that differs from itself by how much it does, or None."""
    return f"forward is noisy: two calls differ by {noise:.1g}" if noise else None


def doubt(estimate: Estimate, name: str) -> str | None:
    """Say why the error bound of a derivative may be large, if that is known."""
    if estimate.noise:
        return noisy(estimate.noise)
    if estimate.kinks.any():
        first = unravel(int(estimate.kinks.argmax()), estimate.kinks.shape)
        return f"forward is not differentiable at {name}{place(first) if first else ''}"
    return "forward leaks, and is too large to be differentiated element by element" if estimate.leak else None
