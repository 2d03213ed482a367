"""Right layers in the styles that people use, as text, and what goes wrong in them, by the text that is replaced."""

from __future__ import annotations

from typing import NamedTuple

LOOPS = """\
import numpy as np


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    H_out = 1 + (H + 2 * pad - HH) // stride
    W_out = 1 + (W + 2 * pad - WW) // stride
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((N, F, H_out, W_out))
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    window = x_pad[n, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    _, _, H_out, W_out = dout.shape
    x_pad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dx_pad = np.zeros_like(x_pad)
    dx = np.zeros_like(x)
    dw = np.zeros_like(w)
    db = np.zeros_like(b)
    for f in range(F):
        db[f] = dout[:, f].sum()
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    top, left = i * stride, j * stride
                    window = x_pad[n, :, top:top + HH, left:left + WW]
                    dw[f] += window * dout[n, f, i, j]
                    dx_pad[n, :, top:top + HH, left:left + WW] += w[f] * dout[n, f, i, j]
        dx[n] = dx_pad[n, :, pad:pad + H, pad:pad + W]
    return dx, dw, db
"""

COLUMNS = """\
import numpy as np


def im2col(x, HH, WW, stride, pad):
    N, C, H, W = x.shape
    H_out, W_out = (H + 2 * pad - HH) // stride + 1, (W + 2 * pad - WW) // stride + 1
    wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = np.zeros((N, C, HH, WW, H_out, W_out))
    for h in range(HH):
        for k in range(WW):
            cols[:, :, h, k] = wide[:, :, h:h + stride * H_out:stride, k:k + stride * W_out:stride]
    return cols.transpose(1, 2, 3, 0, 4, 5).reshape(C * HH * WW, -1), H_out, W_out


def col2im(cols, shape, HH, WW, stride, pad):
    N, C, H, W = shape
    H_out, W_out = (H + 2 * pad - HH) // stride + 1, (W + 2 * pad - WW) // stride + 1
    cols = cols.reshape(C, HH, WW, N, H_out, W_out).transpose(3, 0, 1, 2, 4, 5)
    wide = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for h in range(HH):
        for k in range(WW):
            wide[:, :, h:h + stride * H_out:stride, k:k + stride * W_out:stride] += cols[:, :, h, k]
    return wide[:, :, pad:pad + H, pad:pad + W]


def conv_forward(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    F, C, HH, WW = w.shape
    cols, H_out, W_out = im2col(x, HH, WW, stride, pad)
    out = w.reshape(F, -1) @ cols + b[:, None]
    return out.reshape(F, len(x), H_out, W_out).transpose(1, 0, 2, 3), (x, w, conv_param, cols)


def conv_backward(dout, cache):
    x, w, conv_param, cols = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    F, C, HH, WW = w.shape
    db = np.sum(dout, axis=(0, 2, 3))
    rows = dout.transpose(1, 0, 2, 3).reshape(F, -1)
    dw = (rows @ cols.T).reshape(w.shape)
    dcols = w.reshape(F, -1).T @ rows
    dx = col2im(dcols, x.shape, HH, WW, stride, pad)
    return dx, dw, db
"""

CLASS = """\
import numpy as np


class Linear:
    def __init__(self, in_features, out_features):
        self.weight = np.zeros((in_features, out_features))
        self.bias = np.zeros(out_features)

    def forward(self, x):
        self.x = x
        return self._flat(x) @ self.weight + self.bias

    def _flat(self, x):
        return x.reshape(len(x), -1)

    def backward(self, grad_output):
        self.grad_weight = self._flat(self.x).T @ grad_output
        self.grad_bias = grad_output.sum(axis=0)
        return (grad_output @ self.weight.T).reshape(self.x.shape)
"""

COURSE = """\
import numpy as np


def affine_forward(x, w, b):
    out = x.reshape(x.shape[0], -1) @ w + b
    cache = (x, w, b)
    return out, cache


def affine_backward(dout, cache):
    x, w, b = cache
    rows = x.reshape(x.shape[0], -1)
    dx = (dout @ w.T).reshape(x.shape)
    dw = rows.T @ dout
    db = np.sum(dout, axis=0)
    return dx, dw, db


def relu_forward(x):
    out = np.maximum(0, x)
    return out, x


def relu_backward(dout, cache):
    x = cache
    dx = dout.copy()
    dx[x <= 0] = 0
    return dx


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    else:
        out = x
    return out, (dropout_param, mask)


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    if dropout_param["mode"] == "train":
        dx = dout * mask
    else:
        dx = dout
    return dx


def softmax_loss(x, y):
    N = x.shape[0]
    shifted = x - np.max(x, axis=1, keepdims=True)
    probs = np.exp(shifted)
    probs /= np.sum(probs, axis=1, keepdims=True)
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps, momentum = bn_param["mode"], bn_param["eps"], bn_param["momentum"]
    if mode == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        bn_param["running_mean"] = momentum * bn_param["running_mean"] + (1 - momentum) * mu
        bn_param["running_var"] = momentum * bn_param["running_var"] + (1 - momentum) * var
    else:
        mu, var = bn_param["running_mean"], bn_param["running_var"]
    std = np.sqrt(var + eps)
    xhat = (x - mu) / std
    out = gamma * xhat + beta
    return out, (mode, xhat, gamma, std)


def batchnorm_backward(dout, cache):
    mode, xhat, gamma, std = cache
    N = dout.shape[0]
    dbeta = dout.sum(axis=0)
    dgamma = (dout * xhat).sum(axis=0)
    dxhat = dout * gamma
    if mode == "train":
        dx = (N * dxhat - dxhat.sum(axis=0) - xhat * (dxhat * xhat).sum(axis=0)) / (N * std)
    else:
        dx = dxhat / std
    return dx, dgamma, dbeta


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    da = dnext_h * (1 - next_h**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def rnn_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    h, prev_h, caches = np.zeros((N, T, len(b))), h0, []
    for t in range(T):
        prev_h, cache = rnn_step_forward(x[:, t], prev_h, Wx, Wh, b)
        h[:, t] = prev_h
        caches.append(cache)
    return h, caches


def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx, dprev_h = np.zeros((N, T, D)), np.zeros((N, H))
    dWx, dWh, db = np.zeros((D, H)), np.zeros((H, H)), np.zeros(H)
    for t in range(T - 1, -1, -1):
        dx[:, t], dprev_h, dWx_t, dWh_t, db_t = rnn_step_backward(dh[:, t] + dprev_h, cache[t])
        dWx += dWx_t
        dWh += dWh_t
        db += db_t
    dh0 = dprev_h
    return dx, dh0, dWx, dWh, db
"""


