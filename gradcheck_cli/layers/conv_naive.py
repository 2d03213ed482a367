"""Convolution the way a textbook writes it: a loop over output positions, one matrix product each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.arrays import Array

Cache = tuple["Array", "Array", "Array", "Mapping[str, Any]"]


def both(value: int | tuple[int, int]) -> tuple[int, int]:
    """Return the vertical and the horizontal number of `2` or `(2, 1)`."""
    return value if isinstance(value, tuple) else (value, value)


def windows(shape: tuple[int, ...], w: Array, conv_param: Mapping[str, Any]) -> Iterator[tuple[int, int, Any]]:
    """Yield each output position (i, j) with the index of the window that it sees in the padded input."""
    (sv, sh), (dv, dh) = both(conv_param["stride"]), both(conv_param.get("dilation", 1))
    rows, columns = dv * (w.shape[2] - 1) + 1, dh * (w.shape[3] - 1) + 1
    for i in range((shape[2] - rows) // sv + 1):
        for j in range((shape[3] - columns) // sh + 1):
            vertical = slice(i * sv, i * sv + rows, dv)
            horizontal = slice(j * sh, j * sh + columns, dh)
            yield i, j, (slice(None), slice(None), vertical, horizontal)


def padded(x: Array, conv_param: Mapping[str, Any]) -> Array:
    """Copy x (N, C, H, W) into the middle of zeros (N, C, H + 2 pad, W + 2 pad)."""
    pv, ph = both(conv_param["pad"])
    N, C, H, W = x.shape
    out = np.zeros((N, C, H + 2 * pv, W + 2 * ph), x.dtype)
    out[:, :, pv : pv + H, ph : ph + W] = x
    return out


def by_group(patch: Array, groups: int) -> Array:
    """Arrange a patch (N, C, HH, WW) as one matrix for each group: (groups, N, C / groups * HH * WW)."""
    return patch.reshape(patch.shape[0], groups, -1).swapaxes(0, 1)


def conv_forward_naive(x: Array, w: Array, b: Array, conv_param: Mapping[str, Any]) -> tuple[Array, Cache]:
    """Convolve (in the field's sense: correlate) images with filters.

    Each output is the sum over a window,
    out[n, f, i, j] = b[f] + sum_chk x_padded[n, c, i * stride + h * dilation, j * stride + k * dilation] w[f, c, h, k].

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
    weights = w.reshape(groups, w.shape[0] // groups, -1).swapaxes(1, 2)
    x_padded = padded(x, conv_param)
    places = list(windows(x_padded.shape, w, conv_param))
    last_i, last_j, _ = places[-1]
    out = np.empty((x.shape[0], w.shape[0], last_i + 1, last_j + 1), x.dtype)
    for i, j, window in places:
        product = by_group(x_padded[window], groups) @ weights
        out[:, :, i, j] = product.swapaxes(0, 1).reshape(x.shape[0], -1) + b
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout: Array, cache: Cache) -> tuple[Array, Array, Array]:
    """Carry a cotangent back through `conv_forward_naive`.

    The transpose of each product of the forward pass: a window's cotangent goes to the weights by way of what the
    window saw, and to what it saw by way of the weights. Windows overlap, so both are sums.

    Args:
        dout: the cotangent of the output, (N, F, H', W').
        cache: what `conv_forward_naive` returned beside the output.

    Returns:
        dx, dw and db, of the shapes of x, w and b.
    """
    x, w, _, conv_param = cache
    groups = conv_param.get("groups", 1)
    weights = w.reshape(groups, w.shape[0] // groups, -1)
    x_padded = padded(x, conv_param)
    dx_padded, dweights = np.zeros_like(x_padded), np.zeros_like(weights)
    for i, j, window in windows(x_padded.shape, w, conv_param):
        seen = by_group(x_padded[window], groups)
        g = by_group(dout[:, :, i, j], groups)
        dweights += g.swapaxes(1, 2) @ seen
        dx_padded[window] += (g @ weights).swapaxes(0, 1).reshape(x_padded[window].shape)
    pv, ph = both(conv_param["pad"])
    H, W = x.shape[2:]
    return dx_padded[:, :, pv : pv + H, ph : ph + W], dweights.reshape(w.shape), dout.sum(axis=(0, 2, 3))
