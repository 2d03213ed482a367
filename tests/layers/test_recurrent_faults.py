"""Slips in recurrent layers and activations as students write them, each in code of its own; and the right code."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import check
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Callable


def sig(v: Any) -> Any:
    return 1 / (1 + np.exp(-v))


#: What stands in the backward pass of an LSTM step; a slip replaces one of these lines.
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


def lstm_step(**slip: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(x: Any, h0: Any, c0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        z = x @ Wx + h0 @ Wh + b
        zi, zf, zo, zg = np.split(z, 4, axis=1)
        i, f, o, g = sig(zi), sig(zf), sig(zo), np.tanh(zg)
        c1 = f * c0 + i * g
        h1 = o * np.tanh(c1)
        names = {"x": x, "h0": h0, "c0": c0, "Wx": Wx, "Wh": Wh, "i": i, "f": f, "o": o, "g": g, "c1": c1, "h1": h1}
        return h1, c1, {**names, "zi": zi, "zf": zf, "zo": zo, "zg": zg}

    def backward(dh1: Any, dc1: Any, cache: Any) -> Any:
        v = {**cache, "dh1": dh1, "dc1": dc1, "np": np, "sig": sig}
        for name, line in {**LSTM, **slip}.items():
            v[name] = eval(line, v)
        return v["dx"], v["dh0"], v["dc0"], v["dWx"], v["dWh"], v["db"]

    return forward, backward


LSTM_SLIPS: dict[str, tuple[str, dict[str, str]]] = {
    "slope of the cell": ("output-tanh", {"c_slope": "1 - c1**2"}),
    "tanh of the cell twice": ("output-tanh", {"c_slope": "1 - np.tanh(t)**2"}),
    "slope by the output": ("output-tanh", {"c_slope": "1 - h1**2"}),
    "no square": ("output-tanh", {"c_slope": "1 - t"}),
    "no slope": ("output-tanh", {"c_slope": "1"}),
    "do without tanh": ("output-tanh", {"t": "c1"}),
    "sigmoids at the sum": (
        "gate-slope",
        {"ai": "di*zi*(1-zi)", "af": "df*zf*(1-zf)", "ao": "do*zo*(1-zo)"},
    ),
    "sigmoid twice": (
        "gate-slope",
        {k: f"d{k[1]}*sig({k[1]})*(1-sig({k[1]}))" for k in ("ai", "af", "ao")},
    ),
    "one sigmoid missing": ("gate-slope", {"af": "df"}),
    "one sigmoid like tanh": ("gate-slope", {"ao": "do*(1-o**2)"}),
    "all slopes missing": ("gate-slope", {"ai": "di", "af": "df", "ao": "do", "ag": "dg"}),
    "tanh missing": ("gate-slope", {"ag": "dg"}),
    "tanh at the sum": ("gate-slope", {"ag": "dg*(1-zg**2)"}),
    "tanh twice": ("gate-slope", {"ag": "dg*(1-np.tanh(g)**2)"}),
    "tanh like a sigmoid": ("gate-slope", {"ag": "dg*g*(1-g)"}),
    "dc1 ignored": ("cell-path", {"dc": "dh1*o*c_slope"}),
    "dc0 without f": ("forget-gate", {"dc0": "dc"}),
    "h to c missing": ("hidden-path", {"dc": "dc1"}),
    "h to c missing in dc0": ("hidden-path", {"dc0": "dc1*f"}),
    "without o": ("output-gate", {"dc": "dc1 + dh1*c_slope"}),
    "df by the new cell": ("cell-state", {"df": "dc*c1"}),
    "di and dg exchanged": ("gates-exchanged", {"di": "dc*i", "dg": "dc*g"}),
    "other order": ("gate-columns-permuted", {"da": "np.hstack([ai, af, ag, ao])"}),
    "dWh by the new state": ("state-of-other-step", {"dWh": "h1.T @ da"}),
}


def over_time(
    pair: tuple[Callable[..., Any], Callable[..., Any]], *, cell: bool, slip: str = ""
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Make a sequence of steps; `slip` is what is wrong on the way back through time."""
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
        steps = range(dh.shape[1]) if slip == "forwards" else reversed(range(dh.shape[1]))
        dprev, dc, first = 0 * dh[:, 0], 0 * dh[:, 0], None
        dxs: dict[int, Any] = {}
        sums: list[Any] = [0, 0, 0]
        for t in steps:
            into = (
                dprev if slip == "no upstream" and t < dh.shape[1] - 1 else dh[:, t] + (slip != "not carried") * dprev
            )
            dxs[t], dprev, *rest = back(into, *([dc] if cell else []), caches[t])
            dc = 0 * dc if not cell or slip == "cell not carried" else rest[0]
            shares = rest[-3:]
            sums = list(shares) if slip == "assigned" else [a + b for a, b in zip(sums, shares, strict=True)]
            first = first or (dprev, *shares)
        if slip == "last step":
            sums = list(first[1:] if first else [])
        return np.stack([dxs[t] for t in range(dh.shape[1])], 1), dprev, *sums

    return forward, backward


