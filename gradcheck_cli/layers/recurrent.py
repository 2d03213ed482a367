"""What the recurrent layers have in common: sizes, draws, names, and what may be moved together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.arrays import signed_uniform
from gradcheck_cli.layers.framework.axes import FEATURE, HIDDEN, STEP, Axis, declare
from gradcheck_cli.layers.framework.coupling import EACH, blocks
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.layer import Case, Fault, Layer
from gradcheck_cli.layers.parameter import size
from gradcheck_cli.layers.vocabulary import simple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.layers.layer import Problem

    Pair = tuple[Callable[..., Any], Callable[..., Any]]
    Slip = tuple[str, str, str, Callable[..., Any]]

#: The rows of Wh, and the columns of the weights where there are gates.
_FROM = Axis(name="row", index="i", size="H")
_GATE = Axis(name="gate column", index="j", size="4H")


@dataclass(frozen=True, kw_only=True)
class StepCase(Case):
    """Sizes of one step: x (N, D), prev_h (N, H), Wx (D, gates H), Wh (H, gates H), b (gates H,)."""

    layer: ClassVar[str]

    N: int = size(3, "samples")
    D: int = size(4, "features of x")
    H: int = size(5, "hidden units")

    def label(self) -> str:
        """Name the geometry: `N 3 D 4 H 5`."""
        return " ".join(f"{name} {value}" for name, value in self.geometry.items())


@dataclass(frozen=True, kw_only=True)
class SequenceCase(StepCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), the same weights at each step, h (N, T, H)."""

    T: int = size(4, "steps")


def recurrent(
    case: type[StepCase],
    title: str,
    pair: Pair,
    *,
    states: tuple[str, ...],
    outputs: tuple[str, ...],
    gates: int,
    absolute: Callable[[Any], Any],
    names: tuple[str, ...],
    others: tuple[str, ...],
    slips: Callable[[Any], Iterable[Slip]],
) -> Layer:
    """Make a recurrent layer from its forward and backward pass.

    Args:
        case: its sizes, with T where it takes a whole sequence.
        title: what it is called in a sentence.
        pair: forward(x, states..., Wx, Wh, b) -> (outputs..., cache) and backward.
        states: the inputs that stand between x and Wx.
        outputs: what forward returns.
        gates: blocks of H columns in Wx and Wh.
        absolute: of a cache the one with which backward adds up absolute values: those of all factors, and of a slope
            such as 1 - tanh^2 those of its terms, which cancel where a unit is saturated.
        names: what people call it.
        others: what they call other layers.
        slips: of a case, what people get wrong in backward: (code, cause, remedy, backward with the slip).
    """
    sequence = issubclass(case, SequenceCase)
    columns = HIDDEN if gates == 1 else _GATE
    h = "N T H" if sequence else "N H"
    axes = {
        **declare(HIDDEN, x="N T D" if sequence else "N D", **dict.fromkeys(states, "N H")),
        "Wx": (FEATURE, columns),
        "Wh": (_FROM, columns),
        "b": (columns,),
        **declare(HIDDEN, **dict.fromkeys((*outputs, "out") if len(outputs) == 1 else outputs, h)),
    }
    # Samples do not meet. Within one step neither do units; from the second step on each weight reaches all of them.
    of_columns = EACH if sequence else blocks(HIDDEN, gates)
    relations = {
        "x": {STEP: EACH},
        **{name: {HIDDEN: EACH} for name in states},
        **{name: {columns: of_columns} for name in ("Wx", "Wh", "b")},
    }

    def problem(case: StepCase) -> Problem:
        source = case.source()
        steps = (case.T,) if isinstance(case, SequenceCase) else ()
        shapes = {
            "x": (case.N, *steps, case.D),
            **dict.fromkeys(states, (case.N, case.H)),
            "Wx": (case.D, gates * case.H),
            "Wh": (case.H, gates * case.H),
            "b": (gates * case.H,),
        }
        inputs = {name: signed_uniform(source, shape) for name, shape in shapes.items()}
        # As a layer is started, so that no gate is shut and none is open: their sums have a deviation below 1.
        inputs["Wx"] *= 0.5 / case.D**0.5
        inputs["Wh"] *= 0.5 / case.H**0.5
        return make_problem(
            case,
            axes=axes,
            inputs=inputs,
            source=source,
            reference=pair,
            scale=scale,
            gradient_scale=gradient_scale,
            relations=relations,
            outputs=outputs,
        )

    def scale(*arrays: Array) -> tuple[Array, ...]:
        """Bound what each step is off by the sums of absolute values in its gates, none steeper than 1; and by 1."""
        x, *given, Wx, Wh, b = (abs(array) for array in arrays)
        h, seen = given[0], []
        for t in range(x.shape[1] if sequence else 1):
            sums = (x[:, t] if sequence else x) @ Wx + h @ Wh + b
            h = 1 + sums.reshape(len(x), gates, -1).mean(axis=1)
            seen.append(h)
        return (np.stack(seen, axis=1),) if sequence else (h, given[-1] + h)[: len(outputs)]

    def gradient_scale(*arrays: Array) -> dict[str, Array]:
        cotangents, inputs = arrays[: len(outputs)], arrays[len(outputs) :]
        *_, cache = pair[0](*inputs)
        found = pair[1](*map(abs, cotangents), absolute(cache))
        return dict(zip(("x", *states, "Wx", "Wh", "b"), found, strict=True))

    def faults(case: StepCase, problem: Problem) -> Iterator[Fault]:
        for code, cause, remedy, backward in slips(case):

            def gradients(
                inputs: Mapping[str, Array], dout: Array, backward: Callable[..., Any] = backward
            ) -> Mapping[str, Array]:
                *_, cache = pair[0](*inputs.values())
                return dict(zip(inputs, backward(*problem.parts(dout).values(), cache), strict=True))

            yield Fault(code=code, cause=cause, remedy=remedy, gradients=gradients)

    def standard() -> tuple[StepCase, ...]:
        rows = [(3, 4, 5, 4), (2, 3, 3, 3), (1, 2, 3, 2), (2, 1, 2, 3), (3, 2, 1, 2), (2, 3, 4, 1)]
        if not sequence:
            rows = rows[:-1]
        return tuple(sized(*row) for row in rows)

    def sized(N: int, D: int, H: int, T: int) -> StepCase:
        return case(N=N, D=D, H=H, T=T) if issubclass(case, SequenceCase) else case(N=N, D=D, H=H)

    return Layer(
        name=case.layer,
        title=title,
        command=f"gradcheck {case.layer}",
        case=case,
        inputs=("x", *states, "Wx", "Wh", "b"),
        problem=problem,
        standard=standard,
        builtin={"vectorised": pair},
        vocabulary=simple(
            names,
            others=others,
            inputs={
                "x": ("x",),
                **{name: (name.replace("_", "").lower(),) for name in states},
                "Wx": ("wx",),
                "Wh": ("wh",),
                "b": ("b",),
            },
            axes={
                "x": "N T D" if sequence else "N D",
                **dict.fromkeys(states, "N H"),
                "Wx": "D G",
                "Wh": "H G",
                "b": "G",
                "out": "N T H" if sequence else "N H",
            },
        ),
        trials=(sized(2, 3, 4, 5),),
        outputs=outputs,
        faults=faults,
    )


