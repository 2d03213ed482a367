"""Faults of losses as students write them; and the right code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli.layers import LAYERS
from tests.layers.lines import assert_named, run_lines
from tests.sampling import in_parts

#: A softmax loss; a fault replaces some of these lines.
SOFTMAX = {
    "z": "x - x.max(1, keepdims=True)",
    "e": "np.exp(z)",
    "s": "e.sum(1, keepdims=True)",
    "p": "e / s",
    "Y": "np.eye(x.shape[1])[y].astype(x.dtype)",
    "loss": "-((z - np.log(s)) * Y).sum() / N",
    "dx": "(p - Y) / N",
}

SOFTMAX_FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "no label": ("label-missing", {"dx": "p / N"}),
    "label added": ("label-sign", {"dx": "(p + Y) / N"}),
    "label turned": ("label-sign", {"dx": "np.where(Y > 0, 1 - p, p) / N"}),
    "diagonal": ("softmax-diagonal", {"dx": "(p - 1) * Y / N"}),
    "diagonal twice": ("softmax-diagonal", {"dx": "(p - Y) * p * (1 - p) / N"}),
    "diagonal alone": ("softmax-diagonal", {"dx": "p * (1 - p) / N"}),
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


def assert_loss_named(fault: str, layer: str, function: Any, code: str | None, also: str = "") -> None:
    """Assert that a fault has its code at small scores; large ones leave nothing of p to tell faults apart by.

    A single number of float32 is no evidence of what is wrong with a loss. `also` is what a fault looks like by chance.
    """
    first, second = [case for case in LAYERS[layer].standard() if case.geometry["scale"] == 1][:2]
    few = ["own-function"] if code == "loss-wrong" else []
    assert_named(fault, [first, replace(second, dtype="float32")], function, code, [also, *few])


def softmax(**fault: str) -> Callable[..., Any]:
    def softmax_loss(x: Any, y: Any) -> Any:
        v = run_lines({**SOFTMAX, **fault}, x=x, y=y, N=x.dtype.type(len(x)))
        return v["loss"], v["dx"]

    return softmax_loss


@in_parts(2)
def test_faults_of_a_softmax_loss_are_named(part: int) -> None:
    for fault, (code, lines) in list(SOFTMAX_FAULTS.items())[part::2]:
        assert_loss_named(fault, "softmax", softmax(**lines), code)


#: Those of a temporal softmax loss, beside some of a softmax loss.
TEMPORAL_FAULTS = {
    "": None,
    **{fault: SOFTMAX_FAULTS[fault][0] for fault in ("no label", "diagonal", "assigned", "in all rows")},
    "not normalized": "not-normalized",
    "inverted": "mask-inverted",
    "no mask": "mask-ignored",
    "by steps": "mean-over-steps",
    "its loss by steps": "loss-wrong",
    "its loss by all": "loss-wrong",
    "its loss without mask": "loss-wrong",
}


def temporal(fault: str) -> Callable[..., Any]:
    """Make a temporal softmax loss of the one above, on flat rows whose gradient is masked."""
    rows = softmax(**SOFTMAX_FAULTS[fault][1] if fault in SOFTMAX_FAULTS else {})

    def temporal_softmax_loss(x: Any, y: Any, mask: Any) -> Any:
        N, T, V = x.shape
        kind, keep = x.dtype.type, mask.reshape(-1)
        keep = keep | True if fault == "its loss without mask" else keep
        flat, labels = x.reshape(-1, V), y.reshape(-1)
        _, dx = rows(flat, labels)
        z = flat - flat.max(1, keepdims=True)
        losses = np.log(np.exp(z).sum(1)) - z[np.arange(N * T), labels]
        weights = {"inverted": ~keep, "no mask": keep | True}.get(fault, keep)
        dx = dx * kind(N * T) * weights[:, None] / kind(keep.sum() if fault == "by steps" else N)
        count = {"its loss by steps": keep.sum(), "its loss by all": keep.size}.get(fault, N)
        if fault.startswith("its loss"):
            dx = dx * kind(N) / kind(count)
        return (losses * keep).sum() / kind(count), dx.reshape(x.shape)

    return temporal_softmax_loss


@pytest.mark.long
def test_faults_of_a_temporal_softmax_loss_are_named() -> None:
    for fault, code in TEMPORAL_FAULTS.items():
        # Where the steps that count are a multiple of the samples, a mean over them is a constant factor.
        also = "factor" if fault == "by steps" else ""
        assert_loss_named(fault, "temporal-softmax", temporal(fault), code, also)


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
    ("margins-not-counted", "2 * (m - Y * m.sum(1, keepdims=True))", "m.sum() / N"),
    ("margin-missing", "(m > 1) - Y * (m > 1).sum(1, keepdims=True)", "m.sum() / N"),
    ("loss-wrong", "a - Y * k", "m.sum() / N + 1"),
    ("loss-wrong", "(a - Y * k) * N", "m.sum()"),
    ("loss-wrong", "2 * (m - Y * m.sum(1, keepdims=True))", "(m * m).sum() / N"),
]


def test_faults_of_a_hinge_loss_are_named() -> None:
    for code, dx, loss in SVM:

        def svm_loss(x: Any, y: Any, dx: str = dx, loss: str = loss) -> Any:
            Y = np.eye(x.shape[1])[y].astype(x.dtype)
            m = np.maximum(0, x - (x * Y).sum(1, keepdims=True) + 1) * (1 - Y)
            a = (m > 0).astype(x.dtype)
            lines = {"loss": loss, "sums": dx}
            v = run_lines(lines, m=m, a=a, Y=Y, k=a.sum(1, keepdims=True), N=x.dtype.type(len(x)))
            return v["loss"], v["sums"] / v["N"]

        # Of one sample with two missed margins, 1 - 2 and -1 are equal.
        assert_loss_named(dx, "svm", svm_loss, code, "label-missing" if code == "label-counted" else "")
