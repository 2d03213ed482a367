"""The exponential linear unit: out = x where x > 0, and alpha (exp(x) - 1) elsewhere."""

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
class EluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer: ClassVar[str] = "elu"
    passed: ClassVar = ("alpha",)

    alpha: float = real(1.0, "minus the limit for negative x", 0.5, 1.5, high=2.0)


def elu_forward(x: Array, elu_param: Param) -> tuple[Array, tuple[Array, Array, float]]:
    """Return x where it is positive, alpha (exp(x) - 1) elsewhere, and the cache."""
    alpha = elu_param["alpha"]
    out = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return out, (x, out, alpha)


def elu_backward(dout: Array, cache: tuple[Array, Array, float]) -> Array:
    """Return dx: the slope is 1 where x > 0, and elsewhere alpha exp(x) = out + alpha.

    At 0 there is a slope only if alpha is 1, and none is drawn. (Clevert, Unterthiner and Hochreiter, 2016,
    equation 15.)
    """
    x, out, alpha = cache
    return np.where(x > 0, dout, (out + alpha) * dout)


def _faults(case: EluCase) -> Iterator[Fault]:
    alpha = case.alpha

    def slopes() -> Iterator[Slope]:
        below = "where x is negative"
        yield "mask-ignored", "1 everywhere", np.ones_like
        yield "mask-ignored", "alpha exp(x) everywhere", lambda x: alpha * np.exp(x)
        yield "activation-slope", f"0 {below}, as of a ReLU", lambda x: (x > 0).astype(x.dtype)
        yield "activation-slope", f"alpha {below}, without exp(x)", lambda x: np.where(x > 0, 1, alpha)
        if alpha != 1:
            yield "activation-slope", f"exp(x) {below}, without alpha", lambda x: np.where(x > 0, 1, np.exp(x))
            words = f"out + 1 {below}, not out + alpha"
            yield "activation-slope", words, lambda x: np.where(x > 0, 1, alpha * np.expm1(x) + 1)
        yield "activation-slope", f"out {below}, not out + alpha", lambda x: np.where(x > 0, 1, alpha * np.expm1(x))
        yield "activation-slope", f"alpha - out {below}", lambda x: np.where(x > 0, 1, -alpha * (np.expm1(x) - 1))
        words = f"alpha exp(out) {below}: exp is applied twice"
        yield "activation-slope", words, lambda x: np.where(x > 0, 1, alpha * np.exp(alpha * np.expm1(x)))
        yield "mask-inverted", f"1 {below}, and alpha exp(x) elsewhere", lambda x: np.where(x > 0, alpha * np.exp(x), 1)

    return faults("the ELU", slopes(), "Return dout where x > 0, and dout alpha exp(x) elsewhere.")


LAYER = activation(
    EluCase,
    (elu_forward, elu_backward),
    slope=lambda x, out, param: np.where(x > 0, 1, abs(out) + param["alpha"]),
    faults=_faults,
    zeros=(),
    param="elu_param",
    special=EluCase.rows("shape alpha", ((4, 5), 0.5), ((2, 3, 4), 1.5)),
)
