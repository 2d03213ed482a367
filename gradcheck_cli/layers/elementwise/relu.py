"""The rectified linear unit: out = max(x, 0)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase, activation
from gradcheck_cli.layers.framework.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gradcheck_cli.numeric.arrays import Array


@frozen
class ReluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer: ClassVar[str] = "relu"


def relu_forward(x: Array) -> tuple[Array, Array]:
    """Return max(x, 0), and x as the cache."""
    return np.maximum(x, 0), x


def relu_backward(dout: Array, cache: Array) -> Array:
    """Carry dout back: the slope is 1 where x > 0 and 0 elsewhere; at 0 there is none, and none is drawn."""
    return dout * (cache > 0)


def _faults() -> Iterator[Fault]:
    """Yield other masks than x > 0."""
    remedy = "Return dout where x > 0, and 0 elsewhere."
    masks: dict[tuple[str, str], Callable[[Array, Array], Array]] = {
        ("mask-ignored", "is left out: every element is that of dout"): lambda _, dout: dout,
        ("mask-of-dout", "is dout > 0, not x > 0"): lambda _, dout: dout * (dout > 0),
        ("mask-of-dout", "is x > 0 and dout > 0, not x > 0 alone"): lambda x, dout: dout * (dout > 0) * (x > 0),
        ("mask-inverted", "is inverted: x <= 0, not x > 0"): lambda x, dout: dout * (x <= 0),
    }
    for (code, words), dx in masks.items():
        yield Fault(
            code=code,
            cause=f"In {{names}} the mask {words}.",
            remedy=remedy,
            gradients=lambda inputs, dout, dx=dx: {"x": dx(inputs["x"], dout)},  # type: ignore[misc]
        )
    yield Fault(
        code="slope-missing",
        cause="{names} {be} dout times out, where the slope is 1.",
        remedy=remedy,
        gradients=lambda inputs, dout: {"x": dout * np.maximum(inputs["x"], 0)},
    )


LAYER = activation(
    ReluCase,
    (relu_forward, relu_backward),
    slope=np.sign,
    faults=_faults,
    zeros=(),
)
