"""Pairs as files have them: gradients of one argument alone, of the output, with rows for biases, of fixed lengths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import report_of
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

#: Of each pair, what is replaced to make its gradient wrong.
PAIRS = {
    "cost": (
        (
            "def cost(X, w, y):\n    return np.mean((X @ w - y) ** 2)\n\n\n"
            "def cost_grad(X, w, y):\n    return 2 * X.T @ (X @ w - y) / len(y)\n"
        ),
        ("2 * X.T", "X.T"),
    ),
    "penalty": (
        (
            "def penalty(W, X, Y, C):\n    d = np.maximum(0, 1 - Y * np.dot(X, W))\n"
            "    return np.dot(W, W) / 2 + C * d.sum() / X.shape[0]\n\n\n"
            "def penalty_gradient(W, X_batch, Y_batch, C):\n    dw = np.zeros(len(W))\n"
            "    for y, x in zip(Y_batch, X_batch):\n"
            "        dw += W if y * np.dot(x, W) > 1 else W - C * y * x\n    return dw / len(Y_batch)\n"
        ),
        ("W - C * y", "W + C * y"),
    ),
    "gap": (
        (
            "def gap(actual, predicted):\n    return np.mean((actual - predicted) ** 2)\n\n\n"
            "def gap_grad(actual, predicted):\n    return 2 * (predicted - actual) / actual.size\n"
        ),
        ("(predicted - actual) / ", "(actual - predicted) / "),
    ),
    "softsign": (
        (
            "def softsign(x):\n    return x / (1 + np.abs(x))\n\n\n"
            "def softsign_derivative(a):\n    return (1 - np.abs(a)) ** 2\n"
        ),
        ("** 2", "** 3"),
    ),
    "valley": (
        (
            "def valley(w):\n    return 9 * (w[1] - w[0] ** 2) ** 2 + (1 - w[0]) ** 2\n\n\n"
            "def valley_gradient(w):\n    d = w[1] - w[0] ** 2\n"
            "    return np.array([-36 * w[0] * d - 2 * (1 - w[0]), 18 * d])\n"
        ),
        ("18 * d", "9 * d"),
    ),
    "affine_forward": (
        (
            "def affine_forward(x, w, b):\n    return x @ w + b, (x, w)\n\n\n"
            "def affine_backward(dout, cache):\n    x, w = cache\n"
            "    return dout @ w.T, x.T @ dout, dout.sum(axis=0, keepdims=True)\n"
        ),
        ("dout.sum(", "2 * dout.sum("),
    ),
}


def _verdicts(gradcheck: Program, file: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for result in report_of(gradcheck(file, "--json", "-"))["results"]:
        found.setdefault(result["implementation"].partition(":")[2].partition(",")[0], set()).add(result["verdict"])
    return found


@pytest.mark.parametrize("names", one_in(2, ["gap softsign valley", "cost penalty affine_forward"]))
def test_pairs_as_files_have_them(names: str, tmp_path: Path, gradcheck: Program) -> None:
    pairs = [PAIRS[name] for name in names.split()]
    for name, texts in (
        ("right.py", [text for text, _ in pairs]),
        ("wrong.py", [text.replace(*slip) for text, slip in pairs]),
    ):
        (tmp_path / name).write_text("import numpy as np\n\n\n" + "\n\n".join(texts), encoding="utf-8")
    right, wrong = _verdicts(gradcheck, "right.py"), _verdicts(gradcheck, "wrong.py")
    for name, (text, (old, _)) in zip(names.split(), pairs, strict=True):
        assert old in text
        assert "pass" in right[name] <= {"pass", "skip"}, name
        assert "fail" in wrong[name], name


def test_what_depends_on_the_file_is_skipped(tmp_path: Path, gradcheck: Program) -> None:
    of_file = PAIRS["cost"][0].replace("len(y)", "N")
    updates = (
        "def forward(params, x):\n    w, b = params\n    return x @ w + b\n\n\n"
        "def backward(params, x, lr, grad):\n    params[0] -= lr * x.T @ grad\n    params[1] -= lr * grad.sum(0)\n"
        "    return params\n"
    )
    text = f"import numpy as np\n\nN = 1000\n\n\n{of_file}\n\n{updates}"
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    run = gradcheck("mine.py", "--json", "-")
    reasons = {result["layer"]: result["reason"] for result in report_of(run)["results"]}
    assert "it reads N = 1000 from the file" in reasons["function"]
    assert "not all of its gradients are found" in reasons["affine"]
    assert run.returncode == 2
