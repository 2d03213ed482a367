"""Backward passes that update the parameters themselves, at a learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.results.result import Verdict
from tests.implementation.forms.checked import Form
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

_COLUMNS = """\
class Dense:
    def __init__(self, input_size, output_size):
        self.weights = np.random.randn(output_size, input_size)
        self.bias = np.random.randn(output_size, 1)

    def forward(self, input):
        self.input = input
        return self.weights @ input + self.bias

    def backward(self, output_gradient, learning_rate):
        dx, dw = self.weights.T @ output_gradient, output_gradient @ self.input.T
        self.weights -= learning_rate * dw
        self.bias -= learning_rate * output_gradient{summed}
        return dx
"""
_ROWS = """\
class Linear:
    def __init__(self, n_in, n_out{taken}):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)
        {kept}

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad{given}):
        dx = grad @ self.W.T
        dW, db = self.x.T @ grad, grad.sum(0)
        self.W = self.W - {rate} * dW
        self.b = self.b - {rate} * db
        return dx
"""


def _rows(taken: str = "", kept: str = "pass", given: str = "", rate: str = "lr") -> str:
    return _ROWS.format(taken=taken, kept=kept, given=given, rate=rate)


_BY_AN_OPTIMIZER = """\
class Linear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, grad, optimizer{default}):
        dW, db, W = self.x.T @ grad, grad.sum(0), self.W
        {step}
        return grad @ W.T
"""


def _by_an_optimizer(step: str, default: str = "") -> str:
    return _BY_AN_OPTIMIZER.format(step=step, default=default)


FORMS = {
    "one sample": Form(
        shows="updates classes one-sample columns",
        layer="affine",
        text=_COLUMNS.format(summed=""),
        understood=("samples as columns", "one sample at a time"),
        wrong=("learning_rate * dw", "learning_rate * 2 * dw"),
    ),
    "batch": Form(
        shows="updates classes columns",
        layer="affine",
        text=_COLUMNS.format(summed=".sum(1, keepdims=True)"),
        understood=("samples as columns",),
        wrong=("learning_rate * dw", "learning_rate * dw / 7"),
    ),
    "rows": Form(layer="affine", text=_rows(given=", lr"), wrong=("- lr * dW", "+ lr * dW")),
    "default": Form(layer="affine", text=_rows(given=", lr=0.1"), wrong=("grad.sum(0)", "grad.mean(0)")),
    "kept": Form(
        layer="affine",
        text=_rows(", learning_rate=0.01", "self.learning_rate = learning_rate", rate="self.learning_rate"),
        wrong=("grad @ self.W.T", "2 * grad @ self.W.T"),
    ),
    "kept and required": Form(
        layer="affine", text=_rows(", eta", "self.eta = eta", rate="self.eta"), wrong=("self.x.T @", "-self.x.T @")
    ),
    "constant": Form(
        layer="affine", text=_rows(kept="self.lr = 1e-3", rate="self.lr"), wrong=("self.x.T @", "-self.x.T @")
    ),
    "a number": Form(layer="affine", text=_rows(rate="0.05"), wrong=("self.x.T @", "-self.x.T @")),
    "a number of the file": Form(
        layer="affine", text=f"ETA = 0.01\n\n\n{_rows(rate='ETA')}", wrong=("grad.sum(0)", "grad.mean(0)")
    ),
    "updated before dx": Form(
        layer="affine",
        text=_rows(given=", lr")
        .replace("dx = grad @ self.W.T", "W = self.W")
        .replace("return dx", "return grad @ W.T"),
        wrong=("grad @ W.T", "grad @ self.W.T"),
    ),
    "by an optimizer, in place": Form(
        layer="affine",
        text=_by_an_optimizer("optimizer.update([self.W, self.b], [dW, db], 'linear')"),
        wrong=("grad.sum(0)", "grad.mean(0)"),
    ),
    "by an optimizer that may be left out, in dictionaries": Form(
        layer="affine",
        text=_by_an_optimizer("optimizer and optimizer.step({0: self.W, 1: self.b}, {0: dW, 1: db})", "=None"),
        wrong=("self.x.T @", "2 * self.x.T @"),
    ),
    "by an optimizer, which returns them": Form(
        layer="affine",
        text=_by_an_optimizer("self.W = optimizer(self.W, dW); self.b[...] = optimizer(self.b, db)"),
        wrong=("grad @ W.T", "grad @ self.W.T"),
    ),
}

#: Rules by which a parameter is changed, and no gradient can be told from the change.
UNREADABLE = {
    "rate unknown": (_rows(rate="0.1 / 10"), "at a rate that is not known"),
    "decay": (
        _rows(given=", lr", rate="lr").replace("* dW", "* (dW + 0.1 * self.W)"),
        "from which its gradient cannot be read",
    ),
    "sign": (_rows(given=", lr", rate="lr").replace("* dW", "* np.sign(dW)"), "from which its gradient cannot be read"),
    "adaptive": (
        _rows(given=", lr").replace("* dW", "* dW / (np.sqrt(dW**2) + 1e-8)"),
        "from which its gradient cannot be read",
    ),
    "set up by what is not there": (
        _rows(given=", lr") + "\n    def initialize(self):\n        self.W = self.W[self.scales]\n",
        "initialize raised AttributeError",
    ),
}


@pytest.mark.parametrize("name", one_in(2, FORMS))
def test_gradients_are_read_off_the_update(name: str, tmp_path: Path) -> None:
    FORMS[name].assert_understood(tmp_path)


def test_a_change_that_is_no_multiple_of_the_gradient_is_not_judged(tmp_path: Path) -> None:
    for name, (text, why) in UNREADABLE.items():
        _, found = Form(layer="affine", text=text).results(tmp_path / f"{name}.py")
        assert {result.verdict for result in found} == {Verdict.SKIP}
        assert all(result.reason and why in result.reason for result in found)
