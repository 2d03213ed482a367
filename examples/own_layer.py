"""A convolution of one's own, right in every geometry.

From this folder,

    convcheck own_layer.py

prints a line for each geometry of the standard set, and ends in `13 cases passed`. The two functions are found by
their names; nothing here knows of the checker.
"""

import numpy as np


def conv_forward(x, w, b, conv_param):
    """Images x (N, C, H, W), filters w (F, C, HH, WW), biases b (F,); returns the output and a cache."""
    stride, pad = conv_param["stride"], conv_param["pad"]
    (N, C, H, W), (F, _, HH, WW) = x.shape, w.shape
    rows, columns = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.empty((N, F, rows, columns), x.dtype)
    for i in range(rows):
        for j in range(columns):
            window = x_padded[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            out[:, :, i, j] = window.reshape(N, -1) @ w.reshape(F, -1).T + b
    return out, (x, w, b, conv_param)


def conv_backward(dout, cache):
    """Cotangent dout of the output; returns the gradients of x, w and b."""
    x, w, _, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    (N, C, H, W), (F, _, HH, WW) = x.shape, w.shape
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dx_padded, dw = np.zeros_like(x_padded), np.zeros_like(w)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            window = (slice(None), slice(None), slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW))
            g = dout[:, :, i, j]
            dx_padded[window] += (g @ w.reshape(F, -1)).reshape(N, C, HH, WW)
            dw += (g.T @ x_padded[window].reshape(N, -1)).reshape(w.shape)
    return dx_padded[:, :, pad : pad + H, pad : pad + W], dw, dout.sum(axis=(0, 2, 3))
