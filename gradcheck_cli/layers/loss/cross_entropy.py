"""How people write the logarithm of a probability: with a guard against 0, or where it underflows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.framework.fault import Guard, Overflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.numeric.arrays import Array

#: Numbers that people add to a probability, or replace smaller ones by. Of larger ones the loss is another.
GUARDS = (
    *(float(f"1e-{digits}") for digits in range(5, 21)),
    *(1e-30, 1e-37, 1e-38, 1e-45, 1e-100, 1e-300, 1e-308),
    *(float(number) for kind in (np.float32, np.float64) for number in (np.finfo(kind).eps, np.finfo(kind).tiny)),
)


def guards(x: Array, y: Array, divisor: int, wide: np.dtype[Any]) -> Iterator[Guard]:
    """Yield softmax losses with a guarded logarithm, or a guarded sum of exponentials.

    Args:
        x: scores (K, C), in the dtype under test, to which the guard is rounded.
        y: labels (K,).
        divisor: by which the sum over the K samples is divided.
        wide: the working dtype, in which the losses are computed.
    """
    own, x = x.dtype.type, x.astype(wide)
    exps = np.exp(x - x.max(axis=1, keepdims=True))
    total = exps.sum(axis=1, keepdims=True)
    label = np.arange(x.shape[1]) == y[:, None]
    p, of_label = exps / total, exps[label]
    for written in GUARDS:
        if not (e := float(own(written))):
            continue  # it disappears in this dtype
        whole = total[:, 0] + e
        gradients = {"x": (exps / whole[:, None] - label) / divisor}
        why = f"Forward guards its logarithm by {written:g}"
        advice = f"The loss of a sample is at most {-np.log(e):.3g}; log(sum(exp(x))) - x[y] needs no guard."
        for guarded in (p[label] + e, np.maximum(p[label], e), np.clip(p[label], e, 1 - e)):
            loss = -np.log(guarded).sum() / divisor
            yield Guard(code="guarded-logarithm", cause=why, remedy=advice, out=np.asarray(loss), gradients=gradients)
        with np.errstate(divide="ignore"):
            losses = (np.log(whole) - np.log(of_label), -np.log(of_label / whole + e))
        for loss in losses:
            yield Guard(
                code="guarded-sum",
                cause=f"Forward adds {written:g} to the sum of exponentials",
                remedy="With the largest score subtracted, that sum is at least 1 and needs no guard.",
                out=np.asarray(loss.sum() / divisor),
                gradients=gradients,
            )


def overflows(x: Array, y: Array, *, finite: bool) -> Iterator[Overflow]:
    """Yield why a softmax loss of these scores is infinite or NaN, though the right one is finite.

    Args:
        x: scores (K, C), in the dtype under test.
        y: labels (K,).
        finite: whether the gradient is finite: then its probabilities are right.
    """
    with np.errstate(all="ignore"):
        exps = np.exp(x - x.max(axis=1, keepdims=True))
        p = exps / exps.sum(axis=1, keepdims=True)
        overflow = bool(np.isinf(np.exp(x)).any() or (np.exp(x).sum(axis=1) == 0).any())
    if finite and (p[np.arange(len(y)), y] == 0).any():
        yield Overflow(
            code="log-underflow",
            cause=f"Forward takes the logarithm of a probability that underflows to 0 in {x.dtype}.",
            remedy="Compute the loss from the scores: log(sum(exp(x - max))) - (x[y] - max), max the largest score.",
        )
    if overflow:
        yield Overflow(
            code="exp-overflow",
            cause=f"exp overflows or underflows in {x.dtype}: scores are not lowered by their largest.",
            remedy="Subtract the largest score of each sample before exp: it changes neither p nor the loss.",
        )
