"""Scaled dot-product attention: out = softmax(q k' / sqrt(D)) v, over the keys that a query sees."""

from __future__ import annotations

import random
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import Axis, declare
from gradcheck_cli.layers.framework.case import Case, Param
from gradcheck_cli.layers.framework.layer import Layer, imported
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.text_parameters import choice
from gradcheck_cli.numeric.arrays import Array

#: The mask of a case, declared.
mask = partial(choice, "none", "which keys a query sees: all, those up to its own step, or some", "causal", "drawn")


def mask_of(kind: str, queries: int, keys: int, seed: int) -> Array | None:
    """Return a mask (T, S), True where a query sees a key; None where all see all. Each query sees at least one key."""
    if kind == "none":
        return None
    if kind == "causal":
        return np.tril(np.ones((queries, keys), bool))
    source = random.Random(f"{seed} mask")  # noqa: S311  # no secrets
    seen = np.array([source.random() < 0.6 for _ in range(queries * keys)]).reshape(queries, keys)
    seen[np.arange(queries), [source.randrange(keys) for _ in range(queries)]] = True
    return seen


def some_query_sees_several(case: Any) -> bool:
    """Tell whether scores matter: a query that sees one key has its value, whatever the score is."""
    seen = mask_of(case.mask, case.T, case.S, case.seed)
    return case.S > 1 if seen is None else bool((seen.sum(axis=1) > 1).any())


class AttentionCache(NamedTuple):
    """The arrays that forward keeps for backward."""

    q: Array
    k: Array
    v: Array
    p: Array  #: the weight of each key for each query, (N, T, S)


QUERY = Axis(name="query", letter="t", size="T")
KEY = Axis(name="key", letter="s", size="S")
_VALUE_FEATURE = Axis(name="value feature", letter="e", size="E")


@frozen
class AttentionCase(Case):
    """Sizes of attention: queries q (N, T, D), keys k (N, S, D), values v (N, S, E), out (N, T, E)."""

    layer = "attention"
    axes = declare(QUERY, KEY, _VALUE_FEATURE, q="N T D", k="N S D", v="N S E", out="N T E")

    N: int = size(2, "samples")
    T: int = size(3, "queries")
    S: int = size(4, "keys, and values", minimum=2)
    D: int = size(5, "features of a query, and of a key")
    E: int = size(2, "features of a value")
    mask: str = mask()

    @property
    def settings(self) -> dict[str, Any]:
        """The dictionary of parameters that forward takes."""
        return {"mask": mask_of(self.mask, self.T, self.S, self.seed)}


def attention_forward(q: Array, k: Array, v: Array, attn_param: Param) -> tuple[Array, AttentionCache]:
    """Return out = p v, with p = softmax(q k' / sqrt(D)) over the keys that a query sees; and the cache.

    "mask" (T, S) is True where a query sees a key, and None where all see all.
    """
    scores = q @ k.swapaxes(1, 2) / np.sqrt(q.dtype.type(q.shape[2]))
    if attn_param["mask"] is not None:
        scores = np.where(attn_param["mask"], scores, q.dtype.type(-np.inf))
    exps = np.exp(scores - scores.max(axis=2, keepdims=True))
    p = exps / exps.sum(axis=2, keepdims=True)
    return p @ v, AttentionCache(q, k, v, p)


def attention_backward(dout: Array, cache: AttentionCache) -> tuple[Array, Array, Array]:
    """Return dq, dk and dv for dout (N, T, E).

    out = p v is a matrix product: dp = dout v' and dv = p' dout. Through the softmax of each query,
    ds = p (dp - sum_s dp p), and through s = q k' / sqrt(D), another product, dq = ds k / sqrt(D) and
    dk = ds' q / sqrt(D). A key that a query does not see has p = 0, and so ds = 0.
    (Vaswani et al., Attention is all you need, 2017, section 3.2.1.)
    """
    q, k, v, p = cache
    dp = dout @ v.swapaxes(1, 2)
    ds = p * (dp - (dp * p).sum(axis=2, keepdims=True)) / np.sqrt(q.dtype.type(q.shape[2]))
    return ds @ k, ds.swapaxes(1, 2) @ q, p.swapaxes(1, 2) @ dout


LAYER = Layer(
    case=AttentionCase,
    builtin={"matrix": (attention_forward, attention_backward)},
    # No two sizes equal; as many queries as keys, with each mask; a size of 1 each.
    standard=lambda: AttentionCase.rows(
        "N T S D E mask",
        *((2, 3, 4, 5, 1, "none"), (2, 3, 3, 4, 4, "none"), (2, 3, 3, 4, 2, "causal"), (2, 3, 4, 2, 3, "drawn")),
        *((1, 4, 2, 3, 5, "none"), (3, 1, 3, 2, 4, "none"), (2, 2, 3, 1, 2, "none"), (2, 3, 2, 1, 3, "causal")),
    ),
    param="attn_param",
    sums=False,
    zeros=("q", "v"),
    probe_cases=AttentionCase.rows(
        "N T S D E mask", (2, 3, 4, 5, 6, "none"), (2, 3, 4, 5, 6, "drawn"), (2, 4, 4, 5, 6, "causal")
    ),
    has_nonzero_gradient=some_query_sees_several,
    **imported("attention.faults", "faults", "forward_faults"),
)
