"""Wrong slopes of activations as students write them; and the right ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.layers import LAYERS
from tests.layers.lines import assert_named, run_lines, sigmoid

OUT = {"tanh": np.tanh, "sigmoid": sigmoid, "relu": lambda x: np.maximum(x, 0)}

#: Of each activation gradients, of x, out and dout, with the code of those that are wrong.
GRADIENTS: list[tuple[str, str | None, str]] = [
    ("tanh", None, "dout * (1 - out) * (1 + out)"),
    ("tanh", "tanh-slope", "dout * (1 - x**2)"),
    ("tanh", "tanh-slope", "dout * (1 - np.tanh(out) ** 2)"),
    ("tanh", "tanh-slope", "dout * (1 - out)"),
    ("tanh", "tanh-slope", "dout * out * (1 - out)"),
    ("tanh", "slope-missing", "dout"),
    ("sigmoid", None, "dout * np.exp(-x) * out**2"),
    ("sigmoid", "sigmoid-slope", "dout * x * (1 - x)"),
    ("sigmoid", "sigmoid-slope", "dout * sigmoid(out) * (1 - sigmoid(out))"),
    ("sigmoid", "sigmoid-slope", "dout * (1 - out)"),
    ("sigmoid", "sigmoid-slope", "dout * (1 - out**2)"),
    ("sigmoid", "slope-missing", "dout"),
    ("relu", None, "np.where(x > 0, dout, 0)"),
    ("relu", "mask-ignored", "dout"),
    ("relu", "mask-of-dout", "np.maximum(dout, 0)"),
    ("relu", "mask-inverted", "np.where(x > 0, 0, dout)"),
    ("relu", "slope-missing", "dout * out"),
]


def test_slopes_of_activations_are_named() -> None:
    for layer, code, line in GRADIENTS:
        out = OUT[layer]

        def forward(x: Any, out: Any = out) -> Any:
            return out(x), x

        def backward(dout: Any, x: Any, out: Any = out, line: str = line) -> Any:
            return run_lines({"dx": line}, x=x, out=out(x), dout=dout)["dx"]

        cases = sorted(LAYERS[layer].standard(), key=lambda case: LAYERS[layer].problem(case).expected.size)
        assert_named(line, cases[-3:], (forward, backward), code)
