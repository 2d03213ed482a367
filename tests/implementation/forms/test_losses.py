"""Losses without a cotangent, as classes with `loss` and `gradient`, and as pairs: only predictions have a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import report_of
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

#: Of each loss, what is replaced to make its gradient wrong.
LOSSES = {
    "MSE": (
        (
            "class MSE:\n    def loss(self, y, y_pred):\n        return np.mean((y - y_pred)**2)\n\n"
            "    def gradient(self, y, y_pred):\n        return 2 * (y_pred - y) / y.size\n"
        ),
        ("2 * (y_pred - y) / y.size", "2 * (y_pred - y)"),
    ),
    "CrossEntropy": (
        (
            "class CrossEntropy:\n    def loss(self, y, p):\n        p = np.clip(p, 1e-15, 1 - 1e-15)\n"
            "        return -y * np.log(p) - (1 - y) * np.log(1 - p)\n\n"
            "    def gradient(self, y, p):\n        return (1 - y) / (1 - p) - y / p\n"
        ),
        ("(1 - y) / (1 - p) - y / p", "(1 - y) / (1 - p) + y / p"),
    ),
    "Bent": (
        (
            "class Bent:\n    def __init__(self, delta=1.0):\n        self.delta = delta\n\n"
            "    def __call__(self, y_true, y_pred):\n        e = np.abs(y_pred - y_true)\n"
            "        return np.where(e <= self.delta, e * e / 2, self.delta * (e - self.delta / 2)).sum()\n\n"
            "    def grad(self, y_true, y_pred):\n        return np.clip(y_pred - y_true, -self.delta, self.delta)\n"
        ),
        ("-self.delta, self.delta)", "-self.delta, 2 * self.delta)"),
    ),
    "half_forward": (
        (
            "def half_forward(guess, y):\n    d = guess - y\n    return 0.5 * np.sum(d**2) / len(y), d\n\n\n"
            "def half_backward(d):\n    return d / len(d)\n"
        ),
        ("return d / len(d)", "return 2 * d / len(d)"),
    ),
    "svm_cost": (
        (
            "def svm_cost(X, y, W, b):\n    margin = y * (X @ W + b)\n"
            "    return W @ W / 2 + np.mean(np.maximum(0, 1 - margin))\n\n\n"
            "def calculate_svm_cost_gradient(X, y, W, b):\n    active = y * (X @ W + b) < 1\n"
            "    return W - (active * y) @ X / len(y), -np.mean(active * y)\n"
        ),
        ("return W -", "return 2 * W -"),
    ),
    "compute_cost_logistic": (
        (
            "def compute_cost_logistic(X, y, w, b):\n    p = 1 / (1 + np.exp(-(X @ w + b)))\n"
            "    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))\n\n\n"
            "def compute_gradient_logistic(X, y, w, b):\n    e = 1 / (1 + np.exp(-(X @ w + b))) - y\n"
            "    dj_dw, dj_db = X.T @ e / len(y), e.mean()\n    return dj_dw, dj_db\n"
        ),
        ("X.T @ e / len(y)", "X.T @ e"),
    ),
    "compute_loss": (
        (
            "def compute_loss(y, tx, w):\n    e = y.reshape((len(y), 1)) - tx @ w.reshape((-1, 1))\n"
            "    return np.mean(e**2) / 2\n\n\n"
            "def compute_gradient(y, tx, w):\n    e = y.reshape((len(y), 1)) - tx @ w.reshape((-1, 1))\n"
            "    return -tx.T @ e / len(e)\n"
        ),
        ("-tx.T @ e", "tx.T @ e"),
    ),
    "squares": (
        (
            "def squares(predict, true):\n    return np.sum((predict - true)**2, axis=(0, 1))[0]\n\n\n"
            "def squares_derivative(predict, true):\n    return 2 * (predict - true)\n"
        ),
        ("2 * (predict", "3 * (predict"),
    ),
    "bent_grad": (
        (
            "def bent_grad(pred, target):\n    e = pred - target\n"
            "    loss = np.mean(np.where(abs(e) < 1, e * e / 2, abs(e) - 0.5))\n"
            "    grad = np.clip(e, -1, 1) / e.size\n    return grad, float(loss)\n"
        ),
        ("np.clip(e, -1, 1)", "np.clip(e, -2, 2)"),
    ),
    "SoftmaxLoss": (
        (
            "class SoftmaxLoss:\n    def forward(self, Z, Y):\n        self.N, self.Y = len(Z), Y\n"
            "        Z = Z - Z.max(axis=1, keepdims=True)\n        self.p = np.exp(Z)\n"
            "        self.p /= self.p.sum(1, keepdims=True)\n        log_p = Z + np.log(self.p.max(1, keepdims=True))\n"
            "        return np.ones((1, self.N)) @ (-Y * log_p) @ np.ones((Z.shape[1], 1)) / self.N\n\n"
            "    def backward(self):\n        return (self.p - self.Y) / self.N\n"
        ),
        ("(self.p - self.Y) / self.N", "(self.p - self.Y) / self.p.size"),
    ),
    "picked": (
        (
            "def picked(logits, targets):\n    t = np.asarray(targets).astype(np.int64)\n"
            "    return np.exp(logits[np.arange(len(t)), t]).mean(), (logits, t)\n\n\n"
            "def picked_backward(dout, cache):\n    logits, t = cache\n    d, rows = 0 * logits, np.arange(len(t))\n"
            "    d[rows, t] = dout * np.exp(logits[rows, t]) / len(t)\n    return d\n"
        ),
        ("/ len(t)", "/ logits.size"),
    ),
    "rows_forward": (
        (
            "def rows_forward(logits, y_onehot):\n    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)\n"
            "    return -np.sum(y_onehot * np.log(p + 1e-12)) / len(p), (p, y_onehot)\n\n\n"
            "def rows_backward(dloss, cache):\n    p, y = cache\n    return dloss * (p - y) / len(p)\n"
        ),
        ("(p - y) / len(p)", "(p - y) / p.size"),
    ),
}


@pytest.mark.parametrize("name", one_in(5, LOSSES))
def test_losses_without_a_cotangent(name: str, tmp_path: Path, gradcheck: Program) -> None:
    text, (old, new) = LOSSES[name]
    assert old in text
    for verdict, code in (("pass", text), ("fail", text.replace(old, new))):
        (tmp_path / "loss.py").write_text(f"import numpy as np\n\n\n{code}", encoding="utf-8")
        results = [one for one in report_of(gradcheck("loss.py", "--json", "-"))["results"] if one["verdict"] != "skip"]
        assert {one["implementation"].partition(":")[2].partition(",")[0] for one in results} == {name}
        verdicts = {one["verdict"] for one in results}
        assert verdict in verdicts
        assert verdict == "fail" or verdicts == {"pass"}
