"""Faults of attention, with one head and with several, as equations that replace the right ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from gradcheck_cli.layers.attention.attention import AttentionCase
from gradcheck_cli.layers.attention.multihead_attention import (
    MultiheadAttentionCase,
    join_heads,
    product_of_steps,
    split_heads,
)
from gradcheck_cli.layers.framework.fault import (
    EquationFault,
    Equations,
    Fault,
    ForwardFault,
    Observed,
    fault,
    replaced_in_backward,
    replaced_in_forward,
)
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

AnyCase = AttentionCase | MultiheadAttentionCase


def transposed(array: Array) -> Array:
    """Exchange the last two of three axes."""
    return array.swapaxes(1, 2)


def softmax(scores: Array, axis: int = 2) -> Array:
    """Return the shares of exp(scores) along an axis; of scores that are all -inf, NaN."""
    exps = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.asarray(exps / exps.sum(axis=axis, keepdims=True))


def _reshaped(x: Array, heads: int) -> Array:
    """Return what a reshape makes of an array whose heads are to be split."""
    N, T, D = x.shape
    return x.reshape(N * heads, T, D // heads)


def _join_reshaped(x: Array, heads: int) -> Array:
    """Return what a reshape makes of the heads, where they are to be joined."""
    _, T, d = x.shape
    return x.reshape(-1, T, heads * d)


#: Of one head, with `root` = sqrt(D); `unmasked` are the scores before any is hidden.
_FORWARD: Equations = {
    "root": lambda v: np.sqrt(v.q.dtype.type(v.q.shape[2])),
    "unmasked": lambda v: v.q @ transposed(v.k) / v.root,
    "scores": lambda v: v.unmasked if v.mask is None else np.where(v.mask, v.unmasked, v.q.dtype.type(-np.inf)),
    "p": lambda v: softmax(v.scores),
    "heads": lambda v: v.p @ v.v,
}
_BACKWARD: Equations = {
    "dp": lambda v: v.dout @ transposed(v.v),
    "sum": lambda v: (v.dp * v.p).sum(axis=2, keepdims=True),
    "ds": lambda v: v.p * (v.dp - v.sum),
    "root_in_backward": lambda v: v.root,
    "dq": lambda v: v.ds @ v.k / v.root_in_backward,
    "dk": lambda v: transposed(v.ds) @ v.q / v.root_in_backward,
    "weights": lambda v: v.p,
    "dv": lambda v: transposed(v.weights) @ v.dout,
}
#: Of several heads: q, k and v are projections, and the outputs of the heads are joined.
_SPLIT: Equations = {
    "split": lambda _: split_heads,
    "q": lambda v: v.split(v.query @ v.Wq, v.H),
    "k": lambda v: v.split(v.key @ v.Wk, v.H),
    "v": lambda v: v.split(v.value @ v.Wv, v.H),
}
_JOINED: Equations = {
    "join": lambda _: join_heads,
    "joined": lambda v: v.join(v.heads, v.H),
    "out": lambda v: v.joined @ v.Wo,
}
_FROM_WO: Equations = {
    "dsplit": lambda _: split_heads,
    "through_Wo": lambda v: v.g @ v.Wo.T,
    "dout": lambda v: v.dsplit(v.through_Wo, v.H),
}
_PROJECTED: Equations = {
    "djoin": lambda _: join_heads,
    "columns": lambda v: [v.djoin(array, v.H) for array in (v.dq, v.dk, v.dv)],
    "dquery": lambda v: v.columns[0] @ v.Wq.T,
    "dkey": lambda v: v.columns[1] @ v.Wk.T,
    "dvalue": lambda v: v.columns[2] @ v.Wv.T,
    "dWq": lambda v: product_of_steps(v.query, v.columns[0]),
    "dWk": lambda v: product_of_steps(v.key, v.columns[1]),
    "dWv": lambda v: product_of_steps(v.value, v.columns[2]),
    "dWo": lambda v: product_of_steps(v.joined, v.g),
}

_DS = "ds = p (dp - sum(dp p)), the sum over keys, with dp = dout v'."
_DV = "dv = p' dout, with the weights p of forward."
_OUT = "out = softmax(q k' / sqrt(D)) v, the softmax over keys."
_SEEN = "Where a query does not see a key, the score is -inf before the softmax."
_HEADS = "Reshape to (N, T, H, D / H) and transpose to (N, H, T, D / H); on the way back the other way round."
_ROOT = "Divide by the root of the features of a head, D / H."
_TRANSPOSED = "It is the product with the transpose of the weights."


def faults(case: AnyCase, _: Problem) -> Iterator[Fault]:
    """Yield the faults of backward in a case."""
    return _in_backward(case, [*(() if isinstance(case, AttentionCase) else _of_heads(case)), *_of_weights(case)])


def observed_faults(case: MultiheadAttentionCase, _problem: Problem, _observed: Observed) -> Iterator[Fault]:
    """Yield other divisions by a root, which look like constant factors that may equal another root."""
    rows = []
    if case.D > case.H:
        rows.append(fault("scale-missing", "the division by sqrt(D / H) is missing", _ROOT, root_in_backward=1.0))
    if case.H > 1:
        words = "scores are divided by sqrt(D), not by sqrt(D / H)"
        rows.append(fault("scale-missing", words, _ROOT, root_in_backward=_whole_root))
    return _in_backward(case, rows)


def forward_faults(case: AnyCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults of forward in a case."""
    rows = [*_of_scores(case), *(() if isinstance(case, AttentionCase) else _of_split_heads(case))]
    return replaced_in_forward(_forward(case), rows, {**problem.inputs, **case.settings}, ["out"])


