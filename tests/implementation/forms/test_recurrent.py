"""Recurrent code that divides its weights otherwise than the layers here do, or lays out its arrays in another way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gradcheck_cli.implementation.finding.examine import Examined, examine
from gradcheck_cli.implementation.finding.inventory import take_inventory
from gradcheck_cli.implementation.loading.load import Loader
from tests.implementation.forms.checked import Form
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

_SIGMOID = """def sigmoid(z):
    return 1 / (1 + np.exp(-z))


"""

_COLUMNS = """def rnn_cell_forward(xt, a_prev, parameters):
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    a_next = np.tanh(Wax @ xt + Waa @ a_prev + parameters["ba"])
    n_y, n_a = Wya.shape
    y_pred = Wya @ a_next + parameters["by"]
    return a_next, y_pred, (a_next, a_prev, xt, parameters)

def rnn_cell_backward(da_next, cache):
    a_next, a_prev, xt, parameters = cache
    d = da_next * (1 - a_next**2)
    grads = {"dxt": parameters["Wax"].T @ d, "da_prev": parameters["Waa"].T @ d, "dWax": d @ xt.T}
    return {**grads, "dWaa": d @ a_prev.T, "dba": d.sum(axis=1, keepdims=True)}

"""

_COLUMNS_IN_TIME = """def rnn_forward(x, a0, parameters):
    caches, a, states = [], a0, []
    for t in range(x.shape[2]):
        a, y, cache = rnn_cell_forward(x[:, :, t], a, parameters)
        caches.append(cache)
        states.append(a)
    return np.stack(states, axis=2), y, (caches, x)

def rnn_backward(da, caches):
    caches, x = caches
    dx, later, sums = np.zeros_like(x), 0, {}
    for t in reversed(range(x.shape[2])):
        one = rnn_cell_backward(da[:, :, t] + later, caches[t])
        dx[:, :, t], later = one["dxt"], one["da_prev"]
        sums = {name: sums.get(name, 0) + one[name] for name in ("dWax", "dWaa", "dba")}
    return {"dx": dx, "da0": later, **sums}
"""

_GATES_OF_HX = """def lstm_forward_step(xt, a_prev, c_prev, p):
    z = np.vstack([a_prev, xt])
    f, i, o = (sigmoid(p["W" + k] @ z + p["b" + k]) for k in "fio")
    cc = np.tanh(p["Wc"] @ z + p["bc"])
    c = f * c_prev + i * cc
    return o * np.tanh(c), c, (z, f, i, o, cc, c_prev, c, p)

def lstm_backward_step(da_next, dc_next, cache, p, H):
    z, f, i, o, cc, c_prev, c, _ = cache
    dc = dc_next + da_next * o * (1 - np.tanh(c) ** 2)
    d = {"f": dc * c_prev * f * (1 - f), "i": dc * cc * i * (1 - i), "c": dc * i * (1 - cc**2)}
    d["o"] = da_next * np.tanh(c) * o * (1 - o)
    dz, n = sum(p["W" + k].T @ d[k] for k in d), H
    grads = {"dW" + k: d[k] @ z.T for k in d} | {"db" + k: d[k].sum(1, keepdims=True) for k in d}
    return {"dxt": dz[n:], "da_prev": dz[:n], "dc_prev": dc * f, **grads}
"""

_NINE = """def gru_cell_forward(x, h, Wz, Wr, Wn, Uz, Ur, Un, bz, br, bn):
    z, r = sigmoid(x @ Wz + h @ Uz + bz), sigmoid(x @ Wr + h @ Ur + br)
    n = np.tanh(x @ Wn + (r * h) @ Un + bn)
    return (1 - z) * h + z * n, (x, h, Wz, Wr, Wn, Uz, Ur, Un, z, r, n)

def gru_cell_backward(dh, cache):
    x, h, Wz, Wr, Wn, Uz, Ur, Un, z, r, n = cache
    dn, dz = dh * z * (1 - n**2), dh * (n - h) * z * (1 - z)
    dm = dn @ Un.T
    dr = dm * h * r * (1 - r)
    dx = dz @ Wz.T + dr @ Wr.T + dn @ Wn.T
    before = dh * (1 - z) + dm * r + dz @ Uz.T + dr @ Ur.T
    weights = [x.T @ d for d in (dz, dr, dn)] + [h.T @ dz, h.T @ dr, (r * h).T @ dn]
    return dx, before, *weights, dz.sum(0), dr.sum(0), dn.sum(0)
