"""Losses without a cotangent, as classes with `loss` and `gradient`, and as pairs: only predictions have a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.conftest import report_of

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
    "rows_forward": (
        (
            "def rows_forward(logits, y_onehot):\n    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)\n"
            "    return -np.sum(y_onehot * np.log(p + 1e-12)) / len(p), (p, y_onehot)\n\n\n"
            "def rows_backward(dloss, cache):\n    p, y = cache\n    return dloss * (p - y) / len(p)\n"
        ),
        ("(p - y) / len(p)", "(p - y) / p.size"),
    ),
}


def test_losses_without_a_cotangent(tmp_path: Path, gradcheck: Program) -> None:
    assert all(old in text for text, (old, _) in LOSSES.values())
    for name, texts in (
        ("right.py", [text for text, _ in LOSSES.values()]),
        ("wrong.py", [text.replace(*slip) for text, slip in LOSSES.values()]),
    ):
        (tmp_path / name).write_text("import numpy as np\n\n\n" + "\n\n".join(texts), encoding="utf-8")
    run = gradcheck("right.py", "--json", "-")
    assert run.returncode == 0, run.stdout + run.stderr
    ran = [result for result in report_of(run)["results"] if result["verdict"] != "skip"]
    assert {result["verdict"] for result in ran} == {"pass"}
    checked = {result["implementation"].partition(":")[2].partition(",")[0] for result in ran}
    assert checked == set(LOSSES)
    wrong = report_of(gradcheck("wrong.py", "--json", "-"))["results"]
    failed = {r["implementation"].partition(":")[2].partition(",")[0] for r in wrong if r["verdict"] == "fail"}
    assert failed == set(LOSSES)
