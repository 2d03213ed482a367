"""The logistic sigmoid: out = 1 / (1 + exp(-x))."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase, activation, faults, sigmoid_slopes

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


@frozen
class SigmoidCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer: ClassVar[str] = "sigmoid"


def sigmoid_forward(x: Array) -> tuple[Array, Array]:
    """Return 1 / (1 + exp(-x)), and it again as the cache."""
    small = np.exp(-abs(x))  # at most 1: nothing overflows
    out = np.where(x >= 0, 1 / (1 + small), small / (1 + small))
    return out, out


def sigmoid_backward(dout: Array, cache: Array) -> Array:
    """Return dx: with s = 1 / (1 + exp(-x)), ds/dx = exp(-x) s^2 = s (1 - s)."""
    dx: Array = dout * cache * (1 - cache)
    return dx


LAYER = activation(
    SigmoidCase,
    (sigmoid_forward, sigmoid_backward),
    slope=lambda _, out: out + out * out,
    faults=lambda _: faults(
        "the sigmoid", sigmoid_slopes("x", "out"), "dx = dout out (1 - out), with out = sigmoid(x)."
    ),
)