"""

_VECTORS = """class GRUCell:
    def __init__(self, in_dim, hidden_dim):
        for gate in "rzn":
            setattr(self, f"W{gate}x", np.random.randn(hidden_dim, in_dim))
            setattr(self, f"W{gate}h", np.random.randn(hidden_dim, hidden_dim))
            setattr(self, f"b{gate}x", np.random.randn(hidden_dim))
            setattr(self, f"b{gate}h", np.random.randn(hidden_dim))

    def forward(self, x, h_prev_t):
        assert x.ndim == 1
        self.x, self.h = x, h_prev_t
        self.r = sigmoid(self.Wrx @ x + self.brx + self.Wrh @ self.h + self.brh)
        self.z = sigmoid(self.Wzx @ x + self.bzx + self.Wzh @ self.h + self.bzh)
        self.m = self.Wnh @ self.h + self.bnh
        self.n = np.tanh(self.Wnx @ x + self.bnx + self.r * self.m)
        return (1 - self.z) * self.n + self.z * self.h

    def backward(self, delta):
        dn = delta * (1 - self.z) * (1 - self.n**2)
        dz = delta * (self.h - self.n) * self.z * (1 - self.z)
        dr = dn * self.m * self.r * (1 - self.r)
        for gate, d, of_h in (("r", dr, dr), ("z", dz, dz), ("n", dn, dn * self.r)):
            setattr(self, f"dW{gate}x", np.outer(d, self.x))
            setattr(self, f"dW{gate}h", np.outer(of_h, self.h))
            setattr(self, f"db{gate}x", d)
            setattr(self, f"db{gate}h", of_h)
        dx = dr @ self.Wrx + dz @ self.Wzx + dn @ self.Wnx
        return dx, delta * self.z + dr @ self.Wrh + dz @ self.Wzh + (dn * self.r) @ self.Wnh
"""

_STACKED = """class LSTM:
    def __init__(self, input_size, hidden_size):
        self.W, self.b = np.random.randn({rows}, 4 * hidden_size), np.zeros(4 * hidden_size)
        self.H = hidden_size

    def forward(self, x):
        h = c = np.zeros((len(x), self.H))
        self.x, self.kept, hs = x, [], []
        for t in range(x.shape[1]):
            z = np.hstack([x[:, t], h])
            i, f, g, o = np.split(z @ self.W + self.b, 4, axis=1)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            before, c = c, f * c + i * g
            h = o * np.tanh(c)
            self.kept.append((z, i, f, g, o, before, c))
            hs.append(h)
        return np.stack(hs, axis=1)

    def backward(self, dout):
        self.dW, self.db, dx, D = 0, 0, np.zeros_like(self.x), self.x.shape[2]
        dh = dc = 0
        for t in reversed(range(dout.shape[1])):
            z, i, f, g, o, before, c = self.kept[t]
            dh = dout[:, t] + dh
            dc = dc + dh * o * (1 - np.tanh(c) ** 2)
            gates = [dc * g * i * (1 - i), dc * before * f * (1 - f), dc * i * (1 - g**2)]
            d = np.hstack([*gates, dh * np.tanh(c) * o * (1 - o)])
            self.dW, self.db, dz = self.dW + z.T @ d, self.db + d.sum(0), d @ self.W.T
            dx[:, t], dh, dc = dz[:, :D], dz[:, D:], dc * f
        return dx
""".replace("{rows}", "input_size + hidden_size")

_LIST_OF_STEPS = """class RNN:
    def __init__(self, input_size, hidden_size):
        self.Wxh, self.Whh = np.random.randn(hidden_size, input_size), np.random.randn(hidden_size, hidden_size)
        self.bh = np.zeros((hidden_size, 1))

    def forward(self, inputs):
        self.inputs, self.hs = inputs, [np.zeros_like(self.bh)]
        for x in inputs:
            self.hs.append(np.tanh(self.Wxh @ x + self.Whh @ self.hs[-1] + self.bh))
        return self.hs[1:]

    def backward(self, dhs):
        self.dWxh, self.dWhh, self.dbh = np.zeros_like(self.Wxh), np.zeros_like(self.Whh), np.zeros_like(self.bh)
        dxs, later = [], np.zeros_like(self.bh)
        for t in reversed(range(len(self.inputs))):
            d = (dhs[t] + later) * (1 - self.hs[t + 1] ** 2)
            self.dWxh += d @ self.inputs[t].T
            self.dWhh += d @ self.hs[t].T
            self.dbh += d
            dxs.insert(0, self.Wxh.T @ d)
            later = self.Whh.T @ d
        return dxs
