import numpy as np


def conv_forward(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    (N, _, H, W), (F, _, HH, WW) = x.shape, w.shape
    x_padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.empty((N, F, 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride), x.dtype)
    for i, j in np.ndindex(out.shape[2:]):
        window = x_padded[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
        out[:, :, i, j] = window.reshape(N, -1) @ w.reshape(F, -1).T + b
    return out, (x_padded, w, conv_param)


def conv_backward(dout, cache):
    x_padded, w, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    _, _, HH, WW = w.shape
    dx, dw = np.zeros_like(x_padded), np.zeros_like(w)
    for i, j in np.ndindex(dout.shape[2:]):
        rows, columns = slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW)
        dx[:, :, rows, columns] += np.tensordot(dout[:, :, i, j], w, axes=(1, 0))
        dw += np.tensordot(dout[:, :, i, j], x_padded[:, :, rows, columns], axes=(0, 0))
    return dx[:, :, pad : dx.shape[2] - pad, pad : dx.shape[3] - pad], dw, dout.sum(axis=(0, 2, 3))
