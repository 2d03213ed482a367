"""Faults of recurrent layers as students write them, in code of its own; and the right code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.layers import LAYERS
from tests.layers.lines import assert_named, run_lines, sigmoid
from tests.sampling import in_parts

if TYPE_CHECKING:
    Pair = tuple[Callable[..., Any], Callable[..., Any]]

#: The backward pass of an LSTM step.
LSTM = {
    "t": "np.tanh(c1)",
    "c_slope": "1 - np.tanh(c1)**2",
    "dc": "dc1 + dh1*o*c_slope",
    "di": "dc*g",
    "df": "dc*c0",
    "do": "dh1*t",
    "dg": "dc*i",
    "dc0": "dc*f",
    "ai": "di*i*(1-i)",
    "af": "df*f*(1-f)",
    "ao": "do*o*(1-o)",
    "ag": "dg*(1-g**2)",
    "da": "np.hstack([ai, af, ao, ag])",
    "dx": "da @ Wx.T",
    "dh0": "da @ Wh.T",
    "dWx": "x.T @ da",
    "dWh": "h0.T @ da",
    "db": "da.sum(0)",
}


def lstm_step(**fault: str) -> Pair:
    def forward(x: Any, h0: Any, c0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        z = x @ Wx + h0 @ Wh + b
        zi, zf, zo, zg = np.split(z, 4, axis=1)
        i, f, o, g = sigmoid(zi), sigmoid(zf), sigmoid(zo), np.tanh(zg)
        c1 = f * c0 + i * g
        h1 = o * np.tanh(c1)
        names = {"x": x, "h0": h0, "c0": c0, "Wx": Wx, "Wh": Wh, "i": i, "f": f, "o": o, "g": g, "c1": c1, "h1": h1}
        return h1, c1, {**names, "zi": zi, "zf": zf, "zo": zo, "zg": zg}

    def backward(dh1: Any, dc1: Any, cache: Any) -> Any:
        v = run_lines({**LSTM, **fault}, **cache, dh1=dh1, dc1=dc1)
        return v["dx"], v["dh0"], v["dc0"], v["dWx"], v["dWh"], v["db"]

    return forward, backward


#: By what is wrong, the code and the lines.
LSTM_FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "slope of the cell": ("output-tanh", {"c_slope": "1 - c1**2"}),
    "tanh of the cell twice": ("output-tanh", {"c_slope": "1 - np.tanh(t)**2"}),
    "slope by the output": ("output-tanh", {"c_slope": "1 - h1**2"}),
    "no square": ("output-tanh", {"c_slope": "1 - t"}),
    "no slope": ("output-tanh", {"c_slope": "1"}),
    "no slope in dc0": ("output-tanh", {"dc0": "(dc1 + dh1*o) * f"}),
    "do without tanh": ("output-tanh", {"t": "c1"}),
    "sigmoids at the sum": ("gate-slope", {"ai": "di*zi*(1-zi)", "af": "df*zf*(1-zf)", "ao": "do*zo*(1-zo)"}),
    "sigmoid twice": ("gate-slope", {k: f"d{k[1]}*sigmoid({k[1]})*(1-sigmoid({k[1]}))" for k in ("ai", "af", "ao")}),
    "one sigmoid missing": ("gate-slope", {"af": "df"}),
    "one sigmoid like tanh": ("gate-slope", {"ao": "do*(1-o**2)"}),
    "all slopes missing": ("gate-slope", {"ai": "di", "af": "df", "ao": "do", "ag": "dg"}),
    "tanh missing": ("gate-slope", {"ag": "dg"}),
    "tanh at the sum": ("gate-slope", {"ag": "dg*(1-zg**2)"}),
    "tanh twice": ("gate-slope", {"ag": "dg*(1-np.tanh(g)**2)"}),
    "tanh like a sigmoid": ("gate-slope", {"ag": "dg*g*(1-g)"}),
    "dc1 ignored": ("cell-path", {"dc": "dh1*o*c_slope"}),
    "dc1 ignored in dc0": ("cell-path", {"dc0": "dh1*o*c_slope*f"}),
    "dc0 without f": ("forget-gate", {"dc0": "dc"}),
    "h to c missing": ("hidden-path", {"dc": "dc1"}),
    "h to c missing in dc0": ("hidden-path", {"dc0": "dc1*f"}),
    "without o": ("output-gate", {"dc": "dc1 + dh1*c_slope"}),
    "df by the new cell": ("cell-state", {"df": "dc*c1"}),
    "di and dg exchanged": ("gates-exchanged", {"di": "dc*i", "dg": "dc*g"}),
    "other order": ("gate-columns-permuted", {"da": "np.hstack([ai, af, ag, ao])"}),
    "dWh by the new state": ("state-of-other-step", {"dWh": "h1.T @ da"}),
}

RNN = {"slope": "1 - h1**2", "da": "dh1*slope", "dx": "da @ Wx.T", "dh0": "da @ Wh.T", "dWx": "x.T @ da"}
RNN |= {"dWh": "h0.T @ da", "db": "da.sum(0)"}


def rnn_step(**fault: str) -> Pair:
    def forward(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        z = x @ Wx + h0 @ Wh + b
        return np.tanh(z), {"x": x, "h0": h0, "Wx": Wx, "Wh": Wh, "z": z, "h1": np.tanh(z)}

    def backward(dh1: Any, cache: Any) -> Any:
        v = run_lines({**RNN, **fault}, **cache, dh1=dh1)
        return v["dx"], v["dh0"], v["dWx"], v["dWh"], v["db"]

    return forward, backward


RNN_FAULTS: dict[str, tuple[str, dict[str, str]]] = {
    "no slope": ("slope-missing", {"slope": "1"}),
    "slope at the sum": ("tanh-slope", {"slope": "1 - z**2"}),
    "tanh twice": ("tanh-slope", {"slope": "1 - np.tanh(h1)**2"}),
    "slope of the old state": ("tanh-slope", {"slope": "1 - h0**2"}),
    "no square": ("tanh-slope", {"slope": "1 - h1"}),
    "no slope in dh0": ("slope-missing", {"dh0": "dh1 @ Wh.T"}),
    "Wh not transposed": ("weights-not-transposed", {"dh0": "da @ Wh"}),
    "dWh by the new state": ("state-of-other-step", {"dWh": "h1.T @ da"}),
}


def over_time(pair: Pair, *, cell: bool, fault: str = "") -> Pair:
    """Make a sequence of steps; `fault` is what is wrong on the way back through time."""
    step, back = pair

    def forward(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        h, c, states, caches = h0, np.zeros_like(h0), [], []
        for t in range(x.shape[1]):
            h, *rest, cache = step(x[:, t], h, *([c] if cell else []), Wx, Wh, b)
            c = rest[0] if cell else c
            states.append(h)
            caches.append(cache)
        return np.stack(states, 1), caches

    def backward(dh: Any, caches: Any) -> Any:
        T = dh.shape[1]
        dprev, dc, first = 0 * dh[:, 0], 0 * dh[:, 0], None
        dxs: dict[int, Any] = {}
        sums: list[Any] = [0, 0, 0]
        for t in range(T) if fault == "forwards" else reversed(range(T)):
            into = dh[:, t] + (fault != "not carried") * dprev
            into = dprev if fault == "no upstream" and t < T - 1 else into
            dxs[t], dprev, *rest = back(into, *([dc] if cell else []), caches[t])
            dc = 0 * dc if not cell or fault == "cell not carried" else rest[0]
            shares = rest[-3:]
            sums = list(shares) if fault == "assigned" else [a + b for a, b in zip(sums, shares, strict=True)]
            first = first or shares
        sums = first if fault == "last step" and first else sums
        return np.stack([dxs[t] for t in range(T)], 1), dprev, *sums

    return forward, backward


TIME_FAULTS = {
    "forwards": "time-not-reversed",
    "no upstream": "upstream-missing",
    "not carried": "not-carried-back",
    "cell not carried": "cell-not-carried-back",
    "assigned": "assigned-not-accumulated",
    "last step": "assigned-not-accumulated",
}


def assert_all_named(layer: str, faults: Iterable[tuple[str, str | None, Pair]]) -> None:
    """Assert that each fault has its code, in float64, and one in three in another geometry in float32."""
    small = sorted(LAYERS[layer].standard(), key=lambda case: LAYERS[layer].problem(case).expected.size)
    first, second = [case for case in small if case.geometry.get("T") != 1][2:4]
    for number, (fault, code, functions) in enumerate(faults):
        cases = [first, replace(second, dtype="float32")] if number % 3 == 0 else [first]
        assert_named(fault, cases, functions, code)


@in_parts(2)
def test_faults_of_an_lstm_step_are_named(part: int) -> None:
    faults = [(fault, code, lstm_step(**lines)) for fault, (code, lines) in LSTM_FAULTS.items()]
    assert_all_named("lstm-step", faults[part::2])


@pytest.mark.long
def test_faults_of_an_lstm_step_are_named_in_a_sequence() -> None:
    some = ("slope of the cell", "one sigmoid missing", "tanh at the sum", "dc0 without f", "df by the new cell")
    faults = {fault: LSTM_FAULTS[fault] for fault in some}
    pairs = [(fault, code, over_time(lstm_step(**lines), cell=True)) for fault, (code, lines) in faults.items()]
    assert_all_named("lstm", pairs)


def test_faults_of_a_recurrent_step_are_named() -> None:
    steps = [(fault, code, rnn_step(**lines)) for fault, (code, lines) in RNN_FAULTS.items()]
    assert_all_named("rnn-step", steps)
    assert_all_named("rnn", [(fault, code, over_time(pair, cell=False)) for fault, code, pair in steps])


def test_faults_on_the_way_back_through_time_are_named() -> None:
    pairs = [(fault, code, over_time(rnn_step(), cell=False, fault=fault)) for fault, code in TIME_FAULTS.items()]
    assert_all_named("rnn", [pair for pair in pairs if pair[0] != "cell not carried"])
    pairs = [(fault, code, over_time(lstm_step(), cell=True, fault=fault)) for fault, code in TIME_FAULTS.items()]
    assert_all_named("lstm", pairs)


def test_right_recurrent_layers_have_no_diagnosis() -> None:
    assert_all_named("lstm-step", [("", None, lstm_step())])
    assert_all_named("lstm", [("", None, over_time(lstm_step(), cell=True))])
    assert_all_named("rnn-step", [("", None, rnn_step())])
    assert_all_named("rnn", [("", None, over_time(rnn_step(), cell=False))])
