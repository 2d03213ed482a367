"""Rectifiers: out = x where x is positive, and elsewhere 0, alpha x (leaky), or alpha (exp(x) - 1) (exponential)."""

from __future__ import annotations

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import ElementwiseCase, activation, wrong_slopes
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.fault import EquationFault, equations
from gradcheck_cli.layers.framework.text_parameters import real
from gradcheck_cli.numeric.arrays import Array


def relu_forward(x: Array) -> tuple[Array, Array]:
    """Return max(x, 0), and x as the cache."""
    return np.maximum(x, 0), x


def relu_backward(dout: Array, cache: Array) -> Array:
    """Return dx: the slope is 1 where x > 0 and 0 elsewhere; at 0 there is none, and none is drawn."""
    return dout * (cache > 0)


_REMEDY = "Return dout where x > 0, and 0 elsewhere."
_FAULTS = tuple(
    EquationFault(code, cause, _REMEDY, equations(f"dx = {dx}"))
    for code, cause, dx in (
        ("mask-ignored", "In {names} the mask is left out: every element is that of dout.", "dout"),
        ("mask-of-dout", "In {names} the mask is dout > 0, not x > 0.", "dout * (dout > 0)"),
        ("mask-of-dout", "In {names} the mask is x > 0 and dout > 0, not x > 0 alone.", "dout * (dout > 0) * (x > 0)"),
        ("mask-inverted", "In {names} the mask is inverted: x <= 0, not x > 0.", "dout * (x <= 0)"),
        ("slope-missing", "{names} {be} dout times out, where the slope is 1.", "dout * np.maximum(x, 0)"),
    )
)

LAYER = activation(ElementwiseCase.named("relu"), (relu_forward, relu_backward), faults=lambda _: _FAULTS, zeros=())


@frozen
class LeakyReluCase(ElementwiseCase):
    """The shape of x, and the slope of one side."""

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


_LEAKY_FAULTS = wrong_slopes(
    "the leaky ReLU",
    "Return dout where x > 0, and alpha dout elsewhere.",
    ("mask-ignored", "1 everywhere", "np.ones_like(x)"),
    ("mask-ignored", "alpha everywhere", "np.full_like(x, alpha)"),
    ("leak-missing", "0 where x is negative, as without the leak", "(x > 0).astype(x.dtype)"),
    ("mask-inverted", "1 where x is negative, and alpha elsewhere", "np.where(x > 0, alpha, 1)"),
    ("leak-missing", "alpha x where x is negative, not alpha", "np.where(x > 0, 1, alpha * x)"),
    ("slope-missing", "x where x is positive, not 1", "np.where(x > 0, x, alpha)"),
    ("leak-missing", "-alpha where x is negative", "np.where(x > 0, 1, -alpha)"),
)

LEAKY = activation(
    LeakyReluCase,
    (leaky_relu_forward, leaky_relu_backward),
    faults=lambda _: _LEAKY_FAULTS,
    zeros=(),
    param="lrelu_param",
    special=LeakyReluCase.rows("shape alpha", ((4, 5), 0.2), ((2, 3, 4), 0.2), ((3, 4), 0.1), ((7,), 0.1)),
)


@frozen
class EluCase(ElementwiseCase):
    """The shape of x, and the limit on one side."""

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


def _elu_faults(case: EluCase) -> tuple[EquationFault, ...]:
    below = "where x is negative"
    rows = [
        ("mask-ignored", "1 everywhere", "np.ones_like(x)"),
        ("mask-ignored", "alpha exp(x) everywhere", "alpha * np.exp(x)"),
        ("activation-slope", f"0 {below}, as of a ReLU", "(x > 0).astype(x.dtype)"),
        ("activation-slope", f"alpha {below}, without exp(x)", "np.where(x > 0, 1, alpha)"),
        ("activation-slope", f"exp(x) {below}, without alpha", "np.where(x > 0, 1, np.exp(x))"),
        ("activation-slope", f"out + 1 {below}, not out + alpha", "np.where(x > 0, 1, alpha * np.expm1(x) + 1)"),
        ("activation-slope", f"out {below}, not out + alpha", "np.where(x > 0, 1, alpha * np.expm1(x))"),
        ("activation-slope", f"alpha - out {below}", "np.where(x > 0, 1, -alpha * (np.expm1(x) - 1))"),
        (
            "activation-slope",
            f"alpha exp(out) {below}: exp is applied twice",
            "np.where(x > 0, 1, alpha * np.exp(alpha * np.expm1(x)))",
        ),
        ("mask-inverted", f"1 {below}, and alpha exp(x) elsewhere", "np.where(x > 0, alpha * np.exp(x), 1)"),
    ]
    if case.alpha == 1:  # where these two are right
        del rows[4:6]
    return wrong_slopes("the ELU", "Return dout where x > 0, and dout alpha exp(x) elsewhere.", *rows)


ELU = activation(
    EluCase,
    (elu_forward, elu_backward),
    faults=_elu_faults,
    zeros=(),
    param="elu_param",
    special=EluCase.rows("shape alpha", ((4, 5), 0.5), ((2, 3, 4), 1.5)),
)
