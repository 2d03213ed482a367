"""The hyperbolic tangent: out = tanh(x)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase, activation, faults, tanh_slopes

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


@frozen
class TanhCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer: ClassVar[str] = "tanh"


def tanh_forward(x: Array) -> tuple[Array, Array]:
    """Return tanh(x), and it again as the cache."""
    out = np.tanh(x)
    return out, out


def tanh_backward(dout: Array, cache: Array) -> Array:
    """Return dx: d tanh(x)/dx = 1 - tanh(x)^2, from sinh/cosh and cosh^2 - sinh^2 = 1."""
    dx: Array = dout * (1 - cache * cache)
    return dx


LAYER = activation(
    TanhCase,
    (tanh_forward, tanh_backward),
    slope=lambda _, out: 1 + out * out,
    faults=lambda _: faults("tanh", tanh_slopes("x", "out"), "dx = dout (1 - out^2), with out = tanh(x)."),
)
