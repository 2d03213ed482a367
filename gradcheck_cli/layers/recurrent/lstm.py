"""An LSTM, with its gates in the order i, f, o, g along the last axis: one step, and a sequence back through time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.elementwise.elementwise import tanh_slopes
from gradcheck_cli.layers.elementwise.sigmoid import sigmoid_forward
from gradcheck_cli.layers.framework.fault import Equation, EquationFault, Equations, fault
from gradcheck_cli.layers.recurrent.recurrent import (
    PRODUCTS,
    Cell,
    SequenceCase,
    StepCase,
    declare_axes,
    gate_faults,
    recurrent_layer,
)
from gradcheck_cli.layers.recurrent.time import over_time, through_time
from gradcheck_cli.numeric.arrays import Array


@frozen
class LstmStepCase(StepCase):
    """Sizes of one step: x (N, D), prev_h, prev_c, next_h and next_c (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,)."""

    layer = "lstm-step"
    axes = declare_axes("N D", ("prev_h", "prev_c"), ("next_h", "next_c"), gates=4)


class LstmCache(NamedTuple):
    """The arrays that forward keeps for backward."""

    x: Array
    prev_h: Array
    prev_c: Array
    Wx: Array
    Wh: Array
    a: Array  #: x Wx + prev_h Wh + b, (N, 4H)
    i: Array
    f: Array
    o: Array
    g: Array
    tanh_c: Array  #: tanh(next_c)
    slopes: Array  #: i (1 - i), f (1 - f), o (1 - o), 1 - g^2 side by side, (N, 4H)
    cell_slope: Array  #: 1 - tanh(next_c)^2


def lstm_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, LstmCache]:
    """Return next_h and next_c (N, H), and the cache.

    With the four blocks a_i, a_f, a_o, a_g of x Wx + prev_h Wh + b: i, f, o = sigmoid of the first three, g = tanh a_g,
    next_c = f prev_c + i g, next_h = o tanh(next_c).
    """
    a = x @ Wx + prev_h @ Wh + b
    H = prev_h.shape[1]
    sigmoids, g = sigmoid_forward(a[:, : 3 * H])[0], np.tanh(a[:, 3 * H :])
    i, f, o = sigmoids[:, :H], sigmoids[:, H : 2 * H], sigmoids[:, 2 * H :]
    next_c = f * prev_c + i * g
    tanh_c = np.tanh(next_c)
    slopes = np.hstack([sigmoids * (1 - sigmoids), 1 - g * g])
    cache = LstmCache(x, prev_h, prev_c, Wx, Wh, a, i, f, o, g, tanh_c, slopes, 1 - tanh_c * tanh_c)
    return o * tanh_c, next_c, cache


def lstm_step_backward(dnext_h: Array, dnext_c: Array, cache: LstmCache) -> tuple[Array, ...]:
    """Return dx, dprev_h, dprev_c, dWx, dWh and db for dnext_h and dnext_c (N, H).

    next_c reaches the loss by itself and by next_h = o tanh(next_c): dc = dnext_c + dnext_h o (1 - tanh(next_c)^2).
    From next_c = f prev_c + i g: di = dc g, df = dc prev_c, dg = dc i, dprev_c = dc f; and do = dnext_h tanh(next_c).
    Through the gates, sigmoid' = s (1 - s) and tanh' = 1 - tanh^2: da_i = di i (1 - i), and so on. The rest is two
    affine layers that share da. (Hochreiter and Schmidhuber, 1997, with the forget gate of Gers, Schmidhuber and
    Cummins, 2000; the derivation by the chain rule, as in Greff et al., LSTM: A Search Space Odyssey, section II.)
    """
    dc = dnext_c + dnext_h * cache.o * cache.cell_slope
    da = np.hstack([dc * cache.g, dc * cache.prev_c, dnext_h * cache.tanh_c, dc * cache.i]) * cache.slopes
    dx, dprev_h, dprev_c = da @ cache.Wx.T, da @ cache.Wh.T, dc * cache.f
    return dx, dprev_h, dprev_c, cache.x.T @ da, cache.prev_h.T @ da, da.sum(axis=0)


#: Those of `lstm_step_backward`; dc has one name for each place where it is used.
EQUATIONS: Equations = {
    "next_c": lambda v: v.f * v.prev_c + v.i * v.g,
    "next_h": lambda v: v.o * v.tanh_c,
    "dc": lambda v: v.dnext_c + v.dnext_h * v.o * v.cell_slope,
    "dc_in_gates": lambda v: v.dc,
    "dc_in_dprev_c": lambda v: v.dc,
    "di": lambda v: v.dc_in_gates * v.g,
    "df": lambda v: v.dc_in_gates * v.prev_c,
    "do": lambda v: v.dnext_h * v.tanh_c,
    "dg": lambda v: v.dc_in_gates * v.i,
    "dprev_c": lambda v: v.dc_in_dprev_c * v.f,
    "gate_slopes": lambda v: np.split(v.slopes, 4, axis=1),
    "blocks": lambda v: [d * slope for d, slope in zip((v.di, v.df, v.do, v.dg), v.gate_slopes, strict=True)],
    "order": (0, 1, 2, 3),
    "da": lambda v: np.hstack([v.blocks[k] for k in v.order]),
    **PRODUCTS,
}

_PATH = "dc = dnext_c + dnext_h o (1 - tanh(next_c)^2), and dprev_c = dc f."
_GATE = "di = dc g, df = dc prev_c, do = dnext_h tanh(next_c) and dg = dc i, each times the slope of its own gate."
_STATE = "dWh = prev_h' da, with the state that the step was given."


def _in_dc(code: str, words: str, dc: Equation) -> Iterator[EquationFault]:
    """Yield a wrong dc, everywhere or in one of the places where it is used."""
    for place, name in (("", "dc"), (" in dprev_c alone", "dc_in_dprev_c"), (" in the gates alone", "dc_in_gates")):
        yield fault(code, f"{words}{place}", _PATH, **{name: dc})


def _cell_slopes() -> Iterator[EquationFault]:
    """Yield other slopes of the tanh before the output gate."""
    for _, words, slope in tanh_slopes("next_c", "tanh(next_c)"):
        yield from _in_dc("output-tanh", f"the slope of the tanh of next_c is {words}", _with_slope(slope))
    squared = "the slope of the tanh of next_c is 1 - next_h^2, not 1 - tanh(next_c)^2"
    yield from _in_dc("output-tanh", squared, lambda v: v.dnext_c + v.dnext_h * v.o * (1 - v.next_h**2))


def _with_slope(slope: Callable[[Array], Array]) -> Equation:
    return lambda v: v.dnext_c + v.dnext_h * v.o * slope(v.next_c)


FAULTS = (
    fault("forget-gate", "the forget gate is missing", _PATH, dprev_c=lambda v: v.dc),
    *_in_dc("cell-path", "dnext_c is missing from dc", lambda v: v.dnext_h * v.o * v.cell_slope),
    *_in_dc("hidden-path", "the term through next_h is missing from dc", lambda v: v.dnext_c),
    *_in_dc("output-gate", "the output gate is missing from dc", lambda v: v.dnext_c + v.dnext_h * v.cell_slope),
    fault("output-tanh", "do is dnext_h next_c, not dnext_h tanh(next_c)", _GATE, do=lambda v: v.dnext_h * v.next_c),
    fault("cell-state", "df is dc next_c, not dc prev_c", _GATE, df=lambda v: v.dc * v.next_c),
    fault("gates-exchanged", "di is dc i, and dg is dc g", _GATE, di=lambda v: v.dc * v.i, dg=lambda v: v.dc * v.g),
    fault("state-of-other-step", "next_h is used in place of prev_h", _STATE, dWh=lambda v: v.next_h.T @ v.da),
    *_cell_slopes(),
    *gate_faults("ifo", "g", _GATE),
)


CELL = Cell(
    states=("h", "c"),
    gates=4,
    backward=lstm_step_backward,
    equations=EQUATIONS,
    faults=FAULTS,
)
STEP = recurrent_layer(LstmStepCase, CELL, lstm_step_forward, lstm_step_backward)


@frozen
class LstmCase(SequenceCase):
    """Sizes of a sequence: x (N, T, D), h0 (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,), h (N, T, H)."""

    layer = "lstm"
    axes = declare_axes("N T D", ("h0",), ("h",), gates=4)


def lstm_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, list[LstmCache]]:
    """Return the hidden states after each step, (N, T, H), and the cache of each step."""
    return over_time(lstm_step_forward, x, [h0, np.zeros_like(h0)], Wx, Wh, b)


def lstm_backward(dh: Array, caches: list[LstmCache]) -> tuple[Array, ...]:
    """Return dx, dh0, dWx, dWh and db for dh (N, T, H); `through_time` has the derivation.

    Two states go from step to step, of which the cell state is no output. (Greff et al., LSTM: A Search Space Odyssey,
    section II.)
    """
    return through_time(lstm_step_backward, dh, caches, (1.0, 1.0))


LAYER = recurrent_layer(LstmCase, CELL, lstm_forward, lstm_backward)
