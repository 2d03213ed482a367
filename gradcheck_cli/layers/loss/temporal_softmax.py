"""The temporal softmax loss: cross-entropy of a word at each step, but for those that are masked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.equations import EquationFault
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.words import real
from gradcheck_cli.layers.loss.loss import Loss
from gradcheck_cli.layers.loss.softmax import EQUATIONS, FAULTS, LOSS_FAULTS, gradient_scale, scale, softmax_loss

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.layers.framework.fault import Observed
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


@frozen
class TemporalSoftmaxCase(Case):
    """Sizes of a loss over sequences: scores x (N, T, V), words y (N, T) from 0 to V - 1, mask (N, T)."""

    layer: ClassVar[str] = "temporal-softmax"
    axes = declare(x="N T V", y="N T", mask="N T", out="")

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


_DX = "At each step that counts, dx = p / N, less 1 / N for its word; elsewhere it is 0."
_IGNORED, _INVERTED = (
    "Multiply the gradient of each step by its element of mask",
    "steps that do not count have a gradient",
)
_FAULTS = (
    EquationFault(
        "mask-ignored",
        f"In {{names}} the mask is missing: {_INVERTED}.",
        f"{_IGNORED}.",
        {"weights": lambda v: np.ones_like(v.mask) / v.N},
    ),
    EquationFault(
        "mask-inverted",
        f"In {{names}} the mask is inverted: {_INVERTED}, and the others none.",
        f"{_IGNORED}: True where it counts.",
        {"weights": lambda v: ~v.mask / v.N},
    ),
    *(replace(fault, remedy=_DX) for fault in FAULTS),
)


def observed_faults(case: TemporalSoftmaxCase, problem: Problem, _observed: Observed) -> Iterator[Fault]:
    """Yield the gradient of a mean over the steps that count, which is a constant multiple of the right one."""
    counted = int(problem.inputs["mask"].sum())
    if counted % case.N:  # else it may be a size that is meant
        yield Fault(
            code="mean-over-steps",
            cause=f"{{names}} {{be}} divided by the {counted} steps that count, not by N = {case.N}.",
            remedy="Divide by N, as the loss does.",
            gradients=lambda inputs, _: {
                "x": temporal_softmax_loss(*inputs.values())[1] * inputs["x"].dtype.type(case.N / counted)
            },
        )


_LOSS = Loss(
    case=TemporalSoftmaxCase,
    function=temporal_softmax_loss,
    standard=TemporalSoftmaxCase.rows(
        "N T V scale shift",
        *((3, 4, 5, 1, 0), (2, 3, 4, 1, 0), (1, 5, 3, 1, 0), (4, 1, 6, 1, 0), (2, 4, 2, 1, 0)),
        *((3, 2, 4, 10, 0), (3, 4, 5, 1, 1000), (2, 3, 5, 1000, 0)),
    ),
    equations=EQUATIONS,
    scale=scale,
    gradient_scale=gradient_scale,
    faults=_FAULTS,
    definition="The loss is -1/N times the sum of log p of the words, over the steps that count.",
    loss_faults={
        "has no mask: all steps count": lambda v: v.losses.sum() / v.N,
        "has no mask, and is divided by N T, not by N": lambda v: v.losses.mean(),
        **LOSS_FAULTS,
    },
)
LAYER = replace(_LOSS.layer(), observed_faults=observed_faults)
