"""Functions that return their backward pass, and names of functions that return a number with its gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import check, check_function
from tests.conftest import report_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

#: Functions, and what makes each wrong.
MAKERS = {
    "affine": (
        (
            "def affine(x, w, b):\n    def backward(dout):\n        return dout @ w.T, x.T @ dout, dout.sum(0)\n\n"
            "    return x @ w + b, backward\n"
        ),
        ("dout.sum(0)", "dout.mean(0)"),
    ),
    "tanh_vjp": (
        "def tanh_vjp(x):\n    y = np.tanh(x)\n    return y, lambda g: g * (1 - y**2)\n",
        ("1 - y**2", "1 - y"),
    ),
    "form": (
        (
            "def form(x, A, y):\n    def pullback(g):\n        d = g[:, None]\n"
            "        return d * (y @ A.T), np.einsum('n,ni,nj->ij', g, x, y), d * (x @ A)\n\n"
            "    return np.einsum('ni,ij,nj->n', x, A, y), pullback\n"
        ),
        ("d * (x @ A)", "x @ A"),
    ),
    "energy": (
        "def energy(x):\n    def grad():\n        return 2 * x\n\n    return (x**2).sum(), grad\n",
        ("2 * x", "x"),
    ),
    "split": (
        (
            "def split(x, w):\n    def back(dleft, dright):\n        return dleft * w + dright, dleft * x\n\n"
            "    return x * w, x, back\n"
        ),
        ("dleft * w + dright", "dleft * w"),
    ),
}
_HELPER = "def timed(function):\n    def inner(*args):\n        return function(*args)\n\n    return inner\n"


@pytest.mark.parametrize("names", ["affine tanh_vjp form", pytest.param(" ".join(MAKERS), marks=pytest.mark.long)])
def test_a_function_that_returns_its_backward_pass_is_checked(names: str, tmp_path: Path, gradcheck: Program) -> None:
    makers = {name: MAKERS[name] for name in names.split()}
    text = "\n\n".join(["import numpy as np\n", _HELPER, *(text for text, _ in makers.values())])
    (tmp_path / "right.py").write_text(text, encoding="utf-8")
    for old, new in (slip for _, slip in makers.values()):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "wrong.py").write_text(text, encoding="utf-8")
    run = gradcheck("right.py", "--json", "-")
    assert run.returncode == 0, run.stdout + run.stderr
    layers = {one["implementation"].partition(":")[2]: one["layer"] for one in report_of(run)["results"]}
    assert layers == {**dict.fromkeys(makers, "function"), "affine": "affine", "tanh_vjp": "tanh"}
    wrong = report_of(gradcheck("wrong.py", "--json", "-"))["results"]
    assert {one["implementation"] for one in wrong if one["verdict"] == "fail"} == {f"wrong.py:{n}" for n in makers}
    assert gradcheck("affine", "right.py:affine", "--N", "2").returncode == 0
    run = gradcheck("affine", "wrong.py", "--N", "2")
    assert run.returncode == 1
    assert "in affine" in run.stdout  # where it is written


def test_it_is_checked_in_python() -> None:
    def cube(x: Any) -> Any:
        return x**3, lambda dout: 3 * x**2 * dout

    def relu(x: Any) -> Any:
        return np.maximum(x, 0), lambda dout: dout * (x >= 1)

    assert check_function(cube, None, np.array([1.0, 2.0])).passed
    assert not check("relu", relu).passed


@pytest.mark.long
def test_names_tell_a_loss_with_its_gradient_from_a_backward_pass(tmp_path: Path, gradcheck: Program) -> None:
    (tmp_path / "mine.py").write_text(
        "import numpy as np\n\n\ndef value_and_grad(x):\n    return (x**2).sum(), 2 * x\n\n\n"
        "def kl_loss(mu, logvar):\n    return -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar))\n\n\n"
        "def kl_loss_grad(mu, logvar):\n    return mu, 0.5 * (np.exp(logvar) - 1)\n\n\n"
        "def kl_divergence_backward(mu, logvar):\n    return mu, 0.5 * (np.exp(logvar) - 1)\n",
        encoding="utf-8",
    )
    run = gradcheck("mine.py", "--json", "-")
    assert run.returncode == 0, run.stdout
    assert {one["implementation"] for one in report_of(run)["results"]} == {
        "mine.py:value_and_grad",
        "mine.py:kl_loss,kl_loss_grad",
    }
    (tmp_path / "wrong.py").write_text((tmp_path / "mine.py").read_text().replace("return mu, 0.5", "return mu, 1.5"))
    assert gradcheck("wrong.py").returncode == 1
