"""The logistic sigmoid, 1 / (1 + exp(-x)), and what is like it: tanh, softplus and the sigmoid linear unit."""

from __future__ import annotations

import numpy as np

from gradcheck_cli.layers.elementwise.elementwise import (
    ElementwiseCase,
    activation,
    sigmoid_slopes,
    tanh_slopes,
    wrong_slopes,
)
from gradcheck_cli.numeric.arrays import Array


def sigmoid_forward(x: Array) -> tuple[Array, Array]:
    """Return 1 / (1 + exp(-x)), and it again as the cache."""
    small = np.exp(-abs(x))  # at most 1: nothing overflows
    out = np.where(x >= 0, 1 / (1 + small), small / (1 + small))
    return out, out


def sigmoid_backward(dout: Array, cache: Array) -> Array:
    """Return dx: with s = 1 / (1 + exp(-x)), ds/dx = exp(-x) s^2 = s (1 - s)."""
    return np.asarray(dout * cache * (1 - cache))


_FAULTS = wrong_slopes("the sigmoid", "dx = dout out (1 - out), with out = sigmoid(x).", *sigmoid_slopes("x", "out"))
LAYER = activation(ElementwiseCase.named("sigmoid"), (sigmoid_forward, sigmoid_backward), faults=lambda _: _FAULTS)


def tanh_forward(x: Array) -> tuple[Array, Array]:
    """Return tanh(x), and it again as the cache."""
    out = np.tanh(x)
    return out, out


def tanh_backward(dout: Array, cache: Array) -> Array:
    """Return dx: d tanh(x)/dx = 1 - tanh(x)^2, from sinh/cosh and cosh^2 - sinh^2 = 1."""
    return np.asarray(dout * (1 - cache * cache))


_TANH_FAULTS = wrong_slopes("tanh", "dx = dout (1 - out^2), with out = tanh(x).", *tanh_slopes("x", "out"))
TANH = activation(ElementwiseCase.named("tanh"), (tanh_forward, tanh_backward), faults=lambda _: _TANH_FAULTS)


def softplus_forward(x: Array) -> tuple[Array, Array]:
    """Return log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), in which nothing overflows, and x as the cache."""
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x))), x


def softplus_backward(dout: Array, x: Array) -> Array:
    """Return dx: d log(1 + exp(x))/dx = exp(x) / (1 + exp(x)) = sigmoid(x).

    (Glorot, Bordes and Bengio, Deep sparse rectifier neural networks, 2011.)
    """
    return np.asarray(dout * sigmoid_forward(x)[0])


_SOFTPLUS_FAULTS = wrong_slopes(
    "softplus",
    "dx = dout sigmoid(x).",
    ("slope-missing", "left out", "np.ones_like(x)"),
    ("activation-slope", "1 / (1 + exp(x)), that of log without that of exp", "sigmoid(-x)"),
    ("activation-slope", "exp(x), without the division by 1 + exp(x)", "np.exp(x)"),
    ("sigmoid-slope", "s (1 - s), that of a sigmoid s", "sigmoid(x) * (1 - sigmoid(x))"),
    ("activation-slope", "sigmoid(out), not sigmoid(x)", "sigmoid(np.logaddexp(0, x))"),
)
SOFTPLUS = activation(
    ElementwiseCase.named("softplus"), (softplus_forward, softplus_backward), faults=lambda _: _SOFTPLUS_FAULTS
)


def silu_forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    """Return x s with s = sigmoid(x), and (x, s) as the cache."""
    s, _ = sigmoid_forward(x)
    return x * s, (x, s)


def silu_backward(dout: Array, cache: tuple[Array, Array]) -> Array:
    """Return dx: with s = sigmoid(x) and s' = s (1 - s), d(x s)/dx = s + x s (1 - s).

    (Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, 2018, equation 6.)
    """
    x, s = cache
    return np.asarray(dout * (s + x * s * (1 - s)))


_SILU_FAULTS = wrong_slopes(
    "the SiLU",
    "dx = dout (s + x s (1 - s)), with s = sigmoid(x).",
    ("slope-missing", "left out", "np.ones_like(x)"),
    ("product-rule", "s, without the x s (1 - s) that x multiplies", "sigmoid(x)"),
    ("product-rule", "x s (1 - s), without the s of the other factor", "x * sigmoid(x) * (1 - sigmoid(x))"),
    ("product-rule", "s (1 - s), that of a sigmoid", "sigmoid(x) * (1 - sigmoid(x))"),
    ("product-rule", "s + s (1 - s), without the factor x", "sigmoid(x) * (2 - sigmoid(x))"),
    ("activation-slope", "out + s, where out + s (1 - out) is right", "sigmoid(x) * (x + 1)"),
    ("activation-slope", "out + s (1 - s)", "x * sigmoid(x) + sigmoid(x) * (1 - sigmoid(x))"),
)
SILU = activation(ElementwiseCase.named("silu"), (silu_forward, silu_backward), faults=lambda _: _SILU_FAULTS)
