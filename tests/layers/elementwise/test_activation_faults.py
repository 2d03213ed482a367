"""Wrong slopes of activations as students write them; and the right ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gradcheck_cli.layers import LAYERS
from tests.layers.lines import assert_named, run_lines, sigmoid
from tests.sampling import in_parts


def phi(x: Any) -> Any:
    return np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))(x)


def density(x: Any) -> Any:
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


OUT = {
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: np.log(1 + np.exp(x)),
    "leaky-relu": lambda x: np.where(x > 0, x, 0.01 * x),
    "elu": lambda x: np.where(x > 0, x, np.exp(x) - 1),
    "gelu": lambda x: x * phi(x),
}

#: The parameters of these functions.
USUAL: list[dict[str, Any]] = [{}, {"alpha": 0.01}, {"alpha": 1.0}, {"approximate": "none"}]

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
    ("silu", None, "dout * (out + sigmoid(x) * (1 - out))"),
    ("silu", "slope-missing", "dout"),
    ("silu", "product-rule", "dout * sigmoid(x)"),
    ("silu", "product-rule", "dout * x * sigmoid(x) * (1 - sigmoid(x))"),
    ("silu", "product-rule", "dout * sigmoid(x) * (1 - sigmoid(x))"),
    ("silu", "activation-slope", "dout * (out + sigmoid(x) * (1 - sigmoid(x)))"),
    ("silu", "activation-slope", "dout * (out + sigmoid(x))"),
    ("softplus", None, "dout * np.exp(x) / (1 + np.exp(x))"),
    ("softplus", None, "dout * (1 - np.exp(-out))"),
    ("softplus", "slope-missing", "dout"),
    ("softplus", "activation-slope", "dout / (1 + np.exp(x))"),
    ("softplus", "activation-slope", "dout * np.exp(x)"),
    ("softplus", "activation-slope", "dout * sigmoid(out)"),
    ("softplus", "sigmoid-slope", "dout * sigmoid(x) * (1 - sigmoid(x))"),
    ("leaky-relu", None, "np.where(x < 0, 0.01 * dout, dout)"),
    ("leaky-relu", "leak-missing", "dout * (x > 0)"),
    ("leaky-relu", "leak-missing", "np.where(x > 0, dout, dout * out)"),
    ("leaky-relu", "mask-ignored", "dout"),
    ("leaky-relu", "mask-inverted", "np.where(x < 0, dout, 0.01 * dout)"),
    ("elu", None, "dout * np.where(x > 0, 1, out + 1)"),
    ("elu", "activation-slope", "dout * np.where(x > 0, 1, out)"),
    ("elu", "activation-slope", "dout * (x > 0)"),
    ("elu", "activation-slope", "dout * np.where(x > 0, 1, np.exp(out))"),
    ("elu", "mask-ignored", "dout"),
    ("elu", "mask-ignored", "dout * np.exp(x)"),
    ("gelu", None, "dout * (phi(x) + x * density(x))"),
    ("gelu", "product-rule", "dout * phi(x)"),
    ("gelu", "product-rule", "dout * (phi(x) + density(x))"),
    ("gelu", "activation-slope", "dout * (phi(x) + x * np.exp(-x * x / 2))"),
    ("gelu", "activation-slope", "dout * (phi(x) + x * density(x) * np.sqrt(2))"),
    ("gelu", "activation-slope", "dout * (sigmoid(1.702 * x) * (1 + 1.702 * x * (1 - sigmoid(1.702 * x))))"),
    ("gelu", "slope-missing", "dout"),
]


@in_parts(2)
def test_slopes_of_activations_are_named(part: int) -> None:
    for layer, code, line in GRADIENTS[part::2]:
        out = OUT[layer]

        def forward(x: Any, _param: Any = None, out: Any = out) -> Any:
            return out(x), x

        def backward(dout: Any, x: Any, out: Any = out, line: str = line) -> Any:
            return run_lines({"dx": line}, x=x, out=out(x), dout=dout, phi=phi, density=density)["dx"]

        cases = [case for case in LAYERS[layer].standard() if len(case.shapes["x"]) > 1 and case.settings in USUAL]
        cases = sorted(cases, key=lambda case: LAYERS[layer].problem(case).expected.size)
        assert_named(line, cases[-2:], (forward, backward), code)
