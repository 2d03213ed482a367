"""The leaky rectified linear unit: out = x where x > 0, and alpha x elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase, activation, faults
from gradcheck_cli.layers.framework.words import real

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.layers.elementwise.elementwise import Slope
    from gradcheck_cli.layers.framework.fault import Fault
    from gradcheck_cli.numeric.arrays import Array

    Param = dict[str, Any]


@frozen
class LeakyReluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer: ClassVar[str] = "leaky-relu"
    passed: ClassVar = ("alpha",)

    alpha: float = real(0.01, "slope where x is negative", 0.2, 0.1, high=1.0)


def leaky_relu_forward(x: Array, lrelu_param: Param) -> tuple[Array, tuple[Array, float]]:
    """Return x where it is positive, alpha x elsewhere, and the cache."""
    alpha = lrelu_param["alpha"]
    return np.where(x > 0, x, alpha * x), (x, alpha)


def leaky_relu_backward(dout: Array, cache: tuple[Array, float]) -> Array:
    """Return dx: the slope is 1 where x > 0 and alpha elsewhere; at 0 there is none, and none is drawn.

    (Maas, Hannun and Ng, Rectifier nonlinearities improve neural network acoustic models, 2013.)
    """
    x, alpha = cache
    return np.where(x > 0, dout, alpha * dout)


def _faults(case: LeakyReluCase) -> Iterator[Fault]:
    alpha = case.alpha

    def slopes() -> Iterator[Slope]:
        yield "mask-ignored", "1 everywhere", np.ones_like
        yield "mask-ignored", "alpha everywhere", lambda x: np.full_like(x, alpha)
        yield "leak-missing", "0 where x is negative, as without the leak", lambda x: (x > 0).astype(x.dtype)
        yield "mask-inverted", "1 where x is negative, and alpha elsewhere", lambda x: np.where(x > 0, alpha, 1)
        yield "leak-missing", "alpha x where x is negative, not alpha", lambda x: np.where(x > 0, 1, alpha * x)
        yield "slope-missing", "x where x is positive, not 1", lambda x: np.where(x > 0, x, alpha)
        yield "leak-missing", "-alpha where x is negative", lambda x: np.where(x > 0, 1, -alpha)

    return faults("the leaky ReLU", slopes(), "Return dout where x > 0, and alpha dout elsewhere.")


LAYER = activation(
    LeakyReluCase,
    (leaky_relu_forward, leaky_relu_backward),
    slope=lambda x, _, param: np.where(x > 0, 1, param["alpha"]),
    faults=_faults,
    zeros=(),
    param="lrelu_param",
    special=LeakyReluCase.rows("shape alpha", ((4, 5), 0.2), ((2, 3, 4), 0.2), ((3, 4), 0.1), ((7,), 0.1)),
)
