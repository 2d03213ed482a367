"""Affine layers and embeddings: what is drawn for them, written otherwise, and with the faults of students."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli import check
from gradcheck_cli.layers import LAYERS
from tests.layers.lines import assert_named


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


def _by_words(x: Any, dW: Any, dout: Any) -> Any:
    for v in range(len(dW)):
        dW[v] = dout[x == v].sum(0)
    return dW


def _last_word(x: Any, dW: Any, dout: Any) -> Any:
    for n, t in np.ndindex(x.shape):
        dW[x[n, t]] = dout[n, t]
    return dW


def _once_a_sample(x: Any, dW: Any, dout: Any) -> Any:
    for n in range(len(x)):
        dW[x[n]] += dout[n]
    return dW


def _averaged(x: Any, dW: Any, dout: Any) -> Any:
    for v in np.unique(x):
        dW[v] = dout[x == v].mean(0)
    return dW


EMBEDDINGS: list[tuple[str | None, Callable[[Any, Any, Any], Any]]] = [
    (None, _by_words),
    ("assigned-not-accumulated", _last_word),
    ("assigned-not-accumulated", _once_a_sample),
    ("words-averaged", _averaged),
]


def test_faults_of_an_embedding_are_named() -> None:
    for code, gradient in EMBEDDINGS:

        def backward(dout: Any, cache: Any, gradient: Any = gradient) -> Any:
            x, W = cache
            return gradient(x, np.zeros_like(W), dout)

        cases = list(LAYERS["word-embedding"].standard())[:3]
        assert_named(gradient.__name__, cases, (lambda x, W: (W[x], (x, W)), backward), code)


def test_faults_of_a_temporal_affine_layer_are_named() -> None:
    for code, add, steps in (
        (None, True, -1),
        ("assigned-not-accumulated", False, -1),
        ("assigned-not-accumulated", False, 1),
    ):

        def backward(dout: Any, cache: Any, add: bool = add, steps: int = steps) -> Any:
            x, w = cache
            dx, dw, db = np.zeros_like(x), 0, 0
            for t in range(x.shape[1])[::steps]:
                dx[:, t] = dout[:, t] @ w.T
                share = x[:, t].T @ dout[:, t], dout[:, t].sum(0)
                dw, db = (dw + share[0], db + share[1]) if add else share
            return dx, dw, db

        cases = [case for case in LAYERS["temporal-affine"].standard() if case.geometry["T"] > 1][:3]
        assert_named(f"steps {steps}", cases, (lambda x, w, b: (x @ w + b, (x, w)), backward), code)


def test_a_forward_without_its_bias_is_named() -> None:
    for layer in ("affine", "temporal-affine"):
        _, backward = next(iter(LAYERS[layer].builtin.values()))

        def forward(x: Any, w: Any, b: Any, layer: str = layer) -> Any:
            rows = x if layer == "temporal-affine" else x.reshape(len(x), -1)
            return rows @ w + 0 * b, (x, w)

        for case in list(LAYERS[layer].standard())[:2]:
            result = check(case, (forward, backward))
            assert "bias-missing" in [cause.code for cause in result.diagnosis], result.summary()
