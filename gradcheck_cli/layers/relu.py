"""The rectified linear unit: out = max(x, 0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.layers.elementwise import ElementwiseCase, activation

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array


@dataclass(frozen=True, kw_only=True)
class ReluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer: ClassVar[str] = "relu"


def relu_forward(x: Array) -> tuple[Array, Array]:
    """Return max(x, 0), and x as the cache."""
    return np.maximum(x, 0), x


def relu_backward(dout: Array, cache: Array) -> Array:
    """Carry dout back: the slope is 1 where x > 0 and 0 elsewhere; at 0 there is none, and none is drawn."""
    return dout * (cache > 0)


LAYER = activation(ReluCase, (relu_forward, relu_backward), slope=np.sign, names=("relu",))
