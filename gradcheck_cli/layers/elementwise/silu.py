"""The sigmoid linear unit, also called swish: out = x sigmoid(x)."""

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
class SiluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer: ClassVar[str] = "silu"


def silu_forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    """Return x s with s = sigmoid(x), and (x, s) as the cache."""
    s, _ = sigmoid_forward(x)
    return x * s, (x, s)


def silu_backward(dout: Array, cache: tuple[Array, Array]) -> Array:
    """Return dx: with s = sigmoid(x) and s' = s (1 - s), d(x s)/dx = s + x s (1 - s).

    (Elfwing, Uchibe and Doya, Sigmoid-weighted linear units, 2018, equation 6.)
    """
    x, s = cache
    dx: Array = dout * (s + x * s * (1 - s))
    return dx


def _slopes() -> Iterator[Slope]:
    yield "slope-missing", "left out", np.ones_like
    yield "product-rule", "s, without the x s (1 - s) that x multiplies", sigmoid
    yield "product-rule", "x s (1 - s), without the s of the other factor", lambda x: x * sigmoid(x) * (1 - sigmoid(x))
    yield "product-rule", "s (1 - s), that of a sigmoid", lambda x: sigmoid(x) * (1 - sigmoid(x))
    yield "product-rule", "s + s (1 - s), without the factor x", lambda x: sigmoid(x) * (2 - sigmoid(x))
    yield "activation-slope", "out + s, where out + s (1 - out) is right", lambda x: sigmoid(x) * (x + 1)
    yield "activation-slope", "out + s (1 - s)", lambda x: x * sigmoid(x) + sigmoid(x) * (1 - sigmoid(x))


LAYER = activation(
    SiluCase,
    (silu_forward, silu_backward),
    slope=lambda x, _: sigmoid(x) * (1 + 2 * abs(x)),
    faults=lambda _: faults("the SiLU", _slopes(), "dx = dout (s + x s (1 - s)), with s = sigmoid(x)."),
)
