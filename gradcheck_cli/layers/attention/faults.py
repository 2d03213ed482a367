"""Faults of attention, with one head and with several, as equations that replace the right ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

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
    equations,
    fault,
    fault_table,
    replaced_in_backward,
    replaced_in_forward,
)
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.rowwise.softmax_activation import softmax
from gradcheck_cli.numeric.arrays import Array

AnyCase = AttentionCase | MultiheadAttentionCase

#: Beside softmax, what a reshape alone makes of an array whose heads are to be split, or of heads to be joined.
_SCOPE = {
    "softmax": softmax,
    "reshaped": lambda x, H: x.reshape(len(x) * H, x.shape[1], x.shape[2] // H),
    "join_reshaped": lambda x, H: x.reshape(-1, x.shape[1], H * x.shape[2]),
    **{function.__name__: function for function in (split_heads, join_heads, product_of_steps)},
}

#: Of one head, with `root` = sqrt(D); `unmasked` are the scores before any is hidden.
_FORWARD = """
    root = np.sqrt(q.dtype.type(q.shape[2]))
    unmasked = q @ k.swapaxes(1, 2) / root
    scores = unmasked if mask is None else np.where(mask, unmasked, q.dtype.type(-np.inf))
    p = softmax(scores, 2)
    heads = p @ v
"""
_BACKWARD = """
    dp = dout @ v.swapaxes(1, 2)
    sum = (dp * p).sum(axis=2, keepdims=True)
    ds = p * (dp - sum)
    root_in_backward = root
    dq = ds @ k / root_in_backward
    dk = ds.swapaxes(1, 2) @ q / root_in_backward
    weights = p
    dv = weights.swapaxes(1, 2) @ dout
"""
#: Of several heads: q, k and v are projections, and the outputs of the heads are joined.
_OF_HEADS = f"""
    split = split_heads
    q = split(query @ Wq, H)
    k = split(key @ Wk, H)
    v = split(value @ Wv, H)
    {_FORWARD}
    join = join_heads
    joined = join(heads, H)
    out = joined @ Wo
"""
_BACK_TO_HEADS = f"""
    dsplit = split_heads
    through_Wo = g @ Wo.T
    dout = dsplit(through_Wo, H)
    {_BACKWARD}
    djoin = join_heads
    columns = [djoin(array, H) for array in (dq, dk, dv)]
    dquery = columns[0] @ Wq.T
    dkey = columns[1] @ Wk.T
    dvalue = columns[2] @ Wv.T
    dWq = product_of_steps(query, columns[0])
    dWk = product_of_steps(key, columns[1])
    dWv = product_of_steps(value, columns[2])
    dWo = product_of_steps(joined, g)
"""

_DS = "ds = p (dp - sum(dp p)), the sum over keys, with dp = dout v'."
_DV = "dv = p' dout, with the weights p of forward."
_OUT = "out = softmax(q k' / sqrt(D)) v, the softmax over keys."
_SEEN = "Where a query does not see a key, the score is -inf before the softmax."
_HEADS = "Reshape to (N, T, H, D / H) and transpose to (N, H, T, D / H); on the way back the other way round."
_ROOT = "Divide by the root of the features of a head, D / H."
_TRANSPOSED = "It is the product with the transpose of the weights."
_WHOLE_ROOT = "np.sqrt(query.dtype.type(query.shape[2]))"


def faults(case: AnyCase, _: Problem) -> Iterator[Fault]:
    """Yield the faults of backward in a case."""
    return _in_backward(case, _wrong_ways_back(case))


def observed_faults(case: MultiheadAttentionCase, _problem: Problem, _observed: Observed) -> Iterator[Fault]:
    """Yield other divisions by a root, which look like constant factors that may equal another root."""
    rows = []
    if case.D > case.H:
        rows.append(("scale-missing", "the division by sqrt(D / H) is missing", "root_in_backward = 1.0"))
    if case.H > 1:
        words = "scores are divided by sqrt(D), not by sqrt(D / H)"
        rows.append(("scale-missing", words, f"root_in_backward = {_WHOLE_ROOT}"))
    return _in_backward(case, fault_table(_ROOT, *rows))


def forward_faults(case: AnyCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults of forward in a case."""
    return replaced_in_forward(_forward(case), _wrong_scores(case), {**_SCOPE, **problem.inputs, **case.settings})


def _forward(case: AnyCase) -> Equations:
    single = isinstance(case, AttentionCase)
    return equations(f"{_FORWARD} out = heads" if single else _OF_HEADS)


