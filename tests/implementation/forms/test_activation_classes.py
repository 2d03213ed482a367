"""Activations as classes whose backward pass is the slope, and takes no cotangent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.implementation.forms.checked import Form
from tests.sampling import in_parts

if TYPE_CHECKING:
    from pathlib import Path

FORMS = {
    "called": Form(
        layer="sigmoid",
        text=(
            "class Sigmoid:\n    def __call__(self, x):\n        return 1 / (1 + np.exp(-x))\n\n"
            "    def gradient(self, x):\n        return self(x) * (1 - self(x))\n"
        ),
        understood=("without a cotangent",),
        wrong=("(1 - self(x))", "(1 + self(x))"),
    ),
    "of the output": Form(
        layer="tanh",
        text=(
            "class TanH:\n    def activate(self, z):\n        return np.tanh(z)\n\n"
            "    def derivative(self, a):\n        return 1 - a**2\n"
        ),
        wrong=("1 - a**2", "1 - a"),
    ),
    "a step": Form(
        layer="relu",
        text=(
            "class ReLU:\n    def forward(self, x):\n        return np.maximum(x, 0)\n\n"
            "    def grad(self, x):\n        return np.where(x > 0, 1, 0)\n"
        ),
        wrong=("x > 0", "x < 0"),
    ),
    "static": Form(
        layer="relu",
        asked=True,
        text=(
            "class Relu:\n    @staticmethod\n    def forward(x):\n        return x * (x > 0)\n\n"
            "    @staticmethod\n    def prime(x):\n        return x > 0\n"
        ),
        wrong=("return x > 0", "return x < 1"),
    ),
    "with a cotangent": Form(
        layer="relu",
        text=(
            "class ReLU:\n    def forward(self, x):\n        self.on = x > 0\n        return x * self.on\n\n"
            "    def backward(self, x):\n        return self.on * x\n"
        ),
        wrong=("self.on * x", "self.on * 2 * x"),
    ),
}


@in_parts(3)
def test_slopes_are_methods_too(part: int, tmp_path: Path) -> None:
    for name, form in list(FORMS.items())[part::3]:
        (tmp_path / name).mkdir()
        form.assert_understood(tmp_path / name)
