"""Affine maps and embeddings with one fault each, as people make them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.layers.dense.affine import (
    affine_backward,
    affine_forward,
    temporal_affine_backward,
    temporal_affine_forward,
)
from gradcheck_cli.layers.dense.word_embedding import word_embedding_backward, word_embedding_forward
from tests.faults.layer_fault import in_backward


@in_backward("affine", affine_forward, "factor")
def bias_mean(dout: Any, cache: Any) -> Any:
    dx, dw, _ = affine_backward(dout, cache)
    return dx, dw, dout.mean(axis=0)


@in_backward("affine", affine_forward)
def flat_dx(dout: Any, cache: Any) -> Any:
    dx, dw, db = affine_backward(dout, cache)
    return dx.reshape(len(dx), -1), dw, db


@in_backward("affine", affine_forward, "matrix-not-transposed")
def plain_matrix_where_square(dout: Any, cache: Any) -> Any:
    _, w = cache
    dx, dw, db = affine_backward(dout, cache)
    return dout @ w if w.shape[0] == w.shape[1] else dx, dw, db


@in_backward("affine", affine_forward, "assigned-not-accumulated")
def samples_assigned(dout: Any, cache: Any) -> Any:
    x, w = cache
    dw, rows = np.zeros_like(w), x.reshape(len(x), -1)
    for n in range(len(x)):
        dw = np.outer(rows[n], dout[n])
    return affine_backward(dout, cache)[0], dw, dout.sum(axis=0)


@in_backward("affine", affine_forward, "bias-axes")
def bias_over_both_axes(dout: Any, cache: Any) -> Any:
    dx, dw, db = affine_backward(dout, cache)
    return dx, dw, np.full_like(db, dout.sum())


@in_backward("word-embedding", word_embedding_forward, "assigned-not-accumulated")
def rows_overwritten(dout: Any, cache: Any) -> Any:
    x, shape = cache
    dW = np.zeros(shape, dout.dtype)
    for n, t in np.ndindex(x.shape):
        dW[x[n, t]] = dout[n, t]
    return dW


@in_backward("word-embedding", word_embedding_forward, "assigned-not-accumulated")
def rows_added_at_once(dout: Any, cache: Any) -> Any:
    x, shape = cache
    dW = np.zeros(shape, dout.dtype)
    dW[x] += dout
    return dW


@in_backward("word-embedding", word_embedding_forward)
def rows_averaged(dout: Any, cache: Any) -> Any:
    x, shape = cache
    counts = np.bincount(x.reshape(-1), minlength=shape[0])
    return word_embedding_backward(dout, cache) / np.maximum(counts, 1)[:, None].astype(dout.dtype)


@in_backward("temporal-affine", temporal_affine_forward, "assigned-not-accumulated")
def last_step_left(dout: Any, cache: Any) -> Any:
    x, w = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(w[0])
    for t in range(x.shape[1]):
        dx[:, t], dw, db = affine_backward(dout[:, t], (x[:, t], w))
    return dx, dw, db


@in_backward("temporal-affine", temporal_affine_forward)
def bias_of_each_step(dout: Any, cache: Any) -> Any:
    dx, dw, _ = temporal_affine_backward(dout, cache)
    return dx, dw, dout.sum(axis=0)
