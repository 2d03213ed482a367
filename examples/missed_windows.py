"""A loop that ends one step early: backward computes the size of the output anew, and forgets the + 1.

From this folder,

    convcheck missed_windows.py

fails in every geometry: in dx and dw the last row and the last column of windows are missed.
"""

import numpy as np


def conv_forward(x, w, b, conv_param):
    """Images x (N, C, H, W), filters w (F, C, HH, WW), biases b (F,); returns the output and a cache."""
    stride, pad = conv_param["stride"], conv_param["pad"]
    (N, _, H, W), (F, _, HH, WW) = x.shape, w.shape
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((N, F, (H + 2 * pad - HH) // stride + 1, (W + 2 * pad - WW) // stride + 1), x.dtype)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = x_padded[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
            out[:, :, i, j] = window.reshape(N, -1) @ w.reshape(F, -1).T + b
    return out, (x, w, b, conv_param, x_padded)


def conv_backward(dout, cache):
    """Cotangent dout of the output; returns the gradients of x, w and b."""
    x, w, b, conv_param, x_padded = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    (_, _, H, W), (_, _, HH, WW) = x.shape, w.shape
    dx_padded, dw, db = np.zeros_like(x_padded), np.zeros_like(w), dout.sum(axis=(0, 2, 3))
    for i in range((H + 2 * pad - HH) // stride):
        for j in range((W + 2 * pad - WW) // stride):
            rows, columns = slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW)
            dx_padded[:, :, rows, columns] += np.tensordot(dout[:, :, i, j], w, axes=(1, 0))
            dw += np.tensordot(dout[:, :, i, j], x_padded[:, :, rows, columns], axes=(0, 0))
    return dx_padded[:, :, pad : pad + H, pad : pad + W], dw, db