def _forward(case: AnyCase) -> Equations:
    single = isinstance(case, AttentionCase)
    return {**_FORWARD, "out": lambda v: v.heads} if single else {**_SPLIT, **_FORWARD, **_JOINED}


def _in_backward(case: AnyCase, rows: list[EquationFault]) -> Iterator[Fault]:
    single = isinstance(case, AttentionCase)
    found = {**_forward(case), **({} if single else _FROM_WO), **_BACKWARD, **({} if single else _PROJECTED)}

    def given(inputs: Mapping[str, Array], cotangent: Array) -> dict[str, Any]:
        return {**inputs, **case.settings, "dout" if single else "g": cotangent}

    return replaced_in_backward(found, rows, given)


def _of_weights(case: AnyCase) -> Iterator[EquationFault]:
    """Yield faults on the way through the weights; some need as many queries as keys, or a mask.

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
    yield fault("attention-weights", "the scores are used in place of the weights p", _DV, weights=lambda v: v.unmasked)
    yield fault("attention-weights", "dp is used in place of the weights p", _DV, weights=lambda v: v.dp)
    if case.T == case.S:
        yield fault("matrix-not-transposed", "p is not transposed", _DV, dv=lambda v: v.p @ v.dout)
        remedy = "dk = ds' q / sqrt(D)."
        yield fault("matrix-not-transposed", "ds is not transposed", remedy, dk=lambda v: v.ds @ v.q / v.root)
    if case.mask != "none":
        yield fault("mask-ignored", "the mask is missing", _SEEN, p=lambda v: softmax(v.unmasked))


def _of_scores(case: AnyCase) -> Iterator[EquationFault]:
    """Yield wrong scores and weights of forward; some need a mask."""
    yield fault("scale-missing", "scores are not divided by sqrt(D)", _OUT, root=1.0)
    yield fault("scale-missing", "scores are divided by D, not by sqrt(D)", _OUT, root=lambda v: v.q.shape[2])
    yield fault("scale-missing", "scores are multiplied by sqrt(D)", _OUT, root=lambda v: 1 / np.sqrt(v.q.shape[2]))
    over = "the softmax is taken over queries"
    yield fault("normalized-axes", over, _OUT, p=lambda v: np.nan_to_num(softmax(v.scores, 1)))
    yield fault("slope-missing", "the softmax is left out", _OUT, p=lambda v: np.nan_to_num(v.scores, neginf=0))
    if case.mask != "none":
        yield fault("mask-ignored", "the mask is missing", _SEEN, scores=lambda v: v.unmasked)
        after = "the mask is applied after the softmax: the weights of a query do not add up to 1"
        yield fault("mask-ignored", after, _SEEN, p=lambda v: softmax(v.unmasked) * v.mask)
        zero = "a score that is hidden is 0, not -inf"
        yield fault("mask-ignored", zero, _SEEN, scores=lambda v: np.where(v.mask, v.unmasked, 0))
        inverted = "the mask is inverted: it hides what a query sees"
        yield fault("mask-inverted", inverted, _SEEN, scores=lambda v: np.where(v.mask, -1e9, v.unmasked))


def _of_heads(case: MultiheadAttentionCase) -> Iterator[EquationFault]:
    """Yield faults of the heads and of the projections."""
    if case.H > 1 and case.T > 1:
        words = "the heads are split by a reshape without a transpose"
        yield fault("reshaped-not-transposed", words, _HEADS, dsplit=lambda _: _reshaped)
        words = "the heads are joined by a reshape without a transpose"
        yield fault("reshaped-not-transposed", words, _HEADS, djoin=lambda _: _join_reshaped)
    for k, x in enumerate(("query", "key", "value")):
        wrong = {f"d{x}": partial(_not_transposed, f"W{'qkv'[k]}", k)}
        yield fault("matrix-not-transposed", f"W{'qkv'[k]} is not transposed", _TRANSPOSED, **wrong)
    yield fault("matrix-not-transposed", "Wo is not transposed", _TRANSPOSED, through_Wo=lambda v: v.g @ v.Wo)


def _of_split_heads(case: MultiheadAttentionCase) -> Iterator[EquationFault]:
    """Yield faults of the heads in forward."""
    if case.H > 1:
        words = "scores are divided by sqrt(D), not by sqrt(D / H)"
        yield fault("scale-missing", words, _ROOT, root=_whole_root)
        words, split = "the heads are split by a reshape without a transpose", lambda _: _reshaped
        yield fault("reshaped-not-transposed", words, _HEADS, split=split)
        words = f"{words}, and joined so"
        yield fault("reshaped-not-transposed", words, _HEADS, split=split, join=lambda _: _join_reshaped)


def _not_transposed(name: str, position: int, v: Any) -> Array:
    return np.asarray(v.columns[position] @ getattr(v, name))


def _whole_root(v: Any) -> Any:
    return np.sqrt(v.query.dtype.type(v.query.shape[2]))
