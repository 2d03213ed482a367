"""What the recurrent layers have in common: sizes, draws, names, and what may be moved together."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import FEATURE, HIDDEN, STEP, Axis, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH, blocks
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.numeric.arrays import signed_uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gradcheck_cli.layers.framework.coupling import Relations
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Slip = tuple[str, str, str, Callable[..., Any]]

#: The rows of Wh, and the columns of the weights where there are gates.
_FROM = Axis(name="row", index="i", size="H")
_GATE = Axis(name="gate column", index="j", size="4H")


#: Multiplications of a pass up to which slips are tried: there are about a hundred. Measured: 1.2 s at 160,000, in
#: sequences of 10 steps, and 20 s at 8,000,000.
LARGEST_FOR_SLIPS = 500_000


@frozen
class StepCase(Case):
    """Sizes of one step: x (N, D), prev_h (N, H), Wx (D, gates H), Wh (H, gates H), b (gates H,)."""

    layer: ClassVar[str]

    N: int = size(3, "samples")
    D: int = size(4, "features of x")
    H: int = size(5, "hidden units")

    def label(self) -> str:
        """Name the geometry: `N 3 D 4 H 5`."""
        return " ".join(f"{name} {value}" for name, value in self.geometry.items())


@frozen
class SequenceCase(StepCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), the same weights at each step, h (N, T, H)."""

    T: int = size(4, "steps")


