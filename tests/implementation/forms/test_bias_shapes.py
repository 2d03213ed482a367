"""Gradients of a bias that a class keeps as (M,) or (1, M): in its own shape they are right, in any other wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.results.result import Verdict
from tests.implementation.forms.checked import Form
from tests.sampling import in_parts, one_in

if TYPE_CHECKING:
    from pathlib import Path

CLASS = """\
class {name}:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out), np.zeros({shape})

    def forward(self, x):
        self.x, self.out = x, {activation}(x @ self.W + self.b)
        return self.out

    def backward(self, dout):
        dout = dout * {slope}
        self.dW, self.db = self.x.T @ dout, {db}
        return dout @ self.W.T
"""

#: By the shape of the bias, gradients that are right, of which an update would give the bias, and wrong ones.
GRADIENTS = {
    "(n_out,)": (
        ["dout.sum(0)"],
        ["dout.sum(0, keepdims=True)", "dout.sum()"],
    ),
    "(1, n_out)": (
        ["dout.sum(0)", "dout.sum(0, keepdims=True)"],
        ["dout.sum()", "dout.sum(1, keepdims=True)"],
    ),
}


#: Of the layer that is known and of one that is not: what forward applies, and its slope.
ACTIVATIONS = {"Linear": ("", "1"), "Mixer": ("np.tanh", "(1 - self.out**2)")}


@in_parts(2)
@pytest.mark.parametrize("name", one_in(2, ACTIVATIONS))
def test_the_gradient_of_a_bias_has_its_shape(name: str, part: int, tmp_path: Path) -> None:
    activation, slope = ACTIVATIONS[name]
    for shape, (right, wrong) in GRADIENTS.items():
        for number, db in enumerate([*right[part::2], *wrong[part::2]]):
            text = CLASS.format(name=name, shape=shape, activation=activation, slope=slope, db=db)
            _, outcomes = Form(text=text, most=1).results(tmp_path / f"layer{number}.py")
            verdicts = {outcome.verdict for outcome in outcomes} - {Verdict.SKIP}
            assert verdicts == {Verdict.PASS} if db in right else Verdict.FAIL in verdicts, (shape, db)
        tmp_path = tmp_path / "next"
        tmp_path.mkdir()
