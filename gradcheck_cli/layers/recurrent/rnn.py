"""A recurrent layer: next_h = tanh(x Wx + prev_h Wh + b), one step of it, and a sequence back through time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import tanh_slopes
from gradcheck_cli.layers.framework.fault import EquationFault, fault
from gradcheck_cli.layers.recurrent.recurrent import (
    PRODUCTS,
    Cell,
    SequenceCase,
    StepCase,
    declare_axes,
    recurrent_layer,
)
from gradcheck_cli.layers.recurrent.time import over_time, through_time
from gradcheck_cli.numeric.arrays import Array


@frozen
class RnnStepCase(StepCase):
    """Sizes of one step: x (N, D), prev_h and next_h (N, H), Wx (D, H), Wh (H, H), b (H,)."""

    layer = "rnn-step"
    axes = declare_axes("N D", ("prev_h",), ("next_h",), gates=1)


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


_SLOPE = "Multiply dnext_h by 1 - next_h^2 first: da = dnext_h (1 - next_h^2)."
_PREVIOUS = "With da = dnext_h (1 - next_h^2), dprev_h = da Wh'"
_OTHER_STATE = "dWh = prev_h' da, with the state that the step was given."


def _slopes() -> Iterator[EquationFault]:
    for code, words, slope in tanh_slopes("a", "next_h"):
        yield fault(code, f"the slope of tanh is {words}", _SLOPE, slope=partial(_at_a, slope))
    previous = "the slope of tanh is 1 - prev_h^2, that of the previous step"
    yield fault("tanh-slope", previous, _SLOPE, slope=lambda v: 1 - v.prev_h**2)


def _at_a(slope: Callable[[Array], Array], v: Any) -> Array:
    return slope(v.a)


FAULTS = (
    *_slopes(),
    fault(
        "slope-missing",
        "the slope of tanh is missing from what is carried back to prev_h",
        f"{_PREVIOUS}.",
        dprev_h=lambda v: v.dnext_h @ v.Wh.T,
    ),
    fault(
        "weights-not-transposed",
        "Wh is not transposed on the way back to prev_h",
        f"{_PREVIOUS}, the product with the transpose.",
        dprev_h=lambda v: v.da @ v.Wh,
    ),
    fault("state-of-other-step", "next_h is used in place of prev_h", _OTHER_STATE, dWh=lambda v: v.next_h.T @ v.da),
)

CELL = Cell(
    states=("h",),
    gates=1,
    backward=rnn_step_backward,
    equations={"slope": lambda v: v.slope, "da": lambda v: v.dnext_h * v.slope, **PRODUCTS},
    faults=FAULTS,
)
STEP = recurrent_layer(RnnStepCase, CELL, rnn_step_forward, rnn_step_backward)


@frozen
class RnnCase(SequenceCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), Wx (D, H), Wh (H, H), b (H,), h (N, T, H)."""

    layer = "rnn"
    axes = declare_axes("N T D", ("h0",), ("h",), gates=1)


def rnn_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, list[RnnCache]]:
    """Return the hidden states after each step, (N, T, H), and the cache of each step."""
    return over_time(rnn_step_forward, x, [h0], Wx, Wh, b)


def rnn_backward(dh: Array, caches: list[RnnCache]) -> tuple[Array, ...]:
    """Return dx, dh0, dWx, dWh and db for dh (N, T, H); `through_time` has the derivation."""
    return through_time(rnn_step_backward, dh, caches)


LAYER = recurrent_layer(RnnCase, CELL, rnn_forward, rnn_backward)
