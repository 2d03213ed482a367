"""Scaled dot-product attention of batches: which keys a query sees, the passes, and the scale of roundoff."""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import numpy as np

from gradcheck_cli.layers.framework.text_parameters import choice
from gradcheck_cli.numeric.arrays import Array


def mask() -> Any:
    """Declare the mask of a case."""
    return choice("none", "which keys a query sees: all, those up to its own step, or some", "causal", "drawn")


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


def attend(q: Array, k: Array, v: Array, mask: Array | None) -> tuple[Array, AttentionCache]:
    """Return p v, with p the softmax of q k' / sqrt(D) over the keys that a query sees; and the cache."""
    scores = q @ k.swapaxes(1, 2) / np.sqrt(q.dtype.type(q.shape[2]))
    if mask is not None:
        scores = np.where(mask, scores, q.dtype.type(-np.inf))
    exps = np.exp(scores - scores.max(axis=2, keepdims=True))
    p = exps / exps.sum(axis=2, keepdims=True)
    return p @ v, AttentionCache(q, k, v, p)


def attend_backward(dout: Array, cache: AttentionCache) -> tuple[Array, Array, Array]:
    """Return dq, dk and dv for dout (N, T, E).

    out = p v is a matrix product: dp = dout v' and dv = p' dout. Through the softmax of each query,
    ds = p (dp - sum_s dp p), and through s = q k' / sqrt(D), another product, dq = ds k / sqrt(D) and
    dk = ds' q / sqrt(D). A key that a query does not see has p = 0, and so ds = 0.
    """
    q, k, v, p = cache
    dp = dout @ v.swapaxes(1, 2)
    ds = p * (dp - (dp * p).sum(axis=2, keepdims=True)) / np.sqrt(q.dtype.type(q.shape[2]))
    return ds @ k, ds.swapaxes(1, 2) @ q, p.swapaxes(1, 2) @ dout
