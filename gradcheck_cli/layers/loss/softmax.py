"""The softmax loss, cross-entropy of the labels under exp(x) / sum exp(x), and that of words of a sequence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import Fault, Gradients, Observed, Overflow, exp_overflow, fault_table
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import real
from gradcheck_cli.layers.loss.loss import GuardedTerms, ScoresCase, label_scores, one_hot, scores_loss, wrong_slopes
from gradcheck_cli.layers.rowwise.softmax_activation import LOWERED_BY_ALL, SHARES, WRONG_TOTALS
from gradcheck_cli.numeric.arrays import Array

GUARDED = (
    GuardedTerms(
        "[-np.log(row_sum(p * label) + e), -np.log(np.maximum(row_sum(p * label), e)),"
        " -np.log(np.clip(row_sum(p * label), e, 1 - e))]",
        "[exps / (total + e) - label]",
        remedy="The loss of a sample is at most {bound:.3g}; log(sum(exp(x))) - x[y] needs no guard.",
    ),
    GuardedTerms(
        "[np.log(total + e) - np.log(row_sum(exps * label)), -np.log(row_sum(exps * label) / (total + e) + e)]",
        "[exps / (total + e) - label]",
        "guarded-sum",
        "Forward adds {guard} to the sum of exponentials",
        "With the largest score subtracted, that sum is at least 1 and needs no guard.",
    ),
)


def overflows(v: Any, dx: Array | None) -> Iterator[Overflow]:
    """Yield why a softmax loss is infinite or NaN, though the right one is finite. A mask of 0 makes NaN of infinity.

    Args:
        v: the scores x (R, C) of all rows in the dtype under test, one-hot labels and probabilities p.
        dx: the gradient that was returned; None if it is not finite. From it one sees whether probabilities are right.
    """
    overflow = [*exp_overflow(v.x, "it changes neither p nor the loss")]
    # Divided by a sum that is infinite, all probabilities of a sample are 0.
    likely = (v.p > 0.5) & (v.label == 0) & v.mask
    lost = dx is None or dx.size != v.x.size or (overflow and (dx.reshape(v.x.shape)[likely] == 0).any())
    if not lost and (v.p[v.label != 0] == 0).any():
        cause = f"Forward takes the logarithm of a probability that underflows to 0 in {v.x.dtype}."
        remedy = "Compute the loss from the scores: log(sum(exp(x - max))) - (x[y] - max), max the largest score."
        yield Overflow("log-underflow", cause, remedy)
    yield from overflow


def softmax_loss(x: Array, y: Array) -> tuple[Any, Array]:
    """Return the loss, -1/N sum_n log p[n, y_n] with p = exp(x) / sum_c exp(x), and its gradient.

    -log p[n, y] = log sum_c exp(x[n, c]) - x[n, y]. The derivative of the first term in x[n, c] is p[n, c], that of the
    second 1 for the label: dx = (p - [c = y_n]) / N. The largest score is subtracted, which changes neither p nor the
    loss, so that exp cannot overflow. (Bishop, Pattern Recognition and Machine Learning, equation 4.109.)
    """
    low = x - x.max(axis=1, keepdims=True)
    exps = np.exp(low)
    total = exps.sum(axis=1, keepdims=True)
    return (np.log(total) - label_scores(low, y)).mean(), (exps / total - one_hot(x, y)) / x.dtype.type(len(y))


#: Of rows of scores.
FORMULAS = f"""
    {SHARES}
    terms = np.log(row_sum(np.exp(low))) - row_sum(label * low)
    slope = p - label