RNN = {"slope": "1 - h1**2", "da": "dh1*slope", "dx": "da @ Wx.T", "dh0": "da @ Wh.T", "dWx": "x.T @ da",
       "dWh": "h0.T @ da", "db": "da.sum(0)"}  # fmt: skip


def rnn_step(**slip: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def forward(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        z = x @ Wx + h0 @ Wh + b
        return np.tanh(z), {"x": x, "h0": h0, "Wx": Wx, "Wh": Wh, "z": z, "h1": np.tanh(z)}

    def backward(dh1: Any, cache: Any) -> Any:
        v = {**cache, "dh1": dh1, "np": np}
        for name, line in {**RNN, **slip}.items():
            v[name] = eval(line, v)
        return v["dx"], v["dh0"], v["dWx"], v["dWh"], v["db"]

    return forward, backward


RNN_SLIPS: dict[str, tuple[str, dict[str, str]]] = {
    "no slope": ("slope-missing", {"slope": "1"}),
    "slope at the sum": ("tanh-slope", {"slope": "1 - z**2"}),
    "tanh twice": ("tanh-slope", {"slope": "1 - np.tanh(h1)**2"}),
    "slope of the old state": ("tanh-slope", {"slope": "1 - h0**2"}),
    "no square": ("tanh-slope", {"slope": "1 - h1"}),
    "no slope in dh0": ("slope-missing", {"dh0": "dh1 @ Wh.T"}),
    "Wh not transposed": ("weights-not-transposed", {"dh0": "da @ Wh"}),
    "dWh by the new state": ("state-of-other-step", {"dWh": "h1.T @ da"}),
}

TIME_SLIPS = {
    "forwards": "time-not-reversed",
    "no upstream": "upstream-missing",
    "not carried": "not-carried-back",
    "cell not carried": "cell-not-carried-back",
    "assigned": "assigned-not-accumulated",
    "last step": "assigned-not-accumulated",
}


def assert_named(layer: str, functions: Any, code: str | None) -> None:
    """Assert that a slip has its code, and no other, in two geometries and in float32."""
    small = sorted(LAYERS[layer].standard(), key=lambda case: LAYERS[layer].problem(case).expected.size)
    cases = [case for case in small if case.geometry.get("T") != 1][1:3]
    named = 0
    for case in (*cases, replace(cases[-1], dtype="float32")):
        result = check(replace(case, seed=3), functions)
        codes = {found.code for found in result.diagnosis}
        assert codes <= {code}, (case.label(), case.dtype, result.diagnosis)
        assert code is not None or result.passed, result.summary()
        named += bool(codes)
    assert code is None or named >= 2


@pytest.mark.parametrize("slip", LSTM_SLIPS)
def test_slips_of_an_lstm_step_are_named(slip: str) -> None:
    code, lines = LSTM_SLIPS[slip]
    assert_named("lstm-step", lstm_step(**lines), code)


@pytest.mark.parametrize("slip", [*LSTM_SLIPS][::4])
def test_slips_of_a_step_are_named_in_a_sequence(slip: str) -> None:
    code, lines = LSTM_SLIPS[slip]
    assert_named("lstm", over_time(lstm_step(**lines), cell=True), code)


@pytest.mark.parametrize("slip", RNN_SLIPS)
def test_slips_of_a_recurrent_step_are_named(slip: str) -> None:
    code, lines = RNN_SLIPS[slip]
    assert_named("rnn-step", rnn_step(**lines), code)
    assert_named("rnn", over_time(rnn_step(**lines), cell=False), code)


@pytest.mark.parametrize("slip", TIME_SLIPS)
def test_slips_on_the_way_back_through_time_are_named(slip: str) -> None:
    if slip != "cell not carried":
        assert_named("rnn", over_time(rnn_step(), cell=False, slip=slip), TIME_SLIPS[slip])
    assert_named("lstm", over_time(lstm_step(), cell=True, slip=slip), TIME_SLIPS[slip])


def test_right_recurrent_layers_are_told_nothing() -> None:
    assert_named("lstm-step", lstm_step(), None)
    assert_named("lstm", over_time(lstm_step(), cell=True), None)
    assert_named("rnn-step", rnn_step(), None)
    assert_named("rnn", over_time(rnn_step(), cell=False), None)


#: Of each activation wrong gradients, of x, out and dout, with their codes.
ACTIVATIONS: list[tuple[str, str | None, Callable[[Any, Any, Any], Any]]] = [
    ("tanh", None, lambda x, out, dout: dout * (1 - out) * (1 + out)),
    ("tanh", "tanh-slope", lambda x, out, dout: dout * (1 - x**2)),
    ("tanh", "tanh-slope", lambda x, out, dout: dout * (1 - np.tanh(out) ** 2)),
    ("tanh", "tanh-slope", lambda x, out, dout: dout * (1 - out)),
    ("tanh", "tanh-slope", lambda x, out, dout: dout * out * (1 - out)),
    ("tanh", "slope-missing", lambda x, out, dout: dout),
    ("sigmoid", None, lambda x, out, dout: dout * np.exp(-x) * out**2),
    ("sigmoid", "sigmoid-slope", lambda x, out, dout: dout * x * (1 - x)),
    ("sigmoid", "sigmoid-slope", lambda x, out, dout: dout * sig(out) * (1 - sig(out))),
    ("sigmoid", "sigmoid-slope", lambda x, out, dout: dout * (1 - out)),
    ("sigmoid", "sigmoid-slope", lambda x, out, dout: dout * (1 - out**2)),
    ("sigmoid", "slope-missing", lambda x, out, dout: dout),
    ("relu", None, lambda x, out, dout: np.where(x > 0, dout, 0)),
    ("relu", "mask-ignored", lambda x, out, dout: dout),
    ("relu", "mask-of-dout", lambda x, out, dout: np.maximum(dout, 0)),
    ("relu", "mask-inverted", lambda x, out, dout: np.where(x > 0, 0, dout)),
    ("relu", "slope-missing", lambda x, out, dout: dout * out),
]


@pytest.mark.parametrize(("layer", "code", "dx"), ACTIVATIONS, ids=map(str, range(len(ACTIVATIONS))))
def test_slopes_of_activations_are_named(layer: str, code: str | None, dx: Callable[[Any, Any, Any], Any]) -> None:
    outs: dict[str, Callable[[Any], Any]] = {"tanh": np.tanh, "sigmoid": sig, "relu": lambda x: np.maximum(x, 0)}

    def forward(x: Any) -> Any:
        return outs[layer](x), x

    assert_named(layer, (forward, lambda dout, x: dx(x, outs[layer](x), dout)), code)
