"""Shared by normalization layers: their settings, draws and couplings, and the faults of their equations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from random import Random
from typing import Any, ClassVar

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import Axis, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH, Relations
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, replaced_in_backward, replaced_in_forward
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import choice, real
from gradcheck_cli.layers.norm.faults import backward_faults, forward_faults
from gradcheck_cli.layers.norm.normalization import Normalization, backward_equations, forward_equations, is_constant
from gradcheck_cli.numeric.arrays import Array

#: The settings of cases, declared.
eps = partial(real, 1e-5, "added to the variance", 1e-2, 0.1, low=1e-12)
mode = partial(choice, "train", "normalizes by the batch, or by the running statistics", "test")
momentum = partial(real, 0.9, "share of the running statistics that is kept", 0.0, 0.5, 1.0, high=1.0)


@frozen
class StepsCase(Case):
    """Sizes of a normalization over features, whose x and out are (N, D), or with steps (N, T, D)."""

    normalized: ClassVar[str] = "features of a sample"  #: what mean and variance are taken over, if there are steps

    N: int = size(4, "samples")
    D: int = size(6, "features")
    T: int = size(1, "steps: above 1, x is (N, T, D)")

    @property
    def array_axes(self) -> Mapping[str, tuple[Axis, ...]]:
        """The axes of the arrays: of x three, where there are steps."""
        return self.axes if self.T == 1 else {**self.axes, **declare(x="N T D", out="N T D")}

    @property
    def skip_reason(self) -> str | None:
        """Why a forward that raises may be right, or None."""
        return f"it does not normalize an x of three axes over {self.normalized}" if self.T > 1 else None

    @property
    def meaning_open(self) -> bool:
        """Whether right layers differ: there are several ways to take an x of three axes."""
        return self.T > 1


def normalization_layer(
    case: type[Case],
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    *,
    sets: Callable[[Any], Normalization],
    standard: tuple[Case, ...],
    state: tuple[str, ...] = (),
    **declared: Any,
) -> Layer:
    """Declare the layer of a normalization.

    `sets` takes a case to the sets of elements that are normalized, and `state` names the running statistics, which
    forward writes. Some have no beta.
    """

    def draw(case: Case, source: Random) -> dict[str, Array]:
        return {name: signed_uniform(source, shape) for name, shape in case.shapes.items() if name not in state}

    def parameters(case: Case, source: Random) -> dict[str, Any]:
        """Draw running statistics: variances are positive, and neither is where it would start."""
        statistics = {name: signed_uniform(source, case.shapes[name]) for name in state}
        return case.settings | {n: abs(a) if n == "running_var" else a for n, a in statistics.items()}

    def relations(case: Case, _inputs: Mapping[str, Array]) -> Relations:
        return {"x": dict.fromkeys(sets(case).over, EACH)}

    def in_backward(case: Case, problem: Problem) -> Iterator[Fault]:
        norm, settings = sets(case), problem.parameters or {}

        def given(inputs: Mapping[str, Array], cotangent: Array) -> dict[str, Any]:
            return norm.given(inputs, settings, problem.parts(cotangent)["out"])

        return replaced_in_backward(backward_equations(settings), backward_faults(norm, settings), given)

    def in_forward(case: Case, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
        norm, settings = sets(case), problem.parameters or {}
        given = norm.given(problem.inputs, settings)
        faults = forward_faults(norm, settings)
        return replaced_in_forward(forward_equations(settings), faults, given, ("out", *state))

    usual: dict[str, Any] = {"relations": relations}
    return Layer(
        case=case,
        builtin={"vectorized": (forward, backward)},
        standard=lambda: standard,
        state=state,
        draw=draw,
        parameters=parameters,
        sums=False,
        # Courses call no backward in test mode, and many of their layers leave no cache there.
        cache_optional=lambda case: is_constant(case.settings),
        faults=in_backward,
        forward_faults=in_forward,
        # Whether more than beta is left: of a single element that is shifted, z is 0.
        has_nonzero_gradient=lambda case: sets(case).count > 1 or not sets(case).shifts or is_constant(case.settings),
        **(usual | declared),
    )