"""

_DX = "dx = p / N, less 1 / N for the label of each sample: `dx = p; dx[np.arange(N), y] -= 1; dx /= N`."
_DIAGONAL = "the diagonal of the softmax's Jacobian"
_OVER = "exp(x) is divided by its sum over %s, not over classes"

FAULTS = (
    *wrong_slopes(
        _DX,
        ("label-missing", "the 1 of the label is not subtracted: only p / N remains", "p"),
        ("label-sign", "the 1 of the label is added, not subtracted", "p + label"),
        ("label-sign", "the label has 1 - p, not p - 1", "p + label * (1 - 2 * p)"),
        ("softmax-diagonal", f"only {_DIAGONAL} is used: all classes but the label have 0", "(p - 1) * label"),
        (
            "softmax-diagonal",
            f"p less the label is multiplied by p (1 - p), {_DIAGONAL}, which it contains already",
            "(p - label) * p * (1 - p)",
        ),
        ("softmax-diagonal", f"there is only p (1 - p), {_DIAGONAL}, without the loss", "p * (1 - p)"),
        ("label-in-all-rows", "1 is subtracted in every sample for the labels of all samples", "p - label.any(axis=0)"),
        (
            "label-shifted",
            "the label is one too low, as if classes were counted from 1",
            "p - np.roll(label, -1, axis=1)",
        ),
        ("label-shifted", "the label is one too high", "p - np.roll(label, 1, axis=1)"),
        ("label-assigned", "the label has -1, not p - 1", "np.where(label != 0, -1, p)"),
    ),
    *fault_table(
        _DX,
        (
            "label-not-averaged",
            "p is divided by N, and the 1 of the label is not",
            "weighted = p * weights - label * mask",
        ),
        (
            "label-not-averaged",
            "the 1 of the label is divided by N, and p is not",
            "weighted = p * mask - label * weights",
        ),
        ("not-normalized", "exp(x) is not divided by its sum over classes", "p = exps"),
        ("not-normalized", "exp(x) is not divided by its sum over classes", "p = np.exp(x)"),
        *(("normalized-axes", _OVER % words, total) for words, total in WRONG_TOTALS.items()),
        *(("normalized-axes", _OVER % words, f"{LOWERED_BY_ALL}; {total}") for words, total in WRONG_TOTALS.items()),
    ),
)


LOSS_FAULTS = {
    "has no logarithm: it is -1/N times the sum of p of the labels": "-(p * label * weights).sum()",
    "has a logarithm to the base 2": "out / np.log(2)",
}

SoftmaxCase = ScoresCase.named("softmax")
LAYER = scores_loss(
    SoftmaxCase,
    softmax_loss,
    standard=SoftmaxCase.standard(),
    formulas=FORMULAS,
    faults=FAULTS,
    definition="The loss is -1/N times the sum of log p of the labels.",
    loss_faults=LOSS_FAULTS,
    guarded=GUARDED,
    overflows=overflows,
)


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


_STEP_DX = "At each step that counts, dx = p / N, less 1 / N for its word; elsewhere it is 0."
_FAULTS = (
    *fault_table(
        "Multiply the gradient of each step by its element of mask: True where it counts.",
        (
            "mask-ignored",
            "the mask is missing: steps that do not count have a gradient",
            "weights = np.ones_like(mask) / N",
        ),
        (
            "mask-inverted",
            "the mask is inverted: steps that do not count have a gradient, and the others none",
            "weights = ~mask / N",
        ),
    ),
    *(fault._replace(remedy=_STEP_DX) for fault in FAULTS),
)


def observed_faults(case: TemporalSoftmaxCase, problem: Problem, _observed: Observed) -> Iterator[Fault]:
    """Yield the gradient of a mean over the steps that count, which is a constant multiple of the right one."""
    counted = int(problem.inputs["mask"].sum())
    if counted % case.N:  # else it may be a size that is meant

        def of_mean(inputs: Gradients, _: Array) -> Gradients:
            return {"x": temporal_softmax_loss(*inputs.values())[1] * inputs["x"].dtype.type(case.N / counted)}

        cause = f"{{names}} {{be}} divided by the {counted} steps that count, not by N = {case.N}."
        yield Fault("mean-over-steps", cause, "Divide by N, as the loss does.", of_mean)


TEMPORAL = scores_loss(
    TemporalSoftmaxCase,
    temporal_softmax_loss,
    standard=TemporalSoftmaxCase.rows(
        "N T V scale shift",
        *((3, 4, 5, 1, 0), (2, 3, 4, 1, 0), (1, 5, 3, 1, 0), (4, 1, 6, 1, 0), (2, 4, 2, 1, 0)),
        *((3, 2, 4, 10, 0), (3, 4, 5, 1, 1000), (2, 3, 5, 1000, 0)),
    ),
    formulas=FORMULAS,
    faults=_FAULTS,
    definition="The loss is -1/N times the sum of log p of the words, over the steps that count.",
    loss_faults={
        "has no mask: all steps count": "terms.sum() / N",
        "has no mask, and is divided by N T, not by N": "terms.mean()",
        **LOSS_FAULTS,
    },
    guarded=GUARDED,
    overflows=overflows,
    observed_faults=observed_faults,
)
