"""The temporal softmax loss: cross-entropy of a word at each step, but for those that are masked."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.words import real
from gradcheck_cli.layers.loss import softmax
from gradcheck_cli.layers.loss.cross_entropy import guards, overflows
from gradcheck_cli.layers.loss.cross_entropy_faults import loss_fault, of_rows, slips, wrong_means
from gradcheck_cli.layers.loss.softmax import softmax_loss
from gradcheck_cli.numeric.arrays import signed_uniform

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.layers.framework.fault import ForwardFault, Guard, Observed, Overflow
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.layers.loss.cross_entropy_faults import Rows
    from gradcheck_cli.numeric.arrays import Array


@frozen
class TemporalSoftmaxCase(Case):
    """Sizes of a loss over sequences: scores x (N, T, V), words y (N, T) from 0 to V - 1, mask (N, T)."""

    layer: ClassVar[str] = "temporal-softmax"

    N: int = size(3, "samples")
    T: int = size(4, "steps")
    V: int = size(5, "words in the vocabulary", minimum=2)
    scale: float = real(1.0, "factor on the scores: 1000 shows what underflows", 10.0, 1000.0, low=1e-3)
    shift: float = real(0.0, "added to the scores: 1000 shows what overflows", 1000.0)

    def label(self) -> str:
        """Name the geometry: `3x4x5 scale 1 shift 0`."""
        return f"{self.N}x{self.T}x{self.V} scale {self.scale:g} shift {self.shift:g}"


def temporal_softmax_loss(x: Array, y: Array, mask: Array) -> tuple[Any, Array]:
    """Return the loss, -1/N times the sum of log p[n, t, y[n, t]] over steps with a mask of True, and its gradient.

    With K such steps that is K / N times the softmax loss of K samples, which is their mean: the derivation is that of
    `softmax_loss`. The scores of the other steps have no part in it, and a gradient of zero.
    """
    share = x.dtype.type(mask.sum()) / x.dtype.type(len(x))
    loss, kept = softmax_loss(x[mask], y[mask])
    dx = np.zeros_like(x)
    dx[mask] = share * kept
    return share * loss, dx


AXES = declare(x="N T V", y="N T", mask="N T", out="")


def problem(case: TemporalSoftmaxCase) -> Problem:
    """Draw a case's arrays; one step counts at least, and wherever there are several, one does not."""
    source = case.source()
    steps = case.N * case.T
    x = signed_uniform(source, (steps, case.V)) * case.scale + case.shift
    y = np.array([source.randrange(case.V) for _ in range(steps)])
    first, *others = source.sample(range(steps), steps)
    y[first] = x[first].argmin()  # large scores leave no gradient where the word is right
    mask = np.array([source.random() < 0.7 for _ in range(steps)])
    mask[others[:1]], mask[first] = False, True
    return make_problem(
        case,
        axes=AXES,
        inputs={
            "x": x.reshape(case.N, case.T, case.V),
            "y": y.reshape(case.N, case.T),
            "mask": mask.reshape(case.N, case.T),
        },
        source=source,
        zeros=() if case.shift else ("x",),  # a score of 0 among those of 1000 is no shift
        reference=(temporal_softmax_loss,),
        scale=lambda x, y, mask: (softmax.scale(x[mask], y[mask]) * mask.sum() / len(x),),
        gradient_scale=_gradient_scale,
    )


def _gradient_scale(_: Array, x: Array, y: Array, mask: Array) -> dict[str, Array]:
    found = np.zeros_like(x)
    found[mask] = softmax.gradient_scale(x[mask], y[mask]) * mask.sum() / len(x)
    return {"x": found}


