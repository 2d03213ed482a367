"""Softplus: out = log(1 + exp(x))."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase, activation, faults, sigmoid
from gradcheck_cli.layers.elementwise.sigmoid import sigmoid_forward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.layers.elementwise.elementwise import Slope
    from gradcheck_cli.numeric.arrays import Array


@frozen
class SoftplusCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer: ClassVar[str] = "softplus"


def softplus_forward(x: Array) -> tuple[Array, Array]:
    """Return log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), in which nothing overflows, and x as the cache."""
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x))), x


def softplus_backward(dout: Array, x: Array) -> Array:
    """Return dx: d log(1 + exp(x))/dx = exp(x) / (1 + exp(x)) = sigmoid(x).

    (Glorot, Bordes and Bengio, Deep sparse rectifier neural networks, 2011.)
    """
    dx: Array = dout * sigmoid_forward(x)[0]
    return dx


def _slopes() -> Iterator[Slope]:
    yield "slope-missing", "left out", np.ones_like
    yield "activation-slope", "1 / (1 + exp(x)), that of log without that of exp", lambda x: sigmoid(-x)
    yield "activation-slope", "exp(x), without the division by 1 + exp(x)", np.exp
    yield "sigmoid-slope", "s (1 - s), that of a sigmoid s", lambda x: sigmoid(x) * (1 - sigmoid(x))
    yield "activation-slope", "sigmoid(out), not sigmoid(x)", lambda x: sigmoid(np.logaddexp(0, x))


LAYER = activation(
    SoftplusCase,
    (softplus_forward, softplus_backward),
    slope=lambda x, _: sigmoid(x) * (1 + abs(x)),
    faults=lambda _: faults("softplus", _slopes(), "dx = dout sigmoid(x)."),
)
