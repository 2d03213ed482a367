"""An LSTM, with its gates in the order i, f, o, g along the last axis: one step, and a sequence back through time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from gradcheck_cli.layers.elementwise.elementwise import tanh_slopes
from gradcheck_cli.layers.elementwise.sigmoid import sigmoid_forward
from gradcheck_cli.layers.framework.fault import EquationFault, fault, fault_table
from gradcheck_cli.layers.recurrent.recurrent import PRODUCTS, Cell, gate_faults, recurrent_layer
from gradcheck_cli.layers.recurrent.time import over_time, through_time
from gradcheck_cli.numeric.arrays import Array


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


#: The equations of `lstm_step_backward`; dc has one name for each place where it is used.
FORMULAS = f"""
    next_c = f * prev_c + i * g
    next_h = o * tanh_c
    dc = dnext_c + dnext_h * o * cell_slope
    dc_in_gates = dc
    dc_in_dprev_c = dc
    di = dc_in_gates * g
    df = dc_in_gates * prev_c
    do = dnext_h * tanh_c
    dg = dc_in_gates * i
    dprev_c = dc_in_dprev_c * f
    sums = np.split(a, 4, axis=1)
    right = np.split(slopes, 4, axis=1)
    gate_slopes = right
    blocks = [d * slope for d, slope in zip((di, df, do, dg), gate_slopes, strict=True)]
    order = (0, 1, 2, 3)
    da = np.hstack([blocks[k] for k in order])
    {PRODUCTS}
"""

_PATH = "dc = dnext_c + dnext_h o (1 - tanh(next_c)^2), and dprev_c = dc f."
_GATE = "di = dc g, df = dc prev_c, do = dnext_h tanh(next_c) and dg = dc i, each times the slope of its own gate."


def _in_dc(*rows: tuple[str, str, str]) -> Iterator[EquationFault]:
    """Yield a wrong dc, everywhere or in one of the places where it is used."""
    for code, words, dc in rows:
        yield fault(code, words, _PATH, f"dc = {dc}")
        yield fault(code, f"{words} in dprev_c alone", _PATH, f"dc_in_dprev_c = {dc}")
        yield fault(code, f"{words} in the gates alone", _PATH, f"dc_in_gates = {dc}")


_SLOPE = "the slope of the tanh of next_c is"

FAULTS = (
    fault("forget-gate", "the forget gate is missing", _PATH, "dprev_c = dc"),
    *_in_dc(
        ("cell-path", "dnext_c is missing from dc", "dnext_h * o * cell_slope"),
        ("hidden-path", "the term through next_h is missing from dc", "dnext_c"),
        ("output-gate", "the output gate is missing from dc", "dnext_c + dnext_h * cell_slope"),
    ),
    *fault_table(
        _GATE,
        ("output-tanh", "do is dnext_h next_c, not dnext_h tanh(next_c)", "do = dnext_h * next_c"),
        ("cell-state", "df is dc next_c, not dc prev_c", "df = dc * next_c"),
        ("gates-exchanged", "di is dc i, and dg is dc g", "di = dc * i; dg = dc * g"),
    ),
    fault(
        "state-of-other-step",
        "next_h is used in place of prev_h",
        "dWh = prev_h' da, with the state that the step was given.",
        "dWh = next_h.T @ da",
    ),
    *_in_dc(
        *(
            ("output-tanh", f"{_SLOPE} {words}", f"dnext_c + dnext_h * o * (lambda x: {slope})(next_c)")
            for _, words, slope in tanh_slopes("next_c", "tanh(next_c)")
        ),
        ("output-tanh", f"{_SLOPE} 1 - next_h^2, not 1 - tanh(next_c)^2", "dnext_c + dnext_h * o * (1 - next_h**2)"),
    ),
    *gate_faults("ifo", "g", _GATE),
)


CELL = Cell(states=("h", "c"), gates=4, backward=lstm_step_backward, formulas=FORMULAS, faults=FAULTS)
STEP = recurrent_layer("lstm-step", CELL, lstm_step_forward, lstm_step_backward)


def lstm_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, list[LstmCache]]:
    """Return the hidden states after each step, (N, T, H), and the cache of each step."""
    return over_time(lstm_step_forward, x, [h0, np.zeros_like(h0)], Wx, Wh, b)


def lstm_backward(dh: Array, caches: list[LstmCache]) -> tuple[Array, ...]:
    """Return dx, dh0, dWx, dWh and db for dh (N, T, H); `through_time` has the derivation.

    Two states go from step to step, of which the cell state is no output. (Greff et al., LSTM: A Search Space Odyssey,
    section II.)
    """
    return through_time(lstm_step_backward, dh, caches, (1.0, 1.0))


LAYER = recurrent_layer("lstm", CELL, lstm_forward, lstm_backward)