def faults(_case: TemporalSoftmaxCase, _problem: Problem) -> Iterator[Fault]:
    """Yield steps that count and should not, and the slips of a softmax loss in each step."""
    yield Fault(
        code="mask-ignored",
        cause="In {names} the mask is left out: steps that do not count have a gradient.",
        remedy="Multiply the gradient of each step by its element of mask.",
        gradients=lambda inputs, _: {
            "x": temporal_softmax_loss(inputs["x"], inputs["y"], np.ones_like(inputs["mask"]))[1]
        },
    )
    yield Fault(
        code="mask-inverted",
        cause="In {names} the mask is inverted: steps that do not count have a gradient, and the others none.",
        remedy="Multiply the gradient of each step by its element of mask: True where it counts.",
        gradients=lambda inputs, _: {"x": temporal_softmax_loss(inputs["x"], inputs["y"], ~inputs["mask"])[1]},
    )

    def gradients(inputs: Mapping[str, Array], _: Array, rows: Rows) -> Mapping[str, Array]:
        x, y, mask = inputs["x"], inputs["y"], inputs["mask"]
        weights = mask.reshape(-1).astype(x.dtype) / x.dtype.type(len(x))
        return {"x": of_rows(rows, x.reshape(-1, x.shape[2]), y.reshape(-1), weights).reshape(x.shape)}

    remedy = "At each step that counts, dx = p / N, less 1 / N for its word; elsewhere it is 0."
    for code, cause, rows in slips():
        yield Fault(code=code, cause=cause, remedy=remedy, gradients=partial(gradients, rows=rows))


def first_faults(case: TemporalSoftmaxCase, problem: Problem, _observed: Observed) -> Iterator[Fault]:
    """Yield the gradient of a mean over the steps that count, which is a constant multiple of the right one."""
    counted = int(problem.inputs["mask"].sum())
    if counted % case.N:  # else it may be a size that is meant
        yield Fault(
            code="mean-over-steps",
            cause=f"{{names}} {{be}} divided by the {counted} steps that count, and not by N = {case.N}.",
            remedy="Divide by N, as the loss does.",
            gradients=lambda inputs, _: {
                "x": temporal_softmax_loss(*inputs.values())[1] * inputs["x"].dtype.type(case.N / counted)
            },
        )


def forward_faults(case: TemporalSoftmaxCase, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
    """Yield what people take for the loss."""
    x, y, mask = problem.inputs["x"], problem.inputs["y"], problem.inputs["mask"]
    loss, _ = temporal_softmax_loss(x, y, mask)
    whole, _ = temporal_softmax_loss(x, y, np.ones_like(mask))
    counted = int(mask.sum())
    steps = {"the number of steps that count": counted, "N T": mask.size, "T": case.T, "1": 1}
    yield from wrong_means(loss * case.N, {"N": case.N}, steps)
    yield loss_fault("has no mask: all steps count", whole)
    yield from wrong_means(whole * case.N, {"the number of samples, and has no mask": case.N}, {"N T": mask.size})
    yield loss_fault("has the wrong sign", -loss)


def _guards(problem: Problem) -> Iterator[Guard]:
    """Yield the guards of a softmax loss over the steps that count."""
    (x, y, mask), wide = problem.inputs.values(), problem.expected.dtype
    for guard in guards(x[mask], y[mask], len(x), wide):
        gradients = {}
        for name, kept in guard.gradients.items():
            gradients[name] = np.zeros(x.shape, wide)
            gradients[name][mask] = kept
        yield replace(guard, gradients=gradients)


def _overflows(problem: Problem, finite: bool) -> Iterator[Overflow]:  # noqa: FBT001  # as all layers have it
    """Yield what overflows in any step: where the loss is infinite, a mask of 0 makes NaN of it."""
    x, y = problem.inputs["x"], problem.inputs["y"]
    return overflows(x.reshape(-1, x.shape[2]), y.reshape(-1), finite=finite)


def standard() -> tuple[TemporalSoftmaxCase, ...]:
    """One of each size, scores that are large, and scores that are far apart."""
    rows = [
        (3, 4, 5, 1.0, 0.0),
        (2, 3, 4, 1.0, 0.0),
        (1, 5, 3, 1.0, 0.0),
        (4, 1, 6, 1.0, 0.0),
        (2, 4, 2, 1.0, 0.0),
        (3, 2, 4, 10.0, 0.0),
        (3, 4, 5, 1.0, 1000.0),
        (2, 3, 5, 1000.0, 0.0),
    ]
    return tuple(TemporalSoftmaxCase(N=N, T=T, V=V, scale=scale, shift=shift) for N, T, V, scale, shift in rows)


LAYER = Layer(
    case=TemporalSoftmaxCase,
    inputs=("x", "y", "mask"),
    make_problem=problem,
    standard=standard,
    builtin={"vectorized": (temporal_softmax_loss,)},
    probe_cases=(TemporalSoftmaxCase(N=2, T=3, V=4),),
    faults=faults,
    guards=_guards,
    overflows=_overflows,
    observed_faults=first_faults,
    forward_faults=forward_faults,
    loss=True,
)
