"""Faults in one step of an LSTM: terms that are missing, wrong slopes, and gates in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.elementwise.elementwise import tanh_slopes
from gradcheck_cli.layers.framework.equations import EquationFault, fault
from gradcheck_cli.layers.recurrent.gates import gate_faults
from gradcheck_cli.layers.recurrent.recurrent import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gradcheck_cli.layers.framework.equations import Equation, Equations
    from gradcheck_cli.numeric.arrays import Array

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