"""

_TUPLE = """def rnn_step_forward(x, h, params):
    Wx, Wh, b = params
    after = np.tanh(x @ Wx + h @ Wh + b)
    return after, (x, h, after, params)

def rnn_step_backward(dh, cache):
    x, h, after, (Wx, Wh, b) = cache
    d = dh * (1 - after**2)
    return d @ Wx.T, d @ Wh.T, [x.T @ d, h.T @ d, d.sum(0)]
"""

_DICTIONARIES = """class RNNCell:
    def __init__(self, weights, biases):
        self.U, self.W, self.b = weights["U"], weights["W"], biases["b"]

    def forward(self, x, s_prev):
        self.x, self.s_prev = x, s_prev
        self.s = np.tanh(x @ self.U.T + s_prev @ self.W.T + self.b)
        return self.s

    def backward(self, ds):
        d = ds * (1 - self.s**2)
        self.grads = {"dU": d.T @ self.x, "dW": d.T @ self.s_prev, "db": d.sum(0)}
        return d @ self.U, d @ self.W
"""

_NO_BIAS = """class RNNCell:
    def __init__(self, Wx, Wh):
        self.Wx, self.Wh = Wx, Wh

    def forward(self, x, h):
        self.x, self.h = x, h
        self.after = np.tanh(x @ self.Wx + h @ self.Wh)
        return self.after

    def backward(self, dh):
        d = dh * (1 - self.after**2)
        self.dWx, self.dWh = self.x.T @ d, self.h.T @ d
        return d @ self.Wx.T, d @ self.Wh.T
"""

_WITH_ONES = """def lstm_forward(X, WLSTM, c0=None, h0=None):
    n, d = len(X), WLSTM.shape[1] // 4
    h, c, kept, out = h0, c0, [], []
    h = np.zeros((X.shape[1], d)) if h0 is None else h0
    c = np.zeros((X.shape[1], d)) if c0 is None else c0
    for x in X:
        z = np.hstack([np.ones((len(x), 1)), x, h])
        a = z @ WLSTM
        i, f, o, g = *(sigmoid(a[:, k * d:(k + 1) * d]) for k in range(3)), np.tanh(a[:, 3 * d:])
        before, c = c, f * c + i * g
        h = o * np.tanh(c)
        kept.append((z, i, f, o, g, before, c))
        out.append(h)
    return np.stack(out), c, h, (kept, WLSTM, X)

def lstm_backward(dout, cache, dcn=None, dhn=None):
    kept, W, X = cache
    dX, dW, dh, dc = np.zeros_like(X), np.zeros_like(W), 0, 0
    for t in reversed(range(len(X))):
        z, i, f, o, g, before, c = kept[t]
        dh = dout[t] + dh
        dc = dc + dh * o * (1 - np.tanh(c) ** 2)
        gates = [dc * g * i * (1 - i), dc * before * f * (1 - f), dh * np.tanh(c) * o * (1 - o), dc * i * (1 - g**2)]
        d = np.hstack(gates)
        dW += z.T @ d
        dz = d @ W.T
        dX[t], dh, dc = dz[:, 1:X.shape[2] + 1], dz[:, X.shape[2] + 1:], dc * f
    return dX, dW, dc, dh
