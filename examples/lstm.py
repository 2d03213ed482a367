"""An LSTM with one fault: the gradient of the cell state is not multiplied by the forget gate.

From this folder,

    gradcheck lstm lstm.py --N 2 --D 3 --H 4 --T 3

fails, and says why: the forget gate is missing. `gradcheck lstm-step lstm.py` finds it in a step alone.
"""

import numpy as np


def sigmoid(a):
    """The logistic function."""
    return 1 / (1 + np.exp(-a))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """Inputs x (N, D), states prev_h and prev_c (N, H), weights of four gates (., 4H); returns both states, a cache."""
    a_i, a_f, a_o, a_g = np.split(x @ Wx + prev_h @ Wh + b, 4, axis=1)
    i, f, o, g = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), np.tanh(a_g)
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    """Cotangents of both states; returns the gradients of x, prev_h, prev_c, Wx, Wh and b."""
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    squashed = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - squashed**2)
    di, df, do, dg = dc * g, dc * prev_c, dnext_h * squashed, dc * i
    da = np.hstack([di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)])
    dprev_c = dc  # next_c = f * prev_c + i * g, so this should be dc * f
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    """Sequences x (N, T, D), first state h0 (N, H); returns the states of all steps (N, T, H), and a cache."""
    h, c, states, cache = h0, np.zeros_like(h0), [], []
    for t in range(x.shape[1]):
        h, c, step = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        states.append(h)
        cache.append(step)
    return np.stack(states, axis=1), cache


def lstm_backward(dh, cache):
    """Cotangents dh (N, T, H) of the states; returns the gradients of x, h0, Wx, Wh and b."""
    dprev_h, dprev_c, dxs, totals = 0, 0, [], [0, 0, 0]
    for t in reversed(range(dh.shape[1])):
        dx, dprev_h, dprev_c, *shares = lstm_step_backward(dh[:, t] + dprev_h, dprev_c, cache[t])
        dxs.append(dx)
        totals = [total + share for total, share in zip(totals, shares)]
    return np.stack(dxs[::-1], axis=1), dprev_h, *totals
