"""Slips in losses, embeddings and temporal layers as students write them; and the right code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import check
from gradcheck_cli.layers import LAYERS
from tests.layers.test_recurrent_faults import assert_named

if TYPE_CHECKING:
    from collections.abc import Callable

#: What stands in a softmax loss; a slip replaces one of these lines.
SOFTMAX = {
    "z": "x - x.max(1, keepdims=True)",
    "e": "np.exp(z)",
    "s": "e.sum(1, keepdims=True)",
    "p": "e / s",
    "Y": "np.eye(x.shape[1])[y].astype(x.dtype)",
    "loss": "-((z - np.log(s)) * Y).sum() / N",
    "dx": "(p - Y) / N",
}

SOFTMAX_SLIPS: dict[str, tuple[str, dict[str, str]]] = {
    "no label": ("label-missing", {"dx": "p / N"}),
    "label added": ("label-sign", {"dx": "(p + Y) / N"}),
    "label turned": ("label-sign", {"dx": "np.where(Y > 0, 1 - p, p) / N"}),
    "diagonal": ("softmax-diagonal", {"dx": "(p - 1) * Y / N"}),
    "diagonal twice": ("softmax-diagonal", {"dx": "(p - Y) * p * (1 - p) / N"}),
    "in all rows": ("label-in-all-rows", {"dx": "(p - Y.max(0)) / N"}),
    "counted from 1": ("label-shifted", {"dx": "(p - np.roll(Y, -1, axis=1)) / N"}),
    "assigned": ("label-assigned", {"dx": "np.where(Y > 0, -1, p) / N"}),
    "divided first": ("label-not-averaged", {"dx": "p / N - Y"}),
    "p not divided": ("label-not-averaged", {"dx": "p - Y / N"}),
    "not normalized": ("not-normalized", {"dx": "(e - Y) / N"}),
    "over samples": ("normalized-axes", {"dx": "(e / e.sum(0) - Y) / N"}),
    "loss a sum": ("loss-wrong", {"loss": "-((z - np.log(s)) * Y).sum()", "dx": "p - Y"}),
    "loss by all": ("loss-wrong", {"loss": "-((z - np.log(s)) * Y).mean()", "dx": "(p - Y) / x.size"}),
}


def softmax(**slip: str) -> Callable[..., Any]:
    def softmax_loss(x: Any, y: Any) -> Any:
        v = {"x": x, "y": y, "N": x.dtype.type(len(x)), "np": np}
        for name, line in {**SOFTMAX, **slip}.items():
            v[name] = eval(line, v)
        return v["loss"], v["dx"]

    return softmax_loss


def assert_loss_named(layer: str, function: Any, code: str | None, alike: str | None = None) -> None:
    """Assert that a slip has its code at small scores; large ones leave nothing of p to tell slips apart by.

    A single number of float32 is no evidence of what is wrong with a loss. `alike` is what a slip looks like by chance.
    """
    cases = [case for case in LAYERS[layer].standard() if case.geometry["scale"] == 1][:3]
    named = 0
    for case in (*cases, replace(cases[0], dtype="float32")):
        result = check(replace(case, seed=2), function)
        codes = {found.code for found in result.diagnosis}
        few = {"own-function"} if case.dtype == "float32" and code == "loss-wrong" else set()
        assert codes <= {code, alike, *few}, (case.label(), case.dtype, result.diagnosis)
        assert code is not None or result.passed, result.summary()
        named += code in codes
    assert code is None or named >= (1 if alike else 2)


@pytest.mark.parametrize("slip", SOFTMAX_SLIPS)
def test_slips_of_a_softmax_loss_are_named(slip: str) -> None:
    code, lines = SOFTMAX_SLIPS[slip]
    assert_loss_named("softmax", softmax(**lines), code)


TEMPORAL = ("no label", "diagonal", "assigned", "in all rows", "not normalized")


def temporal(slip: str = "") -> Callable[..., Any]:
    """Make a temporal softmax loss of the one above, on flat rows whose gradient is masked."""
    rows = softmax(**SOFTMAX_SLIPS[slip][1] if slip in SOFTMAX_SLIPS else {})

    def temporal_softmax_loss(x: Any, y: Any, mask: Any) -> Any:
        N, T, V = x.shape
        kind, keep = x.dtype.type, mask.reshape(-1)
        flat, labels = x.reshape(-1, V), y.reshape(-1)
        _, dx = rows(flat, labels)
        z = flat - flat.max(1, keepdims=True)
        losses = np.log(np.exp(z).sum(1)) - z[np.arange(N * T), labels]
        weights = {"inverted": ~keep, "no mask": keep | True}.get(slip, keep)
        dx = dx * kind(N * T) * weights[:, None] / kind(keep.sum() if slip == "by steps" else N)
        count = {"its loss by steps": keep.sum(), "its loss by all": keep.size}.get(slip, N)
        if slip.startswith("its loss"):
            dx = dx * kind(N) / kind(count)
        return (losses * keep).sum() / kind(count), dx.reshape(x.shape)

    return temporal_softmax_loss


@pytest.mark.parametrize(
    ("slip", "code"),
    [
        ("", None),
        *((slip, SOFTMAX_SLIPS[slip][0]) for slip in TEMPORAL),
        ("inverted", "mask-inverted"),
        ("no mask", "mask-ignored"),
        ("by steps", "mean-over-steps"),
        ("its loss by steps", "loss-wrong"),
        ("its loss by all", "loss-wrong"),
    ],
)
def test_slips_of_a_temporal_softmax_loss_are_named(slip: str, code: str | None) -> None:
    # Where the steps that count are a multiple of the samples, a mean over them is a constant factor.
    assert_loss_named("temporal-softmax", temporal(slip), code, "factor" if slip == "by steps" else None)


#: dx of a hinge loss from margins m, active a and labels Y, with the loss where that is wrong too.
SVM: list[tuple[str | None, str, str]] = [
    (None, "a - Y * k", "m.sum() / N"),
    ("label-missing", "a", "m.sum() / N"),
    ("label-missing", "a - Y", "m.sum() / N"),
    ("label-missing", "-Y * k", "m.sum() / N"),
    ("label-sign", "a + Y * k", "m.sum() / N"),
    ("label-counted", "a + Y - Y * k", "m.sum() / N"),
    ("label-counted", "a - Y * (k + 1)", "m.sum() / N"),
    ("margins-not-counted", "m - Y * m.sum(1, keepdims=True)", "m.sum() / N"),
    ("loss-wrong", "a - Y * k", "m.sum() / N + 1"),
    ("loss-wrong", "(a - Y * k) * N", "m.sum()"),
    ("loss-wrong", "2 * (m - Y * m.sum(1, keepdims=True))", "(m * m).sum() / N"),
]


@pytest.mark.parametrize(("code", "dx", "loss"), SVM)
def test_slips_of_a_hinge_loss_are_named(code: str | None, dx: str, loss: str) -> None:
    def svm_loss(x: Any, y: Any) -> Any:
        Y = np.eye(x.shape[1])[y].astype(x.dtype)
        m = np.maximum(0, x - (x * Y).sum(1, keepdims=True) + 1) * (1 - Y)
        a = (m > 0).astype(x.dtype)
        v = {"m": m, "a": a, "Y": Y, "k": a.sum(1, keepdims=True), "N": x.dtype.type(len(x))}
        return eval(loss, v), eval(dx, v) / v["N"]

    # Of one sample with two missed margins, 1 - 2 and -1 are alike.
    assert_loss_named("svm", svm_loss, code, "label-missing" if code == "label-counted" else None)


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


@pytest.mark.parametrize(
    ("code", "left"),
    [
        (None, _by_words),
        ("assigned-not-accumulated", _last_word),
        ("assigned-not-accumulated", _once_a_sample),
        ("words-averaged", _averaged),
    ],
)
def test_slips_of_an_embedding_are_named(code: str | None, left: Callable[[Any, Any, Any], Any]) -> None:
    def backward(dout: Any, cache: Any) -> Any:
        x, W = cache
        return left(x, np.zeros_like(W), dout)

    named = 0
    for case in list(LAYERS["word-embedding"].standard())[:3]:
        result = check(replace(case, seed=1), (lambda x, W: (W[x], (x, W)), backward))
        codes = {found.code for found in result.diagnosis}
        assert codes <= {code}, (case.label(), result.diagnosis)
        assert code is not None or result.passed
        named += bool(codes)
    assert code is None or named >= 2


@pytest.mark.parametrize(
    ("code", "add", "steps"),
    [(None, True, -1), ("assigned-not-accumulated", False, -1), ("assigned-not-accumulated", False, 1)],
)
def test_slips_of_a_temporal_affine_layer_are_named(code: str | None, add: bool, steps: int) -> None:
    def backward(dout: Any, cache: Any) -> Any:
        x, w = cache
        dx, dw, db = np.zeros_like(x), 0, 0
        for t in range(x.shape[1])[::steps]:
            dx[:, t] = dout[:, t] @ w.T
            share = x[:, t].T @ dout[:, t], dout[:, t].sum(0)
            dw, db = (dw + share[0], db + share[1]) if add else share
        return dx, dw, db

    assert_named("temporal-affine", (lambda x, w, b: (x @ w + b, (x, w)), backward), code)
