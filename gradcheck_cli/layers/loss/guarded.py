"""How people write the logarithm of a softmax: with a guard against 0, or where it underflows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck_cli.layers.framework.arrays import row_sum
from gradcheck_cli.layers.framework.fault import Overflow, exp_overflow
from gradcheck_cli.layers.loss.loss import GuardedTerms
from gradcheck_cli.numeric.arrays import Array


def guarded(v: Any, e: float) -> Iterator[GuardedTerms]:
    """Yield softmax losses with a guarded logarithm, or a guarded sum of exponentials."""
    p, exp_of_label, slopes = row_sum(v.p * v.label), row_sum(v.exps * v.label), [v.exps / (v.total + e) - v.label]
    yield GuardedTerms(
        "guarded-logarithm",
        "Forward guards its logarithm by {guard}",
        f"The loss of a sample is at most {-np.log(e):.3g}; log(sum(exp(x))) - x[y] needs no guard.",
        [-np.log(guarded) for guarded in (p + e, np.maximum(p, e), np.clip(p, e, 1 - e))],
        slopes,
    )
    yield GuardedTerms(
        "guarded-sum",
        "Forward adds {guard} to the sum of exponentials",
        "With the largest score subtracted, that sum is at least 1 and needs no guard.",
        [np.log(v.total + e) - np.log(exp_of_label), -np.log(exp_of_label / (v.total + e) + e)],
        slopes,
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
        yield Overflow(
            code="log-underflow",
            cause=f"Forward takes the logarithm of a probability that underflows to 0 in {v.x.dtype}.",
            remedy="Compute the loss from the scores: log(sum(exp(x - max))) - (x[y] - max), max the largest score.",
        )
    yield from overflow
