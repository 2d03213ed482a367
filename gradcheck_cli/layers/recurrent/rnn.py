"""A recurrent layer: next_h = tanh(x Wx + prev_h Wh + b), one step of it, and a sequence back through time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gradcheck_cli.layers.elementwise.elementwise import tanh_slopes
from gradcheck_cli.layers.framework.fault import fault, fault_table
from gradcheck_cli.layers.recurrent.recurrent import PRODUCTS, Cell, recurrent_layer
from gradcheck_cli.layers.recurrent.time import over_time, through_time
from gradcheck_cli.numeric.arrays import Array


class RnnCache(NamedTuple):
    """The arrays that forward keeps for backward."""

    x: Array
    prev_h: Array
    Wx: Array
    Wh: Array
    a: Array  #: x Wx + prev_h Wh + b
    next_h: Array
    slope: Array  #: 1 - next_h^2


def rnn_step_forward(x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, RnnCache]:
    """Return next_h = tanh(x Wx + prev_h Wh + b), and the cache."""
    a = x @ Wx + prev_h @ Wh + b
    next_h = np.tanh(a)
    return next_h, RnnCache(x, prev_h, Wx, Wh, a, next_h, 1 - next_h * next_h)


def rnn_step_backward(dnext_h: Array, cache: RnnCache) -> tuple[Array, Array, Array, Array, Array]:
    """Return dx, dprev_h, dWx, dWh and db for dnext_h (N, H).

    With a = x Wx + prev_h Wh + b, da = dnext_h (1 - next_h^2), for tanh' = 1 - tanh^2. The rest is two affine layers
    that share da: dx = da Wx', dprev_h = da Wh', dWx = x' da, dWh = prev_h' da, db = sum_n da.
    (Goodfellow, Bengio and Courville, Deep Learning, section 10.2.2.)
    """
    da = dnext_h * cache.slope
    return da @ cache.Wx.T, da @ cache.Wh.T, cache.x.T @ da, cache.prev_h.T @ da, da.sum(axis=0)


_PREVIOUS = "With da = dnext_h (1 - next_h^2), dprev_h = da Wh'"

FAULTS = (
    *fault_table(
        "Multiply dnext_h by 1 - next_h^2 first: da = dnext_h (1 - next_h^2).",
        *(
            (code, f"the slope of tanh is {words}", f"slope = (lambda x: {slope})(a)")
            for code, words, slope in tanh_slopes("a", "next_h")
        ),
        ("tanh-slope", "the slope of tanh is 1 - prev_h^2, that of the previous step", "slope = 1 - prev_h**2"),
    ),
    fault(
        "slope-missing",
        "the slope of tanh is missing from what is carried back to prev_h",
        f"{_PREVIOUS}.",
        "dprev_h = dnext_h @ Wh.T",
    ),
    fault(
        "weights-not-transposed",
        "Wh is not transposed on the way back to prev_h",
        f"{_PREVIOUS}, the product with the transpose.",
        "dprev_h = da @ Wh",
    ),
    fault(
        "state-of-other-step",
        "next_h is used in place of prev_h",
        "dWh = prev_h' da, with the state that the step was given.",
        "dWh = next_h.T @ da",
    ),
)

CELL = Cell(
    states=("h",),
    gates=1,
    backward=rnn_step_backward,
    formulas=f"slope = slope; da = dnext_h * slope; {PRODUCTS}",
    faults=FAULTS,
)
STEP = recurrent_layer("rnn-step", CELL, rnn_step_forward, rnn_step_backward)


def rnn_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, list[RnnCache]]:
    """Return the hidden states after each step, (N, T, H), and the cache of each step."""
    return over_time(rnn_step_forward, x, [h0], Wx, Wh, b)


def rnn_backward(dh: Array, caches: list[RnnCache]) -> tuple[Array, ...]:
    """Return dx, dh0, dWx, dWh and db for dh (N, T, H); `through_time` has the derivation."""
    return through_time(rnn_step_backward, dh, caches)


LAYER = recurrent_layer("rnn", CELL, rnn_forward, rnn_backward)