def through_time(
    step: Callable[..., Any],
    dh: Array,
    caches: Sequence[Any],
    kept: tuple[float, ...] = (1.0,),
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


def in_each_step(slips: Iterable[Slip], count: int) -> Iterator[Slip]:
    """Yield the slips of a step as those of a sequence, made in each of its steps."""
    for code, cause, remedy, step in slips:
        yield code, cause, remedy, partial(through_time, step, kept=(1.0,) * count)


def time_slips(step: Callable[..., Any], count: int, case: SequenceCase) -> Iterator[Slip]:
    """Yield what is lost on the way back through time, or of its sums; nothing is where there is one step."""
    if case.T == 1:
        return
    last = np.arange(case.T)[:, None] == case.T - 1
    remedy = "Into step t go dh[:, t] and what step t + 1 returned for its previous state, added up."
    yield (
        "not-carried-back",
        "In {names} the gradient of the hidden state is not carried back from step to step.",
        remedy,
        lambda dh, caches: through_time(step, dh, caches, (0.0, *[1.0] * (count - 1))),
    )
    yield (
        "upstream-missing",
        "In {names} the dh of a step is not added to what comes back from the next: only that of the last step counts.",
        remedy,
        lambda dh, caches: through_time(step, dh * last, caches, (1.0,) * count),
    )
    yield (
        "assigned-not-accumulated",
        "{names} {be} assigned where the shares of all steps are to be summed: that of the first step is left.",
        "Every step has the same weights: write `+=`, not `=`, in the loop.",
        lambda dh, caches: through_time(step, dh, caches, (1.0,) * count, summed=0.0),
    )
    if count > 1:
        yield (
            "cell-not-carried-back",
            "In {names} the gradient of the cell state is not carried back from step to step.",
            "Hand the dprev_c of step t + 1 to step t as its dnext_c.",
            lambda dh, caches: through_time(step, dh, caches, (1.0, 0.0)),
        )
