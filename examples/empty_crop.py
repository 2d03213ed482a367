"""The classic slip: a gradient cropped by `[pad:-pad]`, which is right at pad 1 and leaves nothing at pad 0.

From this folder,

    convcheck empty_crop.py --pad 0,1

passes at pad 1, the geometry that most notebooks try, fails at pad 0, and says why: dx is empty.
"""

import numpy as np


def conv_forward(x, w, b, conv_param):
    """Images x (N, C, H, W), filters w (F, C, HH, WW), biases b (F,); returns the output and a cache."""
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, _, H, W = x.shape
    F, _, HH, WW = w.shape
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((N, F, 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride))
    for n, f, i, j in np.ndindex(out.shape):
        window = x_padded[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
        out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward(dout, cache):
    """Cotangent dout of the output; returns the gradients of x, w and b."""
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    _, _, HH, WW = w.shape
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dx_padded, dw, db = np.zeros_like(x_padded), np.zeros_like(w), np.zeros_like(b)
    for n, f, i, j in np.ndindex(dout.shape):
        rows, columns = slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW)
        dx_padded[n, :, rows, columns] += dout[n, f, i, j] * w[f]
        dw[f] += dout[n, f, i, j] * x_padded[n, :, rows, columns]
        db[f] += dout[n, f, i, j]
    return dx_padded[:, :, pad:-pad, pad:-pad], dw, db  # at pad 0 this is [0:-0], nothing at all
