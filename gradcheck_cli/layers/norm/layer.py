"""Shared by normalization layers: draws, scales of roundoff, and faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework import equations
from gradcheck_cli.layers.framework.axes import Axis, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH, Relation
from gradcheck_cli.layers.framework.drawing import Draw, Given, draw_independently
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import choice, real
from gradcheck_cli.layers.norm.faults import backward_faults, forward_faults
from gradcheck_cli.layers.norm.normalization import Normalization, backward_equations, forward_equations, is_constant
from gradcheck_cli.numeric.arrays import Array


def eps() -> Any:
    """Declare the eps of a case."""
    return real(1e-5, "added to the variance", 1e-2, 0.1, low=1e-12)


def mode() -> Any:
    """Declare the mode of a case."""
    return choice("train", "normalizes by the batch, or by the running statistics", "test")


def momentum() -> Any:
    """Declare the momentum of a case."""
    return real(0.9, "share of the running statistics that is kept", 0.0, 0.5, 1.0, high=1.0)


@frozen
class StepsCase(Case):
    """Sizes of a normalization over features, whose x and out are (N, D), or with steps (N, T, D)."""

    N: int = size(4, "samples")
    D: int = size(6, "features")
    T: int = size(1, "steps: above 1, x is (N, T, D)")

    @property
    def array_axes(self) -> Mapping[str, tuple[Axis, ...]]:
        """The axes of the arrays: of x three, where there are steps."""
        return self.axes if self.T == 1 else {**self.axes, **declare(x="N T D", out="N T D")}


@frozen
class NormalizationLayer:
    """A layer of a normalization."""

    case: type[Case]
    forward: Callable[..., Any]  #: (x, gamma, beta, parameters) -> (out, cache); some have no beta
    backward: Callable[..., Any]  #: (dout, cache) -> (dx, dgamma, dbeta)
    param: str  #: what the dictionary of parameters is called
    standard: tuple[Case, ...]
    over: tuple[Axis, ...] = ()  #: the axes of a set, as `Normalization` has them; () for all that gamma lacks
    of: str = ""  #: likewise
    shifts: bool = True  #: likewise
    normalization: Callable[[Any], Normalization] | None = None  #: of a case whose sets do not lie along its axes
    probe_cases: tuple[Case, ...] = ()
    state: tuple[str, ...] = ()  #: running statistics, which forward writes
    relations: Callable[[Any], Mapping[Axis, Relation]] | None = None  #: of the axes of x, if those of a set are cut
    random: Callable[[type[Any], Draw, Given], Mapping[str, Any]] = draw_independently

    def sets(self, case: Case) -> Normalization:
        """Return the sets that are normalized in a case."""
        if self.normalization:
            return self.normalization(case)
        axes, own = case.array_axes["x"], case.axes["gamma"]
        over = self.over or tuple(axis for axis in axes if axis not in own)
        return Normalization(axes=axes, shape=case.shapes["x"], over=over, own=own, of=self.of, shifts=self.shifts)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs of forward."""
        return ("x", "gamma", "beta") if self.shifts else ("x", "gamma")

    def problem(self, case: Case) -> Problem:
        """Draw a case's arrays.

        Running variances are positive, and neither statistic is where it would start. Courses call no backward in test
        mode, and many of their layers leave no cache there.
        """
        norm, numbers = self.sets(case), case.geometry

        def drawn(names: Iterable[str], source: Random) -> dict[str, Array]:
            axes = case.array_axes
            return {name: signed_uniform(source, [numbers[axis.size] for axis in axes[name]]) for name in names}

        def parameters(_: Case, source: Random) -> dict[str, Any]:
            statistics = drawn(self.state, source)
            return case.settings | {n: abs(a) if n == "running_var" else a for n, a in statistics.items()}

        declared = replace(
            self.layer(),
            make_problem=None,
            draw=lambda _, source: drawn(self.inputs, source),
            parameters=parameters,
            relations=lambda *_: {"x": self.relations(case) if self.relations else dict.fromkeys(norm.over, EACH)},
            sums=False,
        )
        problem = declared.problem(case)
        three = f"it does not normalize an x of three axes over {norm.words}" if len(norm.axes) == 3 else None
        constant = is_constant(case.settings)
        return replace(problem, skip_reason=three, meaning_open=bool(three), cache_optional=constant)

    def faults(self, case: Case, problem: Problem) -> Iterator[Fault]:
        """Yield the faults of backward in a case."""
        norm, parameters = self.sets(case), problem.parameters or {}

        def given(inputs: Mapping[str, Array], cotangent: Array) -> dict[str, Any]:
            return norm.given(inputs, parameters, problem.parts(cotangent)["out"])

        return equations.backward_faults(backward_equations(parameters), backward_faults(norm, parameters), given)

    def forward_faults(self, case: Case, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
        """Yield the faults of forward in a case, of its output and of running statistics."""
        norm, parameters = self.sets(case), problem.parameters or {}
        faults, outputs = forward_faults(norm, parameters), ("out", *self.state)
        given = norm.given(problem.inputs, parameters)
        return equations.forward_faults(forward_equations(parameters), faults, given, outputs)

    def has_nonzero_gradient(self, case: Case) -> bool:
        """Tell whether more than beta is left: of a single element that is shifted, z is 0."""
        return self.sets(case).count > 1 or not self.shifts or is_constant(case.settings)

    def layer(self) -> Layer:
        """Make the layer."""
        return Layer(
            case=self.case,
            make_problem=self.problem,
            standard=lambda: self.standard,
            builtin={"vectorized": (self.forward, self.backward)},
            probe_cases=self.probe_cases,
            faults=self.faults,
            forward_faults=self.forward_faults,
            random=self.random,
            has_nonzero_gradient=self.has_nonzero_gradient,
            param=self.param,
            state=self.state,
        )