"""

FORMS = {
    "columns and a dictionary": Form(
        layer="rnn-step",
        text=_COLUMNS,
        understood=("samples as columns",),
        first=2,
        most=2,
        wrong=("d @ a_prev.T", "d @ a_next.T"),
    ),
    "columns, steps last": Form(
        layer="rnn",
        text=_COLUMNS + _COLUMNS_IN_TIME,
        names="rnn_forward,rnn_backward",
        first=2,
        most=2,
        understood=("samples as columns",),
        wrong=("t] + later", "t]"),
    ),
    "gates of [h; x]": Form(
        layer="lstm-step",
        text=_SIGMOID + _GATES_OF_HX,
        first=2,
        most=2,
        understood=("a matrix for each gate, W = [h; x]",),
        wrong=('"c": dc * i', '"c": dc * f'),
    ),
    "nine matrices": Form(
        layer="gru-step",
        text=_SIGMOID + _NINE,
        understood=("a matrix for each gate", "z as the share that is new"),
        wrong=("(r * h).T @ dn", "h.T @ dn"),
        passed=1,
    ),
    "twelve attributes, vectors": Form(
        layer="gru-step",
        text=_SIGMOID + _VECTORS,
        understood=("two biases", "one sample at a time", "the reset gate after"),
        most=3,
        wrong=('"db{gate}x", d)', '"db{gate}x", 2 * d)'),
        passed=1,
    ),
    "one matrix for [x; h]": Form(
        layer="lstm",
        text=_SIGMOID + _STACKED,
        first=2,
        most=2,
        understood=("W = [x; h]", "gates in the order i, f, g, o", "without h0"),
        wrong=("dc * i * (1 - g**2)", "dc * i * (1 - g)"),
    ),
    "a row of ones": Form(
        layer="lstm",
        text=_SIGMOID + _WITH_ONES,
        first=2,
        most=2,
        understood=("W = [1; x; h]", "steps first"),
        wrong=("dW += z.T @ d", "dW = z.T @ d"),
    ),
    "a list of steps": Form(
        layer="rnn",
        text=_LIST_OF_STEPS,
        first=2,
        most=2,
        understood=("steps first and samples as columns", "without h0"),
        wrong=("later = self.Whh.T", "later = self.Whh"),
    ),
    "parameters in a tuple": Form(layer="rnn-step", text=_TUPLE, wrong=("h.T @ d", "after.T @ d")),
    "dictionaries of weights": Form(
        layer="rnn-step",
        text=_DICTIONARIES,
        understood=("weights transposed",),
        wrong=("d @ self.W\n", "d @ self.W.T\n"),
    ),
    "no bias": Form(
        layer="rnn-step", text=_NO_BIAS, understood=("without b",), wrong=("1 - self.after**2", "1 - self.after")
    ),
}


@pytest.mark.parametrize("name", one_in(5, FORMS))
def test_a_form_is_understood(name: str, tmp_path: Path) -> None:
    replace(FORMS[name], asked=True).assert_understood(tmp_path)


def test_a_class_called_after_a_layer_may_be_one_step(tmp_path: Path) -> None:
    for text, layer in ((_NO_BIAS, "rnn-step"), (_LIST_OF_STEPS, "rnn")):
        path = tmp_path / f"{layer}.py"
        path.write_text(f"import numpy as np\n\n\n{text.replace('RNNCell', 'RNN')}", encoding="utf-8")
        (offer,) = take_inventory(str(path), Loader()).offers
        assert examine(offer, Loader()) == Examined(layer=layer)


def test_a_step_without_the_gradient_of_its_data_is_skipped(tmp_path: Path, gradcheck: Program) -> None:
    returned = '    return {"dxt": dz[n:], "da_prev": dz[:n], "dc_prev": dc * f, **grads}'
    without_dx = "    da_prev, dc_prev = dz[:n], dc * f\n    return grads, da_prev, dc_prev"
    text = _SIGMOID + _GATES_OF_HX.replace(returned, without_dx)
    assert without_dx in text
    (tmp_path / "mine.py").write_text(f"import numpy as np\n\n\n{text}", encoding="utf-8")
    run = gradcheck("mine.py")
    assert "lstm_backward_step returns no gradient of x" in run.stdout + run.stderr
    assert run.returncode == 2


@pytest.mark.long
def test_a_parameter_of_unknown_meaning_is_named(tmp_path: Path, gradcheck: Program) -> None:
    text = _COLUMNS.replace('parameters["ba"]', 'parameters["peephole"]')
    (tmp_path / "layers.py").write_text(f"import numpy as np\n\n\n{text}", encoding="utf-8")
    run = gradcheck("layers.py")
    assert run.returncode == 2
    assert "'peephole'" in " ".join(run.stdout.split())
