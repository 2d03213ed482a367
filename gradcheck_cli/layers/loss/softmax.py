"""The softmax loss, cross-entropy of the labels under exp(x) / sum exp(x), and that of words of a sequence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.arrays import row_sum
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.equations import Equation, EquationFault, Equations, Formula
from gradcheck_cli.layers.framework.fault import Fault, Observed
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import real
from gradcheck_cli.layers.loss.loss import Loss, ScoresCase, label_scores, one_hot
from gradcheck_cli.numeric.arrays import Array


@frozen
class SoftmaxCase(ScoresCase):
    """Sizes of a loss: scores x (N, C), labels y (N,) from 0 to C - 1."""

    layer = "softmax"


def softmax_loss(x: Array, y: Array) -> tuple[Any, Array]:
    """Return the loss, -1/N sum_n log p[n, y_n] with p = exp(x) / sum_c exp(x), and its gradient.

    -log p[n, y] = log sum_c exp(x[n, c]) - x[n, y]. The derivative of the first term in x[n, c] is p[n, c], that of the
    second 1 for the label: dx = (p - [c = y_n]) / N. The largest score is subtracted, which changes neither p nor the
    loss, so that exp cannot overflow. (Bishop, Pattern Recognition and Machine Learning, equation 4.109.)
    """
    lowered = x - x.max(axis=1, keepdims=True)
    exps = np.exp(lowered)
    total = exps.sum(axis=1, keepdims=True)
    return (np.log(total) - label_scores(lowered, y)).mean(), (exps / total - one_hot(x, y)) / x.dtype.type(len(y))


def _lowered_by_largest(v: Any) -> Array:
    return np.asarray(np.exp(v.x - v.x.max()))


#: Of rows of scores, with dx = gradient / N.
EQUATIONS: Equations = {
    "lowered": lambda v: v.x - v.x.max(axis=1, keepdims=True),
    "exps": lambda v: np.exp(v.lowered),
    "p": lambda v: v.exps / row_sum(v.exps),
    "losses": lambda v: np.log(row_sum(np.exp(v.lowered))) - row_sum(v.label * v.lowered),
    "gradient": lambda v: v.p - v.label,
}


def _fault(code: str, words: str, **equations: Equation) -> EquationFault:
    remedy = "dx = p / N, less 1 / N for the label of each sample: `dx = p; dx[np.arange(N), y] -= 1; dx /= N`."
    return EquationFault(code, f"In {{names}} {words}.", remedy, equations)


_DIAGONAL = "the diagonal of the softmax's Jacobian"
_OVER = "exp(x) is divided by its sum over %s, not over classes"

FAULTS = (
    _fault("label-missing", "the 1 of the label is not subtracted: only p / N remains", gradient=lambda v: v.p),
    _fault("label-sign", "the 1 of the label is added, not subtracted", gradient=lambda v: v.p + v.label),
    _fault("label-sign", "the label has 1 - p, not p - 1", gradient=lambda v: v.p + v.label * (1 - 2 * v.p)),
    _fault(
        "softmax-diagonal",
        f"only {_DIAGONAL} is used: all classes but the label have 0",
        gradient=lambda v: (v.p - 1) * v.label,
    ),
    _fault(
        "softmax-diagonal",
        f"p less the label is multiplied by p (1 - p), {_DIAGONAL}, which it contains already",
        gradient=lambda v: (v.p - v.label) * v.p * (1 - v.p),
    ),
    _fault(
        "softmax-diagonal",
        f"there is only p (1 - p), {_DIAGONAL}, without the loss",
        gradient=lambda v: v.p * (1 - v.p),
    ),
    _fault(
        "label-in-all-rows",
        "1 is subtracted in every sample for the labels of all samples",
        gradient=lambda v: v.p - v.label.any(axis=0),
    ),
    _fault(
        "label-shifted",
        "the label is one too low, as if classes were counted from 1",
        gradient=lambda v: v.p - np.roll(v.label, -1, axis=1),
    ),
    _fault("label-shifted", "the label is one too high", gradient=lambda v: v.p - np.roll(v.label, 1, axis=1)),
    _fault("label-assigned", "the label has -1, not p - 1", gradient=lambda v: np.where(v.label != 0, -1, v.p)),
    _fault(
        "label-not-averaged",
        "p is divided by N, and the 1 of the label is not",
        weighted=lambda v: v.p * v.weights - v.label * v.mask,
    ),
    _fault(
        "label-not-averaged",
        "the 1 of the label is divided by N, and p is not",
        weighted=lambda v: v.p * v.mask - v.label * v.weights,
    ),
    _fault("not-normalized", "exp(x) is not divided by its sum over classes", p=lambda v: v.exps),
    _fault("not-normalized", "exp(x) is not divided by its sum over classes", p=lambda v: np.exp(v.x)),
    _fault("normalized-axes", _OVER % "samples", p=lambda v: v.exps / v.exps.sum(axis=0)),
    _fault("normalized-axes", _OVER % "samples", exps=_lowered_by_largest, p=lambda v: v.exps / v.exps.sum(axis=0)),
    _fault("normalized-axes", _OVER % "all elements", p=lambda v: v.exps / v.exps.sum()),
    _fault("normalized-axes", _OVER % "all elements", exps=_lowered_by_largest, p=lambda v: v.exps / v.exps.sum()),
)


LOSS_FAULTS: dict[str, Formula] = {
    "has the wrong sign": lambda v: -v.out,
    "has no logarithm: it is -1/N times the sum of p of the labels": lambda v: -(v.p * v.label * v.weights).sum(),
    "has a logarithm to the base 2": lambda v: v.out / np.log(2),
}

LAYER = Loss(
    case=SoftmaxCase,
    function=softmax_loss,
    standard=SoftmaxCase.standard(),
    equations=EQUATIONS,
    faults=FAULTS,
    definition="The loss is -1/N times the sum of log p of the labels.",
    loss_faults=LOSS_FAULTS,
).layer()


@frozen
class TemporalSoftmaxCase(Case):
    """Sizes of a loss over sequences: scores x (N, T, V), words y (N, T) from 0 to V - 1, mask (N, T)."""

    layer = "temporal-softmax"
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
    faults=_FAULTS,
    definition="The loss is -1/N times the sum of log p of the words, over the steps that count.",
    loss_faults={
        "has no mask: all steps count": lambda v: v.losses.sum() / v.N,
        "has no mask, and is divided by N T, not by N": lambda v: v.losses.mean(),
        **LOSS_FAULTS,
    },
)
TEMPORAL = replace(_LOSS.layer(), observed_faults=observed_faults)