@frozen
class Recurrent:
    """A recurrent layer: its forward and backward pass, and what sets it apart from the others."""

    case: type[StepCase]  #: a SequenceCase where it takes a whole sequence
    forward: Callable[..., Any]  #: (x, states..., Wx, Wh, b) -> (outputs..., cache)
    backward: Callable[..., Any]  #: (a cotangent for each output..., cache) -> a gradient for each input
    states: tuple[str, ...]  #: the inputs between x and Wx
    outputs: tuple[str, ...]
    gates: int  #: blocks of H columns in Wx, Wh and b
    #: From a cache to the one with which backward adds up absolute values: those of all factors, and of a slope such as
    #: 1 - tanh^2 those of its terms, which cancel where a unit is saturated.
    absolute: Callable[[Any], Any]
    #: Of a case, what people get wrong in backward: (code, cause, remedy, backward with the slip).
    slips: Callable[[Any], Iterable[Slip]]

    @property
    def sequence(self) -> bool:
        """Whether it takes a whole sequence."""
        return issubclass(self.case, SequenceCase)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs of forward, in order."""
        return "x", *self.states, "Wx", "Wh", "b"

    @property
    def columns(self) -> Axis:
        """The axis of the columns of Wx and Wh."""
        return HIDDEN if self.gates == 1 else _GATE

    @cached_property
    def axes(self) -> dict[str, tuple[Axis, ...]]:
        """The axes of inputs and outputs."""
        x, h = ("N T D", "N T H") if self.sequence else ("N D", "N H")
        outputs = (*self.outputs, "out") if len(self.outputs) == 1 else self.outputs
        return {
            **declare(HIDDEN, x=x, **dict.fromkeys(self.states, "N H")),
            "Wx": (FEATURE, self.columns),
            "Wh": (_FROM, self.columns),
            "b": (self.columns,),
            **declare(HIDDEN, **dict.fromkeys(outputs, h)),
        }

    @cached_property
    def relations(self) -> Relations:
        """How axes of inputs relate to the outputs: units of the weights do not meet until the second step."""
        of_columns = EACH if self.sequence else blocks(HIDDEN, self.gates)
        return {
            "x": {STEP: EACH},
            **{name: {HIDDEN: EACH} for name in self.states},
            **{name: {self.columns: of_columns} for name in ("Wx", "Wh", "b")},
        }

    def problem(self, case: StepCase) -> Problem:
        """Draw a case's arrays, the weights as a layer is started: no gate is shut, and none is open."""
        source, sizes = case.source(), {**case.geometry, "4H": 4 * case.H}
        inputs = {name: signed_uniform(source, [sizes[axis.size] for axis in self.axes[name]]) for name in self.inputs}
        inputs["Wx"] *= 0.5 / case.D**0.5  # so that the sums in gates have a deviation below 1
        inputs["Wh"] *= 0.5 / case.H**0.5
        return make_problem(
            case,
            axes=self.axes,
            inputs=inputs,
            source=source,
            reference=(self.forward, self.backward),
            outputs=self.outputs,
            relations=self.relations,
            scale=self.scale,
            gradient_scale=self.gradient_scale,
        )

    def scale(self, *inputs: Array) -> tuple[Array, ...]:
        """Bound what each step is off by the sums of absolute values in its gates, none steeper than 1; and by 1."""
        x, *states, Wx, Wh, b = map(abs, inputs)
        h, seen = states[0], []
        for x_t in x.swapaxes(0, 1) if self.sequence else [x]:
            sums = x_t @ Wx + h @ Wh + b
            h = 1 + sums.reshape(len(x), self.gates, -1).mean(axis=1)
            seen.append(h)
        return (np.stack(seen, axis=1),) if self.sequence else (h, states[-1] + h)[: len(self.outputs)]

    def gradient_scale(self, *arrays: Array) -> dict[str, Array]:
        """Carry the absolute values of cotangents back with those of the cache."""
        cotangents, inputs = arrays[: len(self.outputs)], arrays[len(self.outputs) :]
        *_, cache = self.forward(*inputs)
        found = self.backward(*map(abs, cotangents), self.absolute(cache))
        return dict(zip(self.inputs, found, strict=True))

    def faults(self, case: StepCase, problem: Problem) -> Iterator[Fault]:
        """Yield the slips of a case, if it is small enough to try them."""
        steps = case.T if isinstance(case, SequenceCase) else 1
        if case.N * steps * self.gates * case.H * (case.D + case.H) > LARGEST_FOR_SLIPS:
            return
        for code, cause, remedy, backward in self.slips(case):

            def gradients(
                inputs: Mapping[str, Array], dout: Array, backward: Callable[..., Any] = backward
            ) -> Mapping[str, Array]:
                *_, cache = self.forward(*inputs.values())
                return dict(zip(inputs, backward(*problem.parts(dout).values(), cache), strict=True))

            yield Fault(code=code, cause=cause, remedy=remedy, gradients=gradients)

    def standard(self) -> tuple[StepCase, ...]:
        """Sizes of which none is like another, one of each; of a sequence, one step too."""
        rows = [(3, 4, 5, 4), (2, 3, 3, 3), (1, 2, 3, 2), (2, 1, 2, 3), (3, 2, 1, 2), (2, 3, 4, 1)]
        return tuple(self.sized(*row) for row in (rows if self.sequence else rows[:-1]))

    def sized(self, N: int, D: int, H: int, T: int) -> StepCase:
        """Make a case of these sizes; of one step, T is left out."""
        case = self.case
        return case(N=N, D=D, H=H, T=T) if issubclass(case, SequenceCase) else case(N=N, D=D, H=H)

    def layer(self) -> Layer:
        """Make the layer."""
        return Layer(
            case=self.case,
            inputs=self.inputs,
            problem=self.problem,
            standard=self.standard,
            builtin={"vectorized": (self.forward, self.backward)},
            trials=(self.sized(2, 3, 4, 5),),
            outputs=self.outputs,
            faults=self.faults,
        )


def through_time(
    step: Callable[..., Any],
    dh: Array,
    caches: Sequence[Any],
    kept: tuple[float, ...] = (1.0,),
    *,
    summed: float = 1.0,
) -> tuple[Array, ...]:
    """Carry dh (N, T, H) back through all steps, the last first.

    Args:
        step: a step's backward: (cotangent of each state, cache) -> (dx, one of each state before, those of weights).
        dh: what comes from outside, (N, T, H), for the first state of each step.
        caches: that of each step.
        kept: for each state by how much what a step hands on is multiplied: 1, or 0 to see what its loss does.
        summed: the same for the sums over steps, to which the next is added: 0 leaves the last that was.

    Returns:
        dx (N, T, D), that of the first state before the first step, and the sums over steps of those of the weights.
    """
    states, dxs = [np.zeros_like(dh[:, 0])] * len(kept), []
    totals: list[Array] = []
    for t in reversed(range(dh.shape[1])):
        hidden, *others = (share * state for share, state in zip(kept, states, strict=True))
        dx, *rest = step(dh[:, t] + hidden, *others, caches[t])
        states, shares = rest[: len(kept)], rest[len(kept) :]
        totals = [summed * total + share for total, share in zip(totals, shares, strict=True)] if totals else shares
        dxs.append(dx)
    return np.stack(dxs[::-1], axis=1), states[0], *totals