def _in_backward(case: AnyCase, rows: Iterable[EquationFault]) -> Iterator[Fault]:
    single = isinstance(case, AttentionCase)
    backward = equations(_BACKWARD if single else _BACK_TO_HEADS)

    def given(inputs: Mapping[str, Array], cotangent: Array) -> dict[str, Any]:
        return {**_SCOPE, **inputs, **case.settings, "dout" if single else "g": cotangent}

    return replaced_in_backward({**_forward(case), **backward}, rows, given)


def _wrong_ways_back(case: AnyCase) -> Iterator[EquationFault]:
    """Yield faults of heads and projections, and on the way through the weights; some need a geometry or a mask.

    A division by sqrt(D) that is left out is a factor of dq and dk, which is named for any layer.
    """
    if isinstance(case, MultiheadAttentionCase):
        if case.H > 1 and case.T > 1:
            split, join = (f"the heads are {done} by a reshape without a transpose" for done in ("split", "joined"))
            yield fault("reshaped-not-transposed", split, _HEADS, "dsplit = reshaped")
            yield fault("reshaped-not-transposed", join, _HEADS, "djoin = join_reshaped")
        for k, (x, W) in enumerate((("query", "Wq"), ("key", "Wk"), ("value", "Wv"))):
            yield fault("matrix-not-transposed", f"{W} is not transposed", _TRANSPOSED, f"d{x} = columns[{k}] @ {W}")
        yield fault("matrix-not-transposed", "Wo is not transposed", _TRANSPOSED, "through_Wo = g @ Wo")
    over = "the sum is taken over queries, not over keys"
    yield from fault_table(
        _DS,
        ("softmax-sum", "the sum over keys is missing from ds", "sum = 0.0"),
        ("softmax-sum", "the sum over keys is added, not subtracted", "ds = p * (dp + sum)"),
        ("softmax-sum", "the sum over keys is one of dp, without p", "sum = dp.sum(axis=2, keepdims=True)"),
        ("diagonal-only", "ds is dp p (1 - p)", "ds = dp * p * (1 - p)"),
        ("slope-missing", "the softmax is left out: ds is dp", "ds = dp"),
        ("slope-missing", "the factor p is missing from ds", "ds = dp - sum"),
        ("normalized-axes", over, "sum = (dp * p).sum(axis=1, keepdims=True)"),
    )
    yield from fault_table(
        _DV,
        ("attention-weights", "the scores are used in place of the weights p", "weights = unmasked"),
        ("attention-weights", "dp is used in place of the weights p", "weights = dp"),
    )
    if case.T == case.S:
        yield fault("matrix-not-transposed", "p is not transposed", _DV, "dv = p @ dout")
        yield fault("matrix-not-transposed", "ds is not transposed", "dk = ds' q / sqrt(D).", "dk = ds @ q / root")
    if case.mask != "none":
        yield fault("mask-ignored", "the mask is missing", _SEEN, "p = softmax(unmasked, 2)")


def _wrong_scores(case: AnyCase) -> Iterator[EquationFault]:
    """Yield wrong scores and weights of forward, and heads; some need a mask."""
    yield from fault_table(
        _OUT,
        ("scale-missing", "scores are not divided by sqrt(D)", "root = 1.0"),
        ("scale-missing", "scores are divided by D, not by sqrt(D)", "root = q.shape[2]"),
        ("scale-missing", "scores are multiplied by sqrt(D)", "root = 1 / np.sqrt(q.shape[2])"),
        ("normalized-axes", "the softmax is taken over queries", "p = np.nan_to_num(softmax(scores, 1))"),
        ("slope-missing", "the softmax is left out", "p = np.nan_to_num(scores, neginf=0)"),
    )
    after = "the mask is applied after the softmax: the weights of a query do not add up to 1"
    inverted = "the mask is inverted: it hides what a query sees"
    if case.mask != "none":
        yield from fault_table(
            _SEEN,
            ("mask-ignored", "the mask is missing", "scores = unmasked"),
            ("mask-ignored", after, "p = softmax(unmasked, 2) * mask"),
            ("mask-ignored", "a score that is hidden is 0, not -inf", "scores = np.where(mask, unmasked, 0)"),
            ("mask-inverted", inverted, "scores = np.where(mask, -1e9, unmasked)"),
        )
    if isinstance(case, MultiheadAttentionCase) and case.H > 1:
        whole = "scores are divided by sqrt(D), not by sqrt(D / H)"
        yield fault("scale-missing", whole, _ROOT, f"root = {_WHOLE_ROOT}")
        words = "the heads are split by a reshape without a transpose"
        yield from fault_table(
            _HEADS,
            ("reshaped-not-transposed", words, "split = reshaped"),
            ("reshaped-not-transposed", f"{words}, and joined so", "split = reshaped; join = join_reshaped"),
        )
