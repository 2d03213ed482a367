"""Convolutions along one and three axes, transposed and depthwise ones with one fault each, as people make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck_cli.layers.conv.conv_transpose import conv_transpose_backward, conv_transpose_forward
from gradcheck_cli.layers.conv.variants import (
    conv1d_backward,
    conv1d_forward,
    conv3d_forward,
    depthwise_conv_backward,
    depthwise_conv_forward,
)
from tests.faults.layer_fault import FAULTS, LayerFault, in_backward, in_forward


@in_backward("conv1d", conv1d_forward, "columns-permuted")
def mirrored(dout: Any, cache: Any) -> Any:
    dx, dw, db = conv1d_backward(dout, cache)
    return dx[:, :, ::-1], dw, db


@in_backward("conv1d", conv1d_forward)
def bias_of_first_sample(dout: Any, cache: Any) -> Any:
    dx, dw, _ = conv1d_backward(dout, cache)
    return dx, dw, dout[0].sum(axis=1)


def _sequence(dout: Any, cache: Any) -> Any:
    """Return dx of the padded sequence, and what belongs to it."""
    _, w, shape, param = cache
    stride, pad = param["stride"][1], param["pad"][1]
    wide = np.zeros((shape[0], shape[1], shape[3] + 2 * pad), dout.dtype)
    return wide, w[:, :, 0], stride, pad, shape[3]


@in_backward("conv1d", conv1d_forward, "crop-empty")
def sequence_cropped_to_nothing(dout: Any, cache: Any) -> Any:
    dx, dw, db = conv1d_backward(dout, cache)
    return dx if cache[3]["pad"][1] else dx[:, :, 0:-0], dw, db


@in_backward("conv1d", conv1d_forward, "assigned-not-accumulated")
def places_assigned(dout: Any, cache: Any) -> Any:
    wide, w, stride, pad, size = _sequence(dout, cache)
    for k in range(w.shape[2]):
        share = np.einsum("nfj,fc->ncj", dout, w[:, :, k])
        wide[:, :, k : k + stride * (dout.shape[2] - 1) + 1 : stride] = share
    return wide[:, :, pad : pad + size], *conv1d_backward(dout, cache)[1:]


@in_backward("conv1d", conv1d_forward, "crop-wrong-axes")
def channels_cropped(dout: Any, cache: Any) -> Any:
    wide, w, stride, pad, _ = _sequence(dout, cache)
    for j in range(dout.shape[2]):
        wide[:, :, j * stride : j * stride + w.shape[2]] += np.tensordot(dout[:, :, j], w, 1)
    return wide[:, pad:-pad], *conv1d_backward(dout, cache)[1:]


@in_backward("conv1d", conv1d_forward, "unseen-left-out")
def end_of_sequence_lost(dout: Any, cache: Any) -> Any:
    _, w, stride, pad, _ = _sequence(dout, cache)
    reached = stride * (dout.shape[2] - 1) + w.shape[2] - 2 * pad  # the pad is cut off what windows reach
    dx, dw, db = conv1d_backward(dout, cache)
    return dx[:, :, :reached], dw, db


@in_backward("conv1d", conv1d_forward, "reshaped-not-transposed")
def sequence_reshaped(dout: Any, cache: Any) -> Any:
    N, F, columns = dout.shape
    return conv1d_backward(dout.reshape(-1, F).reshape(N, columns, F).transpose(0, 2, 1), cache)


@in_backward("conv1d", conv1d_forward, "stride-ignored")
def sequence_without_stride(dout: Any, cache: Any) -> Any:
    wide, w, _, pad, size = _sequence(dout, cache)
    for j in range(dout.shape[2]):
        wide[:, :, j : j + w.shape[2]] += np.tensordot(dout[:, :, j], w, 1)[:, :, : wide.shape[2] - j]
    return wide[:, :, pad : pad + size], *conv1d_backward(dout, cache)[1:]


@in_forward("conv1d", conv1d_backward, "pad-ignored")
def sequence_not_padded(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
    _, cache = conv1d_forward(x, w, b, conv_param)
    count = (x.shape[2] - w.shape[2]) // conv_param["stride"] + 1
    out = np.zeros((len(x), len(w), max(count, 0)), x.dtype)
    for j in range(count):
        out[:, :, j] = np.tensordot(x[:, :, j * conv_param["stride"] :][:, :, : w.shape[2]], w, ((1, 2), (1, 2))) + b
    return out, cache


@in_backward("conv-transpose", conv_transpose_forward, "reshaped-not-transposed")
def image_reshaped(dout: Any, cache: Any) -> Any:
    N, F, rows, columns = dout.shape
    return conv_transpose_backward(dout.reshape(F, N, rows, columns).swapaxes(0, 1), cache)


def _conv3d(
    changed: Callable[[Any], Any] = lambda w: w, padded: Callable[[Any, int], Any] | None = None, **param: int
) -> tuple[Any, Any]:
    """Return a convolution in loops: backward has another kernel, another stride or pad, or another crop."""

    def forward(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
        return conv3d_forward(x, w, b, conv_param)[0], (x, w, conv_param)

    def backward(dout: Any, cache: Any) -> Any:
        x, w, given = cache
        used, turned = {**given, **param}, changed(w)
        p, s, kernel = used["pad"], used["stride"], w.shape[2:]
        wide = np.pad(x, ((0, 0), (0, 0), *[(p, p + 3 * s * max(dout.shape))] * 3))
        dwide, dw = np.zeros_like(wide), np.zeros_like(w)
        for window in np.ndindex(dout.shape[2:]):
            place = np.s_[:, :, *(slice(a * s, a * s + k) for a, k in zip(window, kernel, strict=True))]
            dwide[place] += np.einsum("nf,fcqhk->ncqhk", dout[:, :, *window], turned)
            dw += np.einsum("nf,ncqhk->fcqhk", dout[:, :, *window], wide[place])
        if padded:
            dx = padded(dwide[:, :, *(slice(size + 2 * p) for size in x.shape[2:])], p)
        else:
            dx = dwide[:, :, *(slice(p, p + size) for size in x.shape[2:])]
        return dx, changed(dw), dout.sum((0, 2, 3, 4))

    return forward, backward


FAULTS += [
    LayerFault("conv3d-kernel_reversed", "conv3d", _conv3d(lambda w: w[:, :, ::-1, ::-1, ::-1]), "kernel-rotated"),
    LayerFault("conv3d-planes_reversed", "conv3d", _conv3d(lambda w: w[:, :, ::-1]), "kernel-flipped"),
    LayerFault("conv3d-stride_forgotten", "conv3d", _conv3d(stride=1), "stride-ignored"),
    LayerFault("conv3d-pad_forgotten", "conv3d", _conv3d(pad=0), "pad-ignored"),
    LayerFault("conv3d-not_cropped", "conv3d", _conv3d(padded=lambda x, p: x), "crop-missing"),
    LayerFault(
        "conv3d-cropped_to_nothing", "conv3d", _conv3d(padded=lambda x, p: x[:, :, p:-p, p:-p, p:-p]), "crop-empty"
    ),
    LayerFault(
        "conv3d-crop_at_the_end",
        "conv3d",
        _conv3d(padded=lambda x, p: x[:, :, : -2 * p or None, : -2 * p or None, : -2 * p or None]),
        "crop-wrong-side",
    ),
]


@in_backward("depthwise-conv", depthwise_conv_forward, "reshaped-not-transposed")
def channels_reshaped(dout: Any, cache: Any) -> Any:
    N, C, rows, columns = dout.shape
    return depthwise_conv_backward(dout.reshape(N, rows, columns, C).transpose(0, 3, 1, 2), cache)


def _around(dout: Any, param: Any) -> Any:
    pad = param["pad"]
    return np.pad(dout, ((0, 0), (0, 0), (pad, pad), (pad, pad)))


def _spread_back(dout: Any, cache: Any, *, stride: int, pad: int) -> Any:
    """Compute dx and dw window by window; what lies outside of dout counts for nothing."""
    x, w, _ = cache
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, j, h, k in np.ndindex(*x.shape[2:], *w.shape[2:]):
        row, column = i * stride + h - pad, j * stride + k - pad
        if 0 <= row < dout.shape[2] and 0 <= column < dout.shape[3]:
            dx[:, :, i, j] += dout[:, :, row, column] @ w[:, :, h, k].T
            dw[:, :, h, k] += x[:, :, i, j].T @ dout[:, :, row, column]
    return dx, dw, dout.sum(axis=(0, 2, 3))


@in_backward("conv-transpose", conv_transpose_forward, "stride-ignored")
def stride_forgotten(dout: Any, cache: Any) -> Any:
    return _spread_back(dout, cache, stride=1, pad=cache[2]["pad"])


@in_backward("conv-transpose", conv_transpose_forward, "pad-ignored")
def pad_forgotten(dout: Any, cache: Any) -> Any:
    return _spread_back(dout, cache, stride=cache[2]["stride"], pad=0)


@in_backward("conv-transpose", conv_transpose_forward, "pad-fixed-at-1")
def pad_one(dout: Any, cache: Any) -> Any:
    return _spread_back(dout, cache, stride=cache[2]["stride"], pad=1)


@in_backward("conv-transpose", conv_transpose_forward, "kernel-rotated")
def kernel_rotated(dout: Any, cache: Any) -> Any:
    x, w, param = cache
    _, dw, db = conv_transpose_backward(dout, cache)
    return conv_transpose_backward(dout, (x, w[:, :, ::-1, ::-1], param))[0], dw, db


@in_backward("conv-transpose", conv_transpose_forward, "last-windows-missed")
def last_row_of_windows_missed(dout: Any, cache: Any) -> Any:
    x, w, param = cache
    seen, kept = x.copy(), np.s_[:, :, -1]
    seen[kept] = 0
    dx, dw, db = conv_transpose_backward(dout, (seen, w, param))
    dx[kept] = 0
    return dx, dw, db


@in_backward("conv-transpose", conv_transpose_forward, "last-channel-missed")
def last_channel_missed(dout: Any, cache: Any) -> Any:
    dx, dw, db = (gradient.copy() for gradient in conv_transpose_backward(dout, cache))
    dx[:, -1], dw[-1] = 0, 0
    return dx, dw, db


@in_backward("conv-transpose", conv_transpose_forward, "assigned-not-accumulated")
def of_last_window(dout: Any, cache: Any) -> Any:
    x, w, param = cache
    dx, _, db = conv_transpose_backward(dout, cache)
    dw = np.zeros_like(w)
    for i, j in np.ndindex(*x.shape[2:]):
        row, column = i * param["stride"], j * param["stride"]
        seen = _around(dout, param)[:, :, row : row + w.shape[2], column : column + w.shape[3]]
        dw = np.tensordot(x[:, :, i, j], seen, axes=(0, 0))
    return dx, dw, db


@in_backward("conv-transpose", conv_transpose_forward, "bias-axes")
def bias_of_samples(dout: Any, cache: Any) -> Any:
    dx, dw, _ = conv_transpose_backward(dout, cache)
    return dx, dw, dout.sum(axis=(2, 3))


@in_backward("conv-transpose", conv_transpose_forward, "height-width-confused")
def dx_turned(dout: Any, cache: Any) -> Any:
    dx, dw, db = conv_transpose_backward(dout, cache)
    return dx.swapaxes(2, 3).reshape(dx.shape), dw, db


@in_forward("conv-transpose", conv_transpose_backward, "assigned-not-accumulated")
def overlaps_assigned(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
    out, cache = conv_transpose_forward(x, w, b, conv_param)
    whole, s = np.zeros_like(_around(out, conv_param)), conv_param["stride"]
    for i, j in np.ndindex(*x.shape[2:]):
        window = np.s_[:, :, i * s : i * s + w.shape[2], j * s : j * s + w.shape[3]]
        whole[window] = np.tensordot(x[:, :, i, j], w, axes=(1, 0))
    kept = np.s_[:, :, conv_param["pad"] :, conv_param["pad"] :]
    return whole[kept][:, :, : out.shape[2], : out.shape[3]] + b[:, None, None], cache


@in_backward("depthwise-conv", depthwise_conv_forward, "crop-empty")
def cropped_to_nothing(dout: Any, cache: Any) -> Any:
    dx, dw, db = depthwise_conv_backward(dout, cache)
    pad = cache[3]["pad"]
    return _around(dx, cache[3])[:, :, pad:-pad, pad:-pad], dw, db


@in_backward("depthwise-conv", depthwise_conv_forward, "kernel-rotated")
def each_kernel_rotated(dout: Any, cache: Any) -> Any:
    dx, dw, db = depthwise_conv_backward(dout, cache)
    return dx, dw[:, ::-1, ::-1], db


@in_backward("depthwise-conv", depthwise_conv_forward, "filters-permuted")
def kernel_of_next_channel(dout: Any, cache: Any) -> Any:
    patches, w, *rest = cache
    _, dw, db = depthwise_conv_backward(dout, cache)
    return depthwise_conv_backward(dout, (patches, np.roll(w, -1, axis=0), *rest))[0], dw, db


@in_backward("depthwise-conv", depthwise_conv_forward, "assigned-not-accumulated")
def of_last_sample(dout: Any, cache: Any) -> Any:
    dx, _, _ = depthwise_conv_backward(dout, cache)
    last = np.zeros_like(dout)
    last[-1] = dout[-1]
    return dx, *depthwise_conv_backward(last, cache)[1:]


@in_backward("depthwise-conv", depthwise_conv_forward, "bias-axes")
def bias_of_all_channels(dout: Any, cache: Any) -> Any:
    dx, dw, _ = depthwise_conv_backward(dout, cache)
    return dx, dw, dout.sum()


@in_backward("depthwise-conv", depthwise_conv_forward, "last-windows-missed")
def last_column_of_windows_missed(dout: Any, cache: Any) -> Any:
    _, _, db = depthwise_conv_backward(dout, cache)
    kept = np.zeros_like(dout)
    kept[..., :-1] = dout[..., :-1]
    return *depthwise_conv_backward(kept, cache)[:2], db
