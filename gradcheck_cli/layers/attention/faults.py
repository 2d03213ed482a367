"""Faults of attention, as equations that replace the right ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck_cli.layers.attention.attention import AttentionCase
from gradcheck_cli.layers.framework import equations
from gradcheck_cli.layers.framework.equations import EquationFault, Equations, fault
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array


def transposed(array: Array) -> Array:
    """Exchange the last two of three axes."""
    return array.swapaxes(1, 2)


def softmax(scores: Array, axis: int | tuple[int, ...] = 2) -> Array:
    """Return the shares of exp(scores) along an axis; of scores that are all -inf, NaN."""
    exps = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.asarray(exps / exps.sum(axis=axis, keepdims=True))


def _masked(v: Any, scores: Array) -> Array:
    return scores if v.mask is None else np.where(v.mask, scores, scores.dtype.type(-np.inf))


#: Of forward, with `root` = sqrt(D).
FORWARD: Equations = {
    "product": lambda v: v.q @ transposed(v.k),
    "root": lambda v: np.sqrt(v.q.dtype.type(v.q.shape[2])),
    "scores": lambda v: _masked(v, v.product / v.root),
    "p": lambda v: softmax(v.scores),
    "out": lambda v: v.p @ v.v,
}
BACKWARD: Equations = {
    **FORWARD,
    "dp": lambda v: v.dout @ transposed(v.v),
    "sum": lambda v: (v.dp * v.p).sum(axis=2, keepdims=True),
    "ds": lambda v: v.p * (v.dp - v.sum),
    "root_in_backward": lambda v: v.root,
    "dq": lambda v: v.ds @ v.k / v.root_in_backward,
    "dk": lambda v: transposed(v.ds) @ v.q / v.root_in_backward,
    "weights": lambda v: v.p,
    "dv": lambda v: transposed(v.weights) @ v.dout,
}

_DS = "ds = p (dp - sum(dp p)), the sum over keys, with dp = dout v'."
_DV = "dv = p' dout, with the weights p of forward."
_OUT = "out = softmax(q k' / sqrt(D)) v, the softmax over keys."
_SEEN = "Where a query does not see a key, the score is -inf before the softmax."


def backward_rows(*, square: bool, masked: bool) -> Iterator[EquationFault]:
    """Yield faults of backward; some need as many queries as keys, or a mask.

    A division by sqrt(D) that is left out is a factor of dq and dk, which is named for any layer.
    """
    yield fault("softmax-sum", "the sum over keys is missing from ds", _DS, sum=0.0)
    yield fault("softmax-sum", "the sum over keys is added, not subtracted", _DS, ds=lambda v: v.p * (v.dp + v.sum))
    without = "the sum over keys is one of dp, without p"
    yield fault("softmax-sum", without, _DS, sum=lambda v: v.dp.sum(axis=2, keepdims=True))
    yield fault("diagonal-only", "ds is dp p (1 - p)", _DS, ds=lambda v: v.dp * v.p * (1 - v.p))
    yield fault("slope-missing", "the softmax is left out: ds is dp", _DS, ds=lambda v: v.dp)
    yield fault("slope-missing", "the factor p is missing from ds", _DS, ds=lambda v: v.dp - v.sum)
    over = "the sum is taken over queries, not over keys"
    yield fault("normalized-axes", over, _DS, sum=lambda v: (v.dp * v.p).sum(axis=1, keepdims=True))
    yield fault("attention-weights", "the scores are used in place of the weights p", _DV, weights=_scores)
    yield fault("attention-weights", "dp is used in place of the weights p", _DV, weights=lambda v: v.dp)
    if square:
        yield fault("matrix-not-transposed", "p is not transposed", _DV, dv=lambda v: v.p @ v.dout)
        remedy = "dk = ds' q / sqrt(D)."
        yield fault("matrix-not-transposed", "ds is not transposed", remedy, dk=lambda v: v.ds @ v.q / v.root)
    if masked:
        yield fault("mask-ignored", "the mask is missing", _SEEN, p=lambda v: softmax(v.product / v.root))


def _scores(v: Any) -> Array:
    return np.asarray(v.product / v.root)


def forward_rows(*, masked: bool) -> Iterator[EquationFault]:
    """Yield faults of forward."""
    yield fault("scale-missing", "scores are not divided by sqrt(D)", _OUT, root=1.0)
    yield fault("scale-missing", "scores are divided by D, not by sqrt(D)", _OUT, root=lambda v: v.q.shape[2])
    yield fault("scale-missing", "scores are multiplied by sqrt(D)", _OUT, root=lambda v: 1 / np.sqrt(v.q.shape[2]))
    yield fault(
        "normalized-axes", "the softmax is taken over queries", _OUT, p=lambda v: np.nan_to_num(softmax(v.scores, 1))
    )
    yield fault("slope-missing", "the softmax is left out", _OUT, p=lambda v: np.nan_to_num(v.scores, neginf=0))
    if masked:
        yield fault("mask-ignored", "the mask is missing", _SEEN, scores=_scores)
        after = "the mask is applied after the softmax: the weights of a query do not add up to 1"
        yield fault("mask-ignored", after, _SEEN, p=lambda v: softmax(_scores(v)) * v.mask)
        zero = "a score that is hidden is 0, not -inf"
        yield fault("mask-ignored", zero, _SEEN, scores=lambda v: np.where(v.mask, _scores(v), 0))
        inverted = "the mask is inverted: it hides what a query sees"
        yield fault("mask-inverted", inverted, _SEEN, scores=lambda v: np.where(v.mask, -1e9, _scores(v)))


def faults(case: AttentionCase, _: Problem) -> Iterator[Fault]:
    """Yield the faults of backward in a case."""
    rows = backward_rows(square=case.T == case.S, masked=case.mask != "none")
    return equations.backward_faults(
        BACKWARD, rows, lambda inputs, cotangent: {**inputs, **case.settings, "dout": cotangent}
    )


def forward_faults(case: AttentionCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults of forward in a case."""
    rows = forward_rows(masked=case.mask != "none")
    return equations.forward_faults(FORWARD, rows, {**problem.inputs, **case.settings}, ["out"])
