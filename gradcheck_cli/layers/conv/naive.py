"""Convolution the way its definition is written: a sum over the positions of the kernel, one matrix product each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.numeric.arrays import Array

Cache = tuple["Array", "Array", "Array", "Param"]


def both(value: int | tuple[int, int]) -> tuple[int, int]:
    """Return the vertical and the horizontal number of `2` or `(2, 1)`."""
    return value if isinstance(value, tuple) else (value, value)


def padded(x: Array, conv_param: Param) -> Array:
    """Copy x (N, C, H, W) into the middle of zeros (N, C, H + 2 pad, W + 2 pad)."""
    pv, ph = both(conv_param["pad"])
    N, C, H, W = x.shape
    out = np.zeros((N, C, H + 2 * pv, W + 2 * ph), x.dtype)
    out[:, :, pv : pv + H, ph : ph + W] = x
    return out


def by_group(array: Array, groups: int, axis: int) -> Array:
    """Split an axis, of channels or filters, into groups and those of each."""
    return array.reshape(*array.shape[:axis], groups, -1, *array.shape[axis + 1 :])


def positions(x_padded: Array, kernel: tuple[int, ...], conv_param: Param) -> Iterator[tuple[int, int, Any]]:
    """Yield each position (h, k) of the kernel with the index of what all windows see there: (..., H', W')."""
    (sv, sh), (dv, dh) = both(conv_param["stride"]), both(conv_param.get("dilation", 1))
    (height, width), (HH, WW) = x_padded.shape[-2:], kernel
    rows, columns = (height - dv * (HH - 1) - 1) // sv + 1, (width - dh * (WW - 1) - 1) // sh + 1
    for h, k in np.ndindex(HH, WW):
        vertical = slice(h * dv, h * dv + sv * (rows - 1) + 1, sv)
        horizontal = slice(k * dh, k * dh + sh * (columns - 1) + 1, sh)
        yield h, k, (..., vertical, horizontal)


def conv_forward_naive(x: Array, w: Array, b: Array, conv_param: Param) -> tuple[Array, Cache]:
    """Convolve (in the field's sense: correlate) images with filters.

    Each output is the sum over a window,
    out[n, f, i, j] = b[f] + sum_chk x_padded[n, c, i * stride + h * dilation, j * stride + k * dilation] w[f, c, h, k],
    here with the sums over h and k as loops and that over c as a matrix product.

    Args:
        x: images, (N, C, H, W).
        w: filters, (F, C / groups, HH, WW).
        b: one bias for each filter, (F,).
        conv_param: "stride" and "pad", and if they are not 1 "dilation" and "groups";
            all but "groups" may be a pair (vertical, horizontal).

    Returns:
        The output (N, F, H', W') with H' = 1 + (H + 2 pad - dilation (HH - 1) - 1) // stride, in the dtype of x,
        and the cache that `conv_backward_naive` needs.
    """
    groups = conv_param.get("groups", 1)
    images, filters = by_group(padded(x, conv_param), groups, 1), by_group(w, groups, 0)
    out = by_group(b, groups, 0)[:, :, np.newaxis]
    for h, k, position in positions(images, w.shape[2:], conv_param):
        seen = images[position]
        out = out + filters[..., h, k] @ seen.reshape(*seen.shape[:3], -1)
    return out.reshape(len(x), len(w), *seen.shape[3:]), (x, w, b, conv_param)


def conv_backward_naive(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """Return dx, dw and db, of the shapes of x, w and b, for dout (N, F, H', W') and the cache of forward.

    The transpose of each product of the forward pass: at each position of the kernel, the cotangent goes to the weights
    by way of what the windows saw there, and to what they saw by way of the weights. Windows overlap, so that is a sum.
    """
    x, w, _, conv_param = cache
    groups = conv_param.get("groups", 1)
    images, filters = by_group(padded(x, conv_param), groups, 1), by_group(w, groups, 0)
    g = dout.reshape(len(dout), groups, len(w) // groups, -1)
    dimages, dfilters = np.zeros_like(images), np.empty_like(filters)
    for h, k, position in positions(images, w.shape[2:], conv_param):
        seen = images[position]
        dfilters[..., h, k] = (g @ seen.reshape(*seen.shape[:3], -1).swapaxes(2, 3)).sum(axis=0)
        dimages[position] += (filters[..., h, k].swapaxes(1, 2) @ g).reshape(seen.shape)
    (pv, ph), (H, W) = both(conv_param["pad"]), x.shape[2:]
    dx = dimages[..., pv : pv + H, ph : ph + W].reshape(x.shape)
    return dx, dfilters.reshape(w.shape), dout.sum(axis=(0, 2, 3))