class Slip(NamedTuple):
    """What goes wrong in a layer."""

    source: str
    layer: str
    old: str
    new: str
    code: str
    found: bool = True  #: whether the first line of `new` is the place; else it is the function
    function: str = ""


_NAIVE, _BACKWARD = "conv_backward_naive", "conv_backward"

LOOP = "for n in range(N):\n        for f in range(F):\n            for i in range(H_out):\n" + 16 * " "
LOOP += "for j in range(W_out):\n                    top"

#: Each is found on the line on which it is.
SLIPS = (
    Slip(LOOPS, "conv", "dw[f] += window", "dw[f] = window", "assigned-not-accumulated", function=_NAIVE),
    Slip(
        LOOPS,
        "conv",
        "dx_pad[n, :, top:top + HH, left:left + WW] +=",
        "dx_pad[n, :, top:top + HH, left:left + WW] =",
        "assigned-not-accumulated",
        function=_NAIVE,
    ),
    Slip(LOOPS, "conv", "pad:pad + H, pad:pad + W]", "pad:-pad, pad:-pad]", "crop-empty", function=_NAIVE),
    Slip(LOOPS, "conv", "db[f] = dout[:, f].sum()", "db[f] = dout[0, f].sum()", "bias-axes", function=_NAIVE),
    Slip(LOOPS, "conv", LOOP, LOOP.replace("(N)", "(N - 1)"), "last-sample-missed", function=_NAIVE),
    Slip(COLUMNS, "conv", "stride] += cols", "stride] = cols", "assigned-not-accumulated", function="col2im"),
    Slip(
        COLUMNS,
        "conv",
        "pad:pad + H, pad:pad + W]",
        "2 * pad:2 * pad + H, 2 * pad:2 * pad + W]",
        "crop-wrong-side",
        function="col2im",
    ),
    Slip(COLUMNS, "conv", "axis=(0, 2, 3)", "axis=(0, 2)", "bias-axes", function=_BACKWARD),
    Slip(
        COLUMNS,
        "conv",
        "rows = dout.transpose(1, 0, 2, 3).reshape(F, -1)",
        "rows = dout.reshape(F, -1)",
        "reshaped-not-transposed",
        function=_BACKWARD,
    ),
    Slip(COLUMNS, "conv", "dw = (rows", "dw = (2 * rows", "factor", function=_BACKWARD),
    Slip(
        CLASS,
        "affine",
        "self.grad_bias = grad_output.sum(axis=0)",
        "self.grad_bias = grad_output.mean(axis=0)",
        "factor",
        function="Linear.backward",
    ),
    Slip(
        CLASS,
        "affine",
        "return (grad_output @ self.weight.T)",
        "return -(grad_output @ self.weight.T)",
        "factor",
        function="Linear.backward",
    ),
    Slip(
        COURSE,
        "affine",
        "dw = rows.T @ dout",
        "dw = rows.T @ np.ones_like(dout)",
        "cotangent-ones",
        function="affine_backward",
    ),
    Slip(COURSE, "affine", "db = np.sum(dout, axis=0)", "db = np.sum(dout)", "bias-axes", function="affine_backward"),
    Slip(
        COURSE,
        "affine",
        "dw = rows.T @ dout",
        "dw = rows[:-1].T @ dout[:-1]",
        "last-sample-missed",
        function="affine_backward",
    ),
    Slip(COURSE, "affine", "dw = rows.T @ dout", "dw = dout.T @ rows", "transposed", function="affine_backward"),
    Slip(COURSE, "relu", "dx[x <= 0] = 0", "dx[x > 0] = 0", "mask-inverted", function="relu_backward"),
    Slip(
        COURSE,
        "dropout",
        "dx = dout * mask",
        "dx = dout * (np.random.rand(*dout.shape) < dropout_param['p'])",
        "mask-redrawn",
        function="dropout_backward",
    ),
    Slip(COURSE, "softmax", "    dx /= N\n", "    dx = dx\n", "factor", found=False, function="softmax_loss"),
    Slip(
        COURSE,
        "softmax",
        "dx[np.arange(N), y] -= 1",
        "dx[np.arange(N), y] = -1",
        "label-assigned",
        function="softmax_loss",
    ),
    Slip(
        COURSE,
        "batchnorm",
        "std = np.sqrt(var + eps)",
        "std = np.sqrt(var) + eps",
        "eps-outside-root",
        function="batchnorm_forward",
    ),
    Slip(COURSE, "rnn", "dWx += dWx_t", "dWx = dWx_t", "assigned-not-accumulated", function="rnn_backward"),
    Slip(
        COURSE,
        "rnn",
        "for t in range(T - 1, -1, -1):",
        "for t in range(T):",
        "time-not-reversed",
        function="rnn_backward",
    ),
)
