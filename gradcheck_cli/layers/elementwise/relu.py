"""Rectifiers: out = x where x is positive, and elsewhere 0, alpha x (leaky), or alpha (exp(x) - 1) (exponential)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase, Slope, activation, faults, slope_fault
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.text_parameters import real
from gradcheck_cli.numeric.arrays import Array


@frozen
class ReluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer = "relu"


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


LAYER = activation(ReluCase, (relu_forward, relu_backward), faults=_faults, zeros=())


@frozen
class LeakyReluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer = "leaky-relu"
    passed = ("alpha",)

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


def _leaky_faults(case: LeakyReluCase) -> Iterator[Fault]:
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


LEAKY = activation(
    LeakyReluCase,
    (leaky_relu_forward, leaky_relu_backward),
    faults=_leaky_faults,
    zeros=(),
    param="lrelu_param",
    special=LeakyReluCase.rows("shape alpha", ((4, 5), 0.2), ((2, 3, 4), 0.2), ((3, 4), 0.1), ((7,), 0.1)),
)


@frozen
class EluCase(ElementwiseCase):
    """The shape of x, and of out."""

    layer = "elu"
    passed = ("alpha",)

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


def _elu_faults(case: EluCase) -> Iterator[Fault]:
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


ELU = activation(
    EluCase,
    (elu_forward, elu_backward),
    faults=_elu_faults,
    zeros=(),
    param="elu_param",
    special=EluCase.rows("shape alpha", ((4, 5), 0.5), ((2, 3, 4), 1.5)),
)
