"""The rectified linear unit: out = max(x, 0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase, activation, slope_fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.layers.framework.fault import Fault
    from gradcheck_cli.numeric.arrays import Array


@frozen
class ReluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer: ClassVar[str] = "relu"


def relu_forward(x: Array) -> tuple[Array, Array]:
    """Return max(x, 0), and x as the cache."""
    return np.maximum(x, 0), x


def relu_backward(dout: Array, cache: Array) -> Array:
    """Return dx: the slope is 1 where x > 0 and 0 elsewhere; at 0 there is none, and none is drawn."""
    return dout * (cache > 0)


def _faults(_: ReluCase) -> Iterator[Fault]:
    """Yield other masks than x > 0."""
    remedy = "Return dout where x > 0, and 0 elsewhere."
    for code, cause, dx in (
        ("mask-ignored", "In {names} the mask is left out: every element is that of dout.", lambda _, g: g),
        ("mask-of-dout", "In {names} the mask is dout > 0, not x > 0.", lambda _, g: g * (g > 0)),
        (
            "mask-of-dout",
            "In {names} the mask is x > 0 and dout > 0, not x > 0 alone.",
            lambda x, g: g * (g > 0) * (x > 0),
        ),
        ("mask-inverted", "In {names} the mask is inverted: x <= 0, not x > 0.", lambda x, g: g * (x <= 0)),
        ("slope-missing", "{names} {be} dout times out, where the slope is 1.", lambda x, g: g * np.maximum(x, 0)),
    ):
        yield slope_fault(code, cause, remedy, dx)


LAYER = activation(ReluCase, (relu_forward, relu_backward), slope=lambda _, out: np.sign(out), faults=_faults, zeros=())
