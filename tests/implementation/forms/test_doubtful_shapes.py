"""Shapes for which a wrong gradient looks right, or a right one wrong, and commands that say what is meant."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli.implementation.finding.kinds import flag_of
from tests.conftest import report_of
from tests.sampling import in_parts, one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

#: Losses whose gradient is right, and what makes it wrong: for a single prediction, both are the same.
LOSSES = {
    "log_loss": (
        (
            "def log_loss(y_true, y_pred):\n"
            "    return np.mean(-y_true * np.log(y_pred) - (1 - y_true) * np.log1p(-y_pred))\n\n\n"
            "def log_loss_prime(y_true, y_pred):\n"
            "    return (y_pred - y_true) / (y_pred * (1 - y_pred)) / np.size(y_pred)\n"
        ),
        (" / np.size(y_pred)", ""),
    ),
    "MeanOfSquares": (
        (
            "class MeanOfSquares:\n    def __call__(self, y_true, y_pred):\n"
            "        self.y_true, self.y_pred = y_true, y_pred\n        return np.mean((y_pred - y_true) ** 2)\n\n"
            "    def backward(self):\n        return 2 * (self.y_pred - self.y_true) / self.y_pred.size\n"
        ),
        ("2 * (self.y_pred - self.y_true) / self.y_pred.size", "2 * np.mean(self.y_pred - self.y_true)"),
    ),
    "Kept": (
        (
            "class Criterion:\n    def __call__(self, y_pred, y_true):\n"
            "        self.y_pred, self.y_true = y_pred, y_true\n        return self.forward(y_pred, y_true)\n\n"
            "    def forward(self, y_pred, y_true):\n        raise NotImplementedError\n\n"
            "    def backward(self):\n        raise NotImplementedError\n\n\n"
            "class Kept(Criterion):\n    def forward(self, y_pred, y_true):\n"
            "        return np.mean((y_pred - y_true) ** 2)\n\n"
            "    def backward(self):\n        return 2 * (self.y_pred - self.y_true) / self.y_pred.size\n"
        ),
        ("2 * (self.y_pred - self.y_true)", "(self.y_pred - self.y_true)"),
    ),
}

#: A loss that returns probabilities, which are no gradient, and a backward pass that takes them.
FROM_PROBABILITIES = (
    "def cross_entropy_loss(logits, targets):\n    e = np.exp(logits - logits.max(-1, keepdims=True))\n"
    "    probs = e / e.sum(-1, keepdims=True)\n    rows = np.arange(len(targets))\n"
    "    loss = -np.log(probs[rows, targets]).mean()\n    return loss, probs\n\n\n"
    "def cross_entropy_backward(probs, targets):\n    dlogits = probs.copy()\n"
    "    dlogits[np.arange(len(targets)), targets] -= 1\n    return dlogits / len(targets)\n"
)

#: Right for vectors, and run with matrices, too.
FOR_VECTORS = {
    "dotted": (
        "def dotted(a, b):\n    return a @ b, (a, b)\n\n\n"
        "def dotted_backward(dout, cache):\n    a, b = cache\n    return dout * b, dout * a\n"
    ),
    "five": (
        "def five(a, b, c, d, e):\n    return a @ b + c @ d + (e * e).sum()\n\n\n"
        "def five_backward(dout, a, b, c, d, e):\n"
        "    return dout * b, dout * a, dout * d, dout * c, 2 * dout * e\n"
    ),
    "conv1d": (
        "def conv1d(x, kernel):\n    steps = range(len(x) - len(kernel) + 1)\n"
        "    return np.array([x[i : i + len(kernel)] @ kernel for i in steps])\n\n\n"
        "def conv1d_backward(dout, x, kernel):\n    dx, dkernel = np.zeros_like(x), np.zeros_like(kernel)\n"
        "    for i, d in enumerate(dout):\n        dx[i : i + len(kernel)] += d * kernel\n"
        "        dkernel += d * x[i : i + len(kernel)]\n    return dx, dkernel\n"
    ),
}


def _results(folder: Path, gradcheck: Program, text: str) -> list[dict[str, Any]]:
    (folder / "mine.py").write_text(f"import numpy as np\n\n\n{text}", encoding="utf-8")
    results: list[dict[str, Any]] = report_of(gradcheck("mine.py", "--json", "-"))["results"]
    return results


@pytest.mark.parametrize("name", one_in(3, LOSSES))
def test_a_loss_is_checked_for_several_predictions(name: str, tmp_path: Path, gradcheck: Program) -> None:
    text, slip = LOSSES[name]
    right, wrong = (
        {one["verdict"] for one in _results(tmp_path, gradcheck, code)} for code in (text, text.replace(*slip))
    )
    assert "pass" in right <= {"pass", "skip"}
    assert wrong & {"fail", "error"} or name == "MeanOfSquares"
    assert "pass" not in wrong


def test_a_loss_that_returns_probabilities_goes_with_its_backward(tmp_path: Path, gradcheck: Program) -> None:
    assert {one["verdict"] for one in _results(tmp_path, gradcheck, FROM_PROBABILITIES)} <= {"pass", "skip"}
    wrong = FROM_PROBABILITIES.replace("return dlogits / len(targets)", "return dlogits")
    found = _results(tmp_path, gradcheck, wrong)
    assert "pass" not in {one["verdict"] for one in found}
    assert "fail" in {one["verdict"] for one in found}, [one["reason"] for one in found]


@in_parts(2)
def test_what_is_right_for_vectors_is_skipped_with_a_command_that_passes(
    part: int, tmp_path: Path, gradcheck: Program
) -> None:
    for name, text in [*FOR_VECTORS.items()][part::2]:
        (skipped,) = _results(tmp_path, gradcheck, text)
        assert skipped["verdict"] == "skip", name
        assert re.search("the gradient is right for .*, and wrong for .*; give what is meant", skipped["reason"]), name
        command = re.search(r"gradcheck (function mine\.py.*)", skipped["reason"])
        assert command, skipped["reason"]
        assert gradcheck(*shlex.split(command[1])).returncode == 0
        (tmp_path / "mine.py").write_text(
            f"import numpy as np\n\n\n{text}".replace("dout * b, dout * a", "dout * a, dout * b")
            .replace("d * kernel", "kernel")
            .replace("return 2 * (y", "return (y"),
            encoding="utf-8",
        )
        assert gradcheck(*shlex.split(command[1])).returncode == 1, name


def test_what_needs_a_module_that_is_not_there_is_skipped(tmp_path: Path, gradcheck: Program) -> None:
    text = (
        "import absent_module\n\n\nclass Swish(absent_module.Function):\n    @staticmethod\n    def forward(ctx, x):\n"
        "        s = absent_module.sigmoid(x)\n        ctx.kept = x, s\n        return x * s\n\n"
        "    @staticmethod\n    def backward(ctx, dout):\n        x, s = ctx.kept\n"
        "        return dout * s * (1 + x * (1 - s))\n\n\n"
        "class Warp(absent_module.Function):\n    @staticmethod\n    def forward(ctx, x):\n"
        "        ctx.kept = x.warp()\n        return ctx.kept\n\n"
        "    @staticmethod\n    def backward(ctx, dout):\n        return dout * ctx.kept\n"
    )
    for result in _results(tmp_path, gradcheck, text):
        assert result["verdict"] == "skip"
        assert "it needs absent_module, which is not installed" in result["reason"]
    text = text.replace("absent_module.sigmoid(x)", "1 / (1 + np.exp(-x))").replace("x.warp()", "np.exp(x)")
    assert {result["verdict"] for result in _results(tmp_path, gradcheck, text)} == {"pass"}


def test_flags_that_a_command_gives_arguments() -> None:
    assert flag_of("num_heads") == "--value num_heads=2"
    assert flag_of("x") == "--shape x=2x3"
    assert flag_of("y_true") == "--labels y_true=2:3"
    assert flag_of("W", made_with=True) == "--shape W=3x4"
    assert flag_of("n_out", made_with=True) == "--value n_out=3"
    for name in ("activation", "activation_prime", "act_fn", "loss_function"):
        assert flag_of(name, made_with=True) == ""


def test_a_backward_pass_that_raises_for_all_shapes_is_an_error(tmp_path: Path, gradcheck: Program) -> None:
    text = (
        "class Total:\n    @staticmethod\n    def forward(ctx, x):\n        ctx.kept = x\n        return x.sum()\n\n"
        "    @staticmethod\n    def backward(ctx, dout):\n        (x,) = (ctx.kept,)\n"
        "        return dout * np.ones_like(x)\n"
    )
    assert {one["verdict"] for one in _results(tmp_path, gradcheck, text)} == {"pass"}
    (wrong,) = _results(tmp_path, gradcheck, text.replace("(x,) = (ctx.kept,)", "x = ctx.saved"))
    assert wrong["verdict"] == "error"
    assert "backward raised AttributeError" in wrong["reason"]
