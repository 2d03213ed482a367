"""Convolution as matrix products: every window gathered once, then one batched product (im2col).

No Python loop runs over samples, filters or output positions. The measured cost of each choice is beside it; the
shape was x (8, 16, 32, 32), w (32, 16, 3, 3) in float64 on two cores, where PyTorch takes 8 ms forward and backward.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck_cli.layers.conv.naive import both, padded, positions
from gradcheck_cli.numeric.arrays import Array

Cache = tuple["Array", "Array", tuple[int, ...], "Mapping[str, Any]"]


def gather(x_padded: Array, kernel: tuple[int, int], conv_param: Mapping[str, Any]) -> Array:
    """View every window of x_padded (N, C, H, W), contiguous, at once: (N, C, HH, WW, H', W'), nothing copied."""
    (sv, sh), (dv, dh) = both(conv_param["stride"]), both(conv_param.get("dilation", 1))
    (N, C, H, W), (n, c, h, w) = x_padded.shape, x_padded.strides
    rows, columns = (H - dv * (kernel[0] - 1) - 1) // sv + 1, (W - dh * (kernel[1] - 1) - 1) // sh + 1
    shape, strides = (N, C, *kernel, rows, columns), (n, c, h * dv, w * dh, h * sv, w * sh)
    # A tenth of the time of `sliding_window_view`, and as safe: NumPy holds the strides against the buffer.
    return np.ndarray(shape, x_padded.dtype, x_padded, 0, strides)


def conv_forward_fast(x: Array, w: Array, b: Array, conv_param: Mapping[str, Any]) -> tuple[Array, Cache]:
    """Convolve as `conv_forward_naive` does, by one matrix product for each sample and group, all in one call.

    The cache holds the gathered windows, HH * WW / stride**2 times as large as x.
    """
    groups = conv_param.get("groups", 1)
    view = gather(padded(x, conv_param), w.shape[2:], conv_param)
    N, F, (rows, columns) = x.shape[0], w.shape[0], view.shape[4:]
    # The only copy. Positions last, so that it moves whole output rows; with the window last it takes 4 times as long.
    patches = view.reshape(N, groups, -1, rows * columns)
    out = w.reshape(groups, F // groups, -1) @ patches
    out += b.reshape(groups, -1, 1)
    return out.reshape(N, F, rows, columns), (patches, w, x.shape, conv_param)


def conv_backward_fast(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """Return dx, dw and db, of the shapes of x, w and b, for dout (N, F, H', W') and the cache of forward.

    With out = w patches + b for each sample, dw = sum_n dout patches^T and dpatches = w^T dout; dx gathers from
    dpatches, for each position (h, k) in the kernel, the strided image of all windows' elements at that position.
    """
    patches, w, x_shape, conv_param = cache
    (pv, ph), groups = both(conv_param["pad"]), conv_param.get("groups", 1)
    (F, C, HH, WW), (N, _, H, W), (rows, columns) = w.shape, x_shape, dout.shape[2:]
    g = dout.reshape(N, groups, F // groups, rows * columns)

    dw = (g @ patches.swapaxes(2, 3)).sum(axis=0).reshape(w.shape)

    # One kernel row at a time, (HH, groups, WW * C, F / groups) @ g, into one buffer: all rows at once is 9 MB of
    # fresh pages and takes 5 to 8 ms, this takes 3; one kernel element at a time makes the products too small.
    by_row = np.ascontiguousarray(w.reshape(groups, F // groups, C, HH, WW).transpose(3, 0, 4, 2, 1))
    by_row = by_row.reshape(HH, groups, WW * C, F // groups)
    buffer = np.empty((N, groups, WW * C, rows * columns), dout.dtype)
    contributions = buffer.reshape(N, groups, WW, C, rows, columns)
    dx_padded = np.zeros((N, groups, C, H + 2 * pv, W + 2 * ph), dout.dtype)
    for h, k, seen in positions(dx_padded, (HH, WW), conv_param):
        if k == 0:
            np.matmul(by_row[h], g, out=buffer)
        dx_padded[seen] += contributions[:, :, k]
    dx = dx_padded[:, :, :, pv : pv + H, ph : ph + W].reshape(x_shape)
    return dx, dw, dout.sum(axis=(0, 2, 3))
