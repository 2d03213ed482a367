"""Affine layers and embeddings that are written otherwise, and what is drawn for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli import check
from gradcheck_cli.layers import LAYERS


def _one_hot(x: Any, W: Any) -> Any:
    words = (x[..., None] == np.arange(len(W))).astype(W.dtype)
    return words @ W, words


def _step_by_step(x: Any, w: Any, b: Any) -> Any:
    return np.stack([x[:, t] @ w + b for t in range(x.shape[1])], axis=1), (x, w, b)


def _back_step_by_step(dout: Any, cache: Any) -> Any:
    x, w, b = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(b)
    for n, t in np.ndindex(x.shape[:2]):
        dx[n, t] = w @ dout[n, t]
        dw += np.outer(x[n, t], dout[n, t])
        db += dout[n, t]
    return dx, dw, db


def test_words_repeat_and_some_do_not_occur() -> None:
    layer = LAYERS["word-embedding"]
    for case in list(layer.standard())[:5]:
        for seed in range(10):
            words = layer.problem(replace(case, seed=seed)).inputs["x"]
            seen, counts = np.unique(words, return_counts=True)
            assert counts.max() > 1
            assert len(seen) < case.geometry["V"]
            assert 0 <= seen.min() <= seen.max() < case.geometry["V"]


def test_an_affine_layer_need_not_flatten() -> None:
    _, backward = next(iter(LAYERS["affine"].builtin.values()))

    def plain(x: Any, w: Any, b: Any) -> Any:
        return x.dot(w) + b, (x, w)

    results = [check(case, (plain, backward)) for case in LAYERS["affine"].standard()]
    assert [result.verdict for result in results] == [*["pass"] * 6, "skip"]
    assert results[-1].reason == "it does not flatten an x of three axes, or cannot"

    def wrongly(x: Any, w: Any, b: Any) -> Any:
        return x.reshape(-1, len(x)).T @ w + b, (x, w)

    assert check(list(LAYERS["affine"].standard())[-1], (wrongly, backward)).verdict == "fail"


RIGHT: dict[str, Any] = {
    "word-embedding": (_one_hot, lambda dout, words: np.einsum("ntv,ntd->vd", words, dout)),
    "temporal-affine": (_step_by_step, _back_step_by_step),
}


def test_right_layers_that_are_written_otherwise_pass() -> None:
    for layer, pair in RIGHT.items():
        for seed, dtype in enumerate(("float16", "float32", "float64")):
            for case in LAYERS[layer].standard():
                result = check(replace(case, dtype=dtype, seed=seed), pair)
                assert result.passed, result.summary()
                assert result.diagnosis == ()
