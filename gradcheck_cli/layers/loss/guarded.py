"""How people write the logarithm of a probability: with a guard against 0, or where it underflows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck_cli.layers.framework.fault import Guard, Overflow, exp_overflow
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

#: Numbers that people add to a probability, or replace smaller ones by. Larger ones make another loss.
GUARDS = (
    *(float(f"1e-{digits}") for digits in range(5, 21)),
    *(1e-30, 1e-37, 1e-38, 1e-45, 1e-100, 1e-300, 1e-308),
    *(float(number) for kind in (np.float32, np.float64) for number in (np.finfo(kind).eps, np.finfo(kind).tiny)),
)


def guards(values: Any, problem: Problem) -> Iterator[Guard]:
    """Yield softmax losses with a guarded logarithm, or a guarded sum of exponentials.

    Args:
        values: the scores x (R, C) of rows in the dtype under test, to which a guard is rounded, with their labels y
            and weights.
        problem: in whose working dtype the losses are computed.
    """
    wide, rounded = problem.expected.dtype, values.x.dtype.type
    counted = values.mask[:, 0]
    x, y, weights = values.x.astype(wide)[counted], values.y[counted], values.weights.astype(wide)[counted]
    exps = np.exp(x - x.max(axis=1, keepdims=True))
    total = exps.sum(axis=1, keepdims=True)
    label = np.arange(x.shape[1]) == y[:, None]
    p, exp_of_label = (exps / total)[label][:, None], exps[label][:, None]
    for guard in GUARDS:
        if not (e := float(rounded(guard))):
            continue  # it disappears in this dtype
        gradient = np.zeros(values.x.shape, wide)
        gradient[counted] = (exps / (total + e) - label) * weights
        gradients = {"x": [gradient.reshape(values.shape)]}
        with np.errstate(divide="ignore"):
            in_logarithm = [-np.log(guarded) for guarded in (p + e, np.maximum(p, e), np.clip(p, e, 1 - e))]
            in_sum = [np.log(total + e) - np.log(exp_of_label), -np.log(exp_of_label / (total + e) + e)]
        small = f"The loss of a sample is at most {-np.log(e):.3g}; log(sum(exp(x))) - x[y] needs no guard."
        sum_of_one = "With the largest score subtracted, that sum is at least 1 and needs no guard."
        for code, cause, remedy, several in (
            ("guarded-logarithm", f"Forward guards its logarithm by {guard:g}", small, in_logarithm),
            ("guarded-sum", f"Forward adds {guard:g} to the sum of exponentials", sum_of_one, in_sum),
        ):
            for losses in several:
                out = np.asarray((losses * weights).sum())
                yield Guard(code=code, cause=cause, remedy=remedy, out=out, gradients=gradients)


def overflows(values: Any, dx: Array | None) -> Iterator[Overflow]:
    """Yield why a softmax loss is infinite or NaN, though the right one is finite. A mask of 0 makes NaN of infinity.

    Args:
        values: the scores x (R, C) of all rows in the dtype under test, with their labels y.
        dx: the gradient that was returned; None if it is not finite. From it one sees whether probabilities are right.
    """
    x, y = values.x, values.y
    with np.errstate(all="ignore"):
        exps = np.exp(x - x.max(axis=1, keepdims=True))
        p = exps / exps.sum(axis=1, keepdims=True)
    overflow = [*exp_overflow(x, "it changes neither p nor the loss")]
    # Divided by a sum that is infinite, all probabilities of a sample are 0.
    likely = (p > 0.5) & (np.arange(x.shape[1]) != y[:, None]) & values.mask
    lost = dx is None or dx.size != x.size or (overflow and (dx.reshape(x.shape)[likely] == 0).any())
    if not lost and (p[np.arange(len(y)), y] == 0).any():
        yield Overflow(
            code="log-underflow",
            cause=f"Forward takes the logarithm of a probability that underflows to 0 in {x.dtype}.",
            remedy="Compute the loss from the scores: log(sum(exp(x - max))) - (x[y] - max), max the largest score.",
        )
    yield from overflow
