"""Layers beside convolution with one fault each, as people make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.conv.conv_transpose import conv_transpose_backward, conv_transpose_forward
from gradcheck_cli.layers.conv.depthwise_conv import depthwise_conv_backward, depthwise_conv_forward
from gradcheck_cli.layers.conv.ranks import conv1d_backward, conv1d_forward, conv3d_forward
from gradcheck_cli.layers.dense.affine import (
    affine_backward,
    affine_forward,
    temporal_affine_backward,
    temporal_affine_forward,
)
from gradcheck_cli.layers.dense.word_embedding import word_embedding_backward, word_embedding_forward
from gradcheck_cli.layers.elementwise.dropout import dropout_backward, dropout_forward
from gradcheck_cli.layers.elementwise.relu import relu_forward
from gradcheck_cli.layers.elementwise.sigmoid import sigmoid_forward, tanh_forward
from gradcheck_cli.layers.loss.softmax import softmax_loss, temporal_softmax_loss
from gradcheck_cli.layers.loss.svm import svm_loss
from gradcheck_cli.layers.norm.batchnorm import (
    batchnorm_backward,
    batchnorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from gradcheck_cli.layers.norm.groupnorm import (
    groupnorm_backward,
    groupnorm_forward,
    instancenorm_backward,
    instancenorm_forward,
)
from gradcheck_cli.layers.norm.layernorm import layernorm_backward, layernorm_forward
from gradcheck_cli.layers.pool.avgpool import (
    avg_pool1d_backward,
    avg_pool1d_forward,
    avg_pool_backward,
    avg_pool_forward,
)
from gradcheck_cli.layers.pool.maxpool import max_pool1d_forward, max_pool_forward
from gradcheck_cli.layers.recurrent.lstm import lstm_forward, lstm_step_backward, lstm_step_forward
from gradcheck_cli.layers.recurrent.rnn import rnn_forward, rnn_step_backward, rnn_step_forward

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class LayerFault:
    name: str
    layer: str
    functions: Any
    code: str | None = None  #: of the diagnosis that names it


FAULTS: list[LayerFault] = []


def _in_backward(layer: str, forward: Callable[..., Any] | None = None, code: str | None = None) -> Callable[..., Any]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        functions = (forward, function) if forward else function
        FAULTS.append(LayerFault(f"{layer}-{function.__name__}", layer, functions, code))
        return function

    return add


def _in_forward(layer: str, backward: Callable[..., Any], code: str | None = None) -> Callable[..., Any]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        FAULTS.append(LayerFault(f"{layer}-{function.__name__}", layer, (function, backward), code))
        return function

    return add


@_in_backward("affine", affine_forward, "factor")
def bias_mean(dout: Any, cache: Any) -> Any:
    dx, dw, _ = affine_backward(dout, cache)
    return dx, dw, dout.mean(axis=0)


@_in_backward("affine", affine_forward)
def flat_dx(dout: Any, cache: Any) -> Any:
    dx, dw, db = affine_backward(dout, cache)
    return dx.reshape(len(dx), -1), dw, db


@_in_backward("conv1d", conv1d_forward, "columns-permuted")
def mirrored(dout: Any, cache: Any) -> Any:
    dx, dw, db = conv1d_backward(dout, cache)
    return dx[:, :, ::-1], dw, db


@_in_backward("conv1d", conv1d_forward)
def bias_of_first_sample(dout: Any, cache: Any) -> Any:
    dx, dw, _ = conv1d_backward(dout, cache)
    return dx, dw, dout[0].sum(axis=1)


@_in_backward("affine", affine_forward, "matrix-not-transposed")
def plain_matrix_where_square(dout: Any, cache: Any) -> Any:
    _, w = cache
    dx, dw, db = affine_backward(dout, cache)
    return dout @ w if w.shape[0] == w.shape[1] else dx, dw, db


@_in_backward("affine", affine_forward, "assigned-not-accumulated")
def samples_assigned(dout: Any, cache: Any) -> Any:
    x, w = cache
    dw, rows = np.zeros_like(w), x.reshape(len(x), -1)
    for n in range(len(x)):
        dw = np.outer(rows[n], dout[n])
    return affine_backward(dout, cache)[0], dw, dout.sum(axis=0)


@_in_backward("affine", affine_forward, "bias-axes")
def bias_over_both_axes(dout: Any, cache: Any) -> Any:
    dx, dw, db = affine_backward(dout, cache)
    return dx, dw, np.full_like(db, dout.sum())


def _sequence(dout: Any, cache: Any) -> Any:
    """Return dx of the padded sequence, and what belongs to it."""
    _, w, shape, param = cache
    stride, pad = param["stride"][1], param["pad"][1]
    wide = np.zeros((shape[0], shape[1], shape[3] + 2 * pad), dout.dtype)
    return wide, w[:, :, 0], stride, pad, shape[3]


@_in_backward("conv1d", conv1d_forward, "crop-empty")
def sequence_cropped_to_nothing(dout: Any, cache: Any) -> Any:
    dx, dw, db = conv1d_backward(dout, cache)
    return dx if cache[3]["pad"][1] else dx[:, :, 0:-0], dw, db


@_in_backward("conv1d", conv1d_forward, "assigned-not-accumulated")
def places_assigned(dout: Any, cache: Any) -> Any:
    wide, w, stride, pad, size = _sequence(dout, cache)
    for k in range(w.shape[2]):
        share = np.einsum("nfj,fc->ncj", dout, w[:, :, k])
        wide[:, :, k : k + stride * (dout.shape[2] - 1) + 1 : stride] = share
    return wide[:, :, pad : pad + size], *conv1d_backward(dout, cache)[1:]


@_in_backward("conv1d", conv1d_forward, "crop-wrong-axes")
def channels_cropped(dout: Any, cache: Any) -> Any:
    wide, w, stride, pad, _ = _sequence(dout, cache)
    for j in range(dout.shape[2]):
        wide[:, :, j * stride : j * stride + w.shape[2]] += np.tensordot(dout[:, :, j], w, 1)
    return wide[:, pad:-pad], *conv1d_backward(dout, cache)[1:]


@_in_backward("conv1d", conv1d_forward, "unseen-left-out")
def end_of_sequence_lost(dout: Any, cache: Any) -> Any:
    _, w, stride, pad, _ = _sequence(dout, cache)
    reached = stride * (dout.shape[2] - 1) + w.shape[2] - 2 * pad  # the pad is cut off what windows reach
    dx, dw, db = conv1d_backward(dout, cache)
    return dx[:, :, :reached], dw, db


@_in_backward("conv1d", conv1d_forward, "reshaped-not-transposed")
def sequence_reshaped(dout: Any, cache: Any) -> Any:
    N, F, columns = dout.shape
    return conv1d_backward(dout.reshape(-1, F).reshape(N, columns, F).transpose(0, 2, 1), cache)


@_in_backward("conv1d", conv1d_forward, "stride-ignored")
def sequence_without_stride(dout: Any, cache: Any) -> Any:
    wide, w, _, pad, size = _sequence(dout, cache)
    for j in range(dout.shape[2]):
        wide[:, :, j : j + w.shape[2]] += np.tensordot(dout[:, :, j], w, 1)[:, :, : wide.shape[2] - j]
    return wide[:, :, pad : pad + size], *conv1d_backward(dout, cache)[1:]


@_in_forward("conv1d", conv1d_backward, "pad-ignored")
def sequence_not_padded(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
    _, cache = conv1d_forward(x, w, b, conv_param)
    count = (x.shape[2] - w.shape[2]) // conv_param["stride"] + 1
    out = np.zeros((len(x), len(w), max(count, 0)), x.dtype)
    for j in range(count):
        out[:, :, j] = np.tensordot(x[:, :, j * conv_param["stride"] :][:, :, : w.shape[2]], w, ((1, 2), (1, 2))) + b
    return out, cache


@_in_backward("conv-transpose", conv_transpose_forward, "reshaped-not-transposed")
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


@_in_backward("depthwise-conv", depthwise_conv_forward, "reshaped-not-transposed")
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


@_in_backward("conv-transpose", conv_transpose_forward, "stride-ignored")
def stride_forgotten(dout: Any, cache: Any) -> Any:
    return _spread_back(dout, cache, stride=1, pad=cache[2]["pad"])


@_in_backward("conv-transpose", conv_transpose_forward, "pad-ignored")
def pad_forgotten(dout: Any, cache: Any) -> Any:
    return _spread_back(dout, cache, stride=cache[2]["stride"], pad=0)


@_in_backward("conv-transpose", conv_transpose_forward, "pad-fixed-at-1")
def pad_one(dout: Any, cache: Any) -> Any:
    return _spread_back(dout, cache, stride=cache[2]["stride"], pad=1)


@_in_backward("conv-transpose", conv_transpose_forward, "kernel-rotated")
def kernel_rotated(dout: Any, cache: Any) -> Any:
    x, w, param = cache
    _, dw, db = conv_transpose_backward(dout, cache)
    return conv_transpose_backward(dout, (x, w[:, :, ::-1, ::-1], param))[0], dw, db


@_in_backward("conv-transpose", conv_transpose_forward, "last-windows-missed")
def last_row_of_windows_missed(dout: Any, cache: Any) -> Any:
    x, w, param = cache
    seen, kept = x.copy(), np.s_[:, :, -1]
    seen[kept] = 0
    dx, dw, db = conv_transpose_backward(dout, (seen, w, param))
    dx[kept] = 0
    return dx, dw, db


@_in_backward("conv-transpose", conv_transpose_forward, "last-channel-missed")
def last_channel_missed(dout: Any, cache: Any) -> Any:
    dx, dw, db = (gradient.copy() for gradient in conv_transpose_backward(dout, cache))
    dx[:, -1], dw[-1] = 0, 0
    return dx, dw, db


@_in_backward("conv-transpose", conv_transpose_forward, "assigned-not-accumulated")
def of_last_window(dout: Any, cache: Any) -> Any:
    x, w, param = cache
    dx, _, db = conv_transpose_backward(dout, cache)
    dw = np.zeros_like(w)
    for i, j in np.ndindex(*x.shape[2:]):
        row, column = i * param["stride"], j * param["stride"]
        seen = _around(dout, param)[:, :, row : row + w.shape[2], column : column + w.shape[3]]
        dw = np.tensordot(x[:, :, i, j], seen, axes=(0, 0))
    return dx, dw, db


@_in_backward("conv-transpose", conv_transpose_forward, "bias-axes")
def bias_of_samples(dout: Any, cache: Any) -> Any:
    dx, dw, _ = conv_transpose_backward(dout, cache)
    return dx, dw, dout.sum(axis=(2, 3))


@_in_backward("conv-transpose", conv_transpose_forward, "height-width-confused")
def dx_turned(dout: Any, cache: Any) -> Any:
    dx, dw, db = conv_transpose_backward(dout, cache)
    return dx.swapaxes(2, 3).reshape(dx.shape), dw, db


@_in_forward("conv-transpose", conv_transpose_backward, "assigned-not-accumulated")
def overlaps_assigned(x: Any, w: Any, b: Any, conv_param: Any) -> Any:
    out, cache = conv_transpose_forward(x, w, b, conv_param)
    whole, s = np.zeros_like(_around(out, conv_param)), conv_param["stride"]
    for i, j in np.ndindex(*x.shape[2:]):
        window = np.s_[:, :, i * s : i * s + w.shape[2], j * s : j * s + w.shape[3]]
        whole[window] = np.tensordot(x[:, :, i, j], w, axes=(1, 0))
    kept = np.s_[:, :, conv_param["pad"] :, conv_param["pad"] :]
    return whole[kept][:, :, : out.shape[2], : out.shape[3]] + b[:, None, None], cache


@_in_backward("depthwise-conv", depthwise_conv_forward, "crop-empty")
def cropped_to_nothing(dout: Any, cache: Any) -> Any:
    dx, dw, db = depthwise_conv_backward(dout, cache)
    pad = cache[3]["pad"]
    return _around(dx, cache[3])[:, :, pad:-pad, pad:-pad], dw, db


@_in_backward("depthwise-conv", depthwise_conv_forward, "kernel-rotated")
def each_kernel_rotated(dout: Any, cache: Any) -> Any:
    dx, dw, db = depthwise_conv_backward(dout, cache)
    return dx, dw[:, ::-1, ::-1], db


@_in_backward("depthwise-conv", depthwise_conv_forward, "filters-permuted")
def kernel_of_next_channel(dout: Any, cache: Any) -> Any:
    patches, w, *rest = cache
    _, dw, db = depthwise_conv_backward(dout, cache)
    return depthwise_conv_backward(dout, (patches, np.roll(w, -1, axis=0), *rest))[0], dw, db


@_in_backward("depthwise-conv", depthwise_conv_forward, "assigned-not-accumulated")
def of_last_sample(dout: Any, cache: Any) -> Any:
    dx, _, _ = depthwise_conv_backward(dout, cache)
    last = np.zeros_like(dout)
    last[-1] = dout[-1]
    return dx, *depthwise_conv_backward(last, cache)[1:]


@_in_backward("depthwise-conv", depthwise_conv_forward, "bias-axes")
def bias_of_all_channels(dout: Any, cache: Any) -> Any:
    dx, dw, _ = depthwise_conv_backward(dout, cache)
    return dx, dw, dout.sum()


@_in_backward("depthwise-conv", depthwise_conv_forward, "last-windows-missed")
def last_column_of_windows_missed(dout: Any, cache: Any) -> Any:
    _, _, db = depthwise_conv_backward(dout, cache)
    kept = np.zeros_like(dout)
    kept[..., :-1] = dout[..., :-1]
    return *depthwise_conv_backward(kept, cache)[:2], db


@_in_backward("relu", relu_forward)
def slope_of_dout(dout: Any, x: Any) -> Any:
    return dout * (dout > 0)


@_in_backward("relu", relu_forward)
def slope_one(dout: Any, x: Any) -> Any:
    return dout


@_in_backward("sigmoid", sigmoid_forward)
def not_squared(dout: Any, out: Any) -> Any:
    return dout * (1 - out)


@_in_backward("tanh", tanh_forward)
def once(dout: Any, out: Any) -> Any:
    return dout * (1 - out)


@_in_backward("avgpool", avg_pool_forward, "last-windows-missed")
def last_row_of_pools_missed(dout: Any, cache: Any) -> Any:
    part = dout.copy()
    part[:, :, -1] = 0
    return avg_pool_backward(part, cache)


@_in_backward("avgpool", avg_pool_forward, "reshaped-not-transposed")
def pools_reshaped(dout: Any, cache: Any) -> Any:
    N, C, rows, columns = dout.shape
    return avg_pool_backward(dout.reshape(N, rows, columns, C).transpose(0, 3, 1, 2), cache)


@_in_backward("avgpool1d", avg_pool1d_forward, "last-windows-missed")
def last_pool_missed(dout: Any, cache: Any) -> Any:
    part = dout.copy()
    part[:, :, -1] = 0
    return avg_pool1d_backward(part, cache)


@_in_backward("avgpool1d", avg_pool1d_forward, "factor")
def pool_not_divided(dout: Any, cache: Any) -> Any:
    return avg_pool1d_backward(dout * cache[1]["pool_width"], cache)


@_in_backward("maxpool1d", max_pool1d_forward, "mask-ignored")
def whole_window(dout: Any, cache: Any) -> Any:
    (N, C, W), _, param = cache
    dx = np.zeros((N, C, W), dout.dtype)
    for n, c, j in np.ndindex(dout.shape):
        dx[n, c, j * param["stride"] : j * param["stride"] + param["pool_width"]] += dout[n, c, j]
    return dx


@_in_backward("maxpool1d", max_pool1d_forward, "assigned-not-accumulated")
def maximum_assigned(dout: Any, cache: Any) -> Any:
    (N, C, W), chosen, param = cache
    dx = np.zeros((N, C, W), dout.dtype)
    for n, c, j in np.ndindex(dout.shape):
        dx[n, c, j * param["stride"] + chosen[n, c, j]] = dout[n, c, j]
    return dx


@_in_backward("maxpool", max_pool_forward, "assigned-not-accumulated")
def assigned(dout: Any, cache: Any) -> Any:
    shape, chosen, param = cache
    dx = np.zeros(shape, dout.dtype)
    for n, c, i, j in np.ndindex(dout.shape):
        h, k = divmod(chosen[n, c, i, j], param["pool_width"])
        dx[n, c, i * param["stride"] + h, j * param["stride"] + k] = dout[n, c, i, j]
    return dx


def _to_windows(dout: Any, cache: Any, give: Callable[[Any, Any, Any, Any], None]) -> Any:
    """Give each window of dx its dout, and where its largest element is, by what `give` makes of them."""
    shape, chosen, param = cache
    height, width, stride = param["pool_height"], param["pool_width"], param["stride"]
    dx = np.zeros(shape, dout.dtype)
    for n, c, i, j in np.ndindex(dout.shape):
        mask = np.zeros((height, width), dout.dtype)
        mask.reshape(-1)[chosen[n, c, i, j]] = 1
        give(dx, np.s_[n, c, i * stride : i * stride + height, j * stride : j * stride + width], mask, dout[n, c, i, j])
    return dx


@_in_backward("maxpool", max_pool_forward, "assigned-not-accumulated")
def windows_assigned(dout: Any, cache: Any) -> Any:
    def give(dx: Any, window: Any, mask: Any, share: Any) -> None:
        dx[window] = mask * share

    return _to_windows(dout, cache, give)


@_in_backward("maxpool", max_pool_forward, "mask-ignored")
def maxima_forgotten(dout: Any, cache: Any) -> Any:
    def give(dx: Any, window: Any, _: Any, share: Any) -> None:
        dx[window] += share

    return _to_windows(dout, cache, give)


@_in_backward("avgpool", avg_pool_forward, "assigned-not-accumulated")
def share_assigned(dout: Any, cache: Any) -> Any:
    shape, param = cache
    height, width, stride = param["pool_height"], param["pool_width"], param["stride"]
    dx = np.zeros(shape, dout.dtype)
    for n, c, i, j in np.ndindex(dout.shape):
        window = np.s_[n, c, i * stride : i * stride + height, j * stride : j * stride + width]
        dx[window] = dout[n, c, i, j] / (height * width)
    return dx


@_in_backward("avgpool", avg_pool_forward, "factor")
def not_divided(dout: Any, cache: Any) -> Any:
    return avg_pool_backward(dout, cache) * (cache[1]["pool_height"] * cache[1]["pool_width"])


#: What dx comes to with a slip, of g = gamma dout, x and eps, each with the elements of a set in a row.
_DX_SLIPS: list[tuple[str, Callable[[Any, Any, float], Any]]] = []


def _slip(code: str) -> Callable[..., Any]:
    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        _DX_SLIPS.append((code, function))
        return function

    return add


def _mean(rows: Any) -> Any:
    return rows.mean(axis=1, keepdims=True)


@_slip("mean-path")
def _without_mean_path(g: Any, x: Any, eps: float) -> Any:
    s = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    return g / s - (x - _mean(x)) * _mean(g * (x - _mean(x))) / s**3


@_slip("variance-path")
def _without_variance_path(g: Any, x: Any, eps: float) -> Any:
    return (g - _mean(g)) / np.sqrt(x.var(axis=1, keepdims=True) + eps)


@_slip("statistics-constant")
def _of_constants(g: Any, x: Any, eps: float) -> Any:
    return g / np.sqrt(x.var(axis=1, keepdims=True) + eps)


@_slip("variance-path")
def _variance_path_twice(g: Any, x: Any, eps: float) -> Any:
    s = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    return (g - _mean(g)) / s - 2 * (x - _mean(x)) * _mean(g * (x - _mean(x))) / s**3


@_slip("variance-path")
def _variance_path_halved(g: Any, x: Any, eps: float) -> Any:
    s = np.sqrt(x.var(axis=1, keepdims=True) + eps)
    return (g - _mean(g)) / s - (x - _mean(x)) * _mean(g * (x - _mean(x))) / s**3 / 2


@_slip("divided-by-n-minus-1")
def _sample_variance(g: Any, x: Any, eps: float) -> Any:
    s, path = np.sqrt(x.var(axis=1, keepdims=True) + eps), (g * (x - _mean(x))).sum(axis=1, keepdims=True)
    return (g - _mean(g)) / s - (x - _mean(x)) * path / (x.shape[1] - 1) / s**3


@_slip("divided-by-n-minus-1")
def _sample_mean_and_variance(g: Any, x: Any, eps: float) -> Any:
    s, path = np.sqrt(x.var(axis=1, keepdims=True) + eps), (g * (x - _mean(x))).sum(axis=1, keepdims=True)
    return g / s - (g.sum(axis=1, keepdims=True) / s + (x - _mean(x)) * path / s**3) / (x.shape[1] - 1)


@_slip("eps-missing")
def _without_eps(g: Any, x: Any, _: float) -> Any:
    s = x.std(axis=1, keepdims=True)
    return (g - _mean(g)) / s - (x - _mean(x)) * _mean(g * (x - _mean(x))) / s**3


#: Of each normalization its passes, and its x with the elements of a set in a row.
NORMALIZATIONS: dict[str, tuple[Any, Any, Callable[[Any, Any], Any]]] = {
    "batchnorm": (batchnorm_forward, batchnorm_backward, lambda x, _: x.T),
    "spatial-batchnorm": (
        *(spatial_batchnorm_forward, spatial_batchnorm_backward),
        lambda x, _: x.swapaxes(0, 1).reshape(x.shape[1], -1),
    ),
    "layernorm": (layernorm_forward, layernorm_backward, lambda x, _: x),
    "instancenorm": (
        *(instancenorm_forward, instancenorm_backward),
        lambda x, _: x.reshape(x.shape[0] * x.shape[1], -1),
    ),
    "groupnorm": (groupnorm_forward, groupnorm_backward, lambda x, p: x.reshape(len(x) * p["G"], -1)),
}


def _normalization(layer: str, slip: Callable[[Any, Any, float], Any]) -> tuple[Any, Any]:
    right, right_backward, rows = NORMALIZATIONS[layer]

    def forward(x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        out, cache = right(x, gamma, beta, param)
        return out, (cache, x, gamma, param)

    def backward(dout: Any, kept: Any) -> Any:
        cache, x, gamma, param = kept
        dx, *rest = right_backward(dout, cache)
        if param.get("mode") != "test":
            g = dout * gamma.reshape(-1, *[1] * (x.ndim - 2))
            places = rows(np.arange(x.size).reshape(x.shape), param)
            dx = np.zeros(x.shape, x.dtype)  # in C order, whatever that of x is
            dx.reshape(-1)[places] = slip(rows(g, param), rows(x, param), param["eps"])
        return dx, *rest

    return forward, backward


FAULTS += [
    LayerFault(f"{layer}-{slip.__name__.strip('_')}", layer, _normalization(layer, slip), code)
    for layer in NORMALIZATIONS
    for code, slip in _DX_SLIPS
]


@_in_forward("batchnorm", batchnorm_backward)
def statistics_in_test_mode(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
    found = batchnorm_forward(x, gamma, beta, bn_param)
    if bn_param["mode"] == "test":
        bn_param["running_mean"] = 0.9 * bn_param["running_mean"] + 0.1 * x.mean(axis=0)
    return found


@_in_forward("batchnorm", batchnorm_backward)
def statistics_not_updated(x: Any, gamma: Any, beta: Any, bn_param: Any) -> Any:
    return batchnorm_forward(x, gamma, beta, dict(bn_param))


def _without_gamma(layer: str) -> tuple[Any, Any]:
    right, right_backward, _ = NORMALIZATIONS[layer]

    def forward(x: Any, gamma: Any, beta: Any, param: Any) -> Any:
        out, cache = right(x, gamma, beta, param)
        return out, (cache, gamma.reshape(-1, *[1] * (x.ndim - 2)))

    def backward(dout: Any, kept: Any) -> Any:
        cache, gamma = kept
        return right_backward(dout / gamma, cache)[0], *right_backward(dout, cache)[1:]

    return forward, backward


FAULTS += [
    LayerFault(f"{layer}-without_gamma", layer, _without_gamma(layer), "gamma-missing") for layer in NORMALIZATIONS
]


@_in_backward("batchnorm", batchnorm_forward, "mode-ignored")
@_in_backward("spatial-batchnorm", spatial_batchnorm_forward, "mode-ignored")
def mode_forgotten(dout: Any, cache: Any) -> Any:
    right = spatial_batchnorm_backward if dout.ndim == 4 else batchnorm_backward
    return right(dout, (*cache[:-1], True))


@_in_backward("batchnorm", lambda x, *rest: (batchnorm_forward(x, *rest)[0], (x, *rest)), "mode-ignored")
def statistics_of_the_batch_again(dout: Any, given: Any) -> Any:
    x, gamma, beta, param = given
    return batchnorm_backward(dout, batchnorm_forward(x, gamma, beta, {**param, "mode": "train"})[1])


@_in_backward("layernorm", layernorm_forward)
def over_samples(dout: Any, cache: Any) -> Any:
    normal, gamma, deviation = cache
    _, dgamma, dbeta = layernorm_backward(dout, cache)
    g = dout * gamma
    return (g - g.mean(axis=0) - normal * (g * normal).mean(axis=0)) / deviation, dgamma, dbeta


@_in_backward("softmax", code="factor")
def not_averaged(x: Any, y: Any) -> Any:
    loss, dx = softmax_loss(x, y)
    return loss, dx * len(y)


@_in_backward("softmax")
def overflowing(x: Any, y: Any) -> Any:
    n = np.arange(len(y))
    with np.errstate(all="ignore"):
        p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        loss, dx = -np.log(p[n, y]).mean(), p.copy()
    dx[n, y] -= 1
    return loss, dx / len(y)


@_in_backward("temporal-softmax", code="factor")
def not_averaged_over_samples(x: Any, y: Any, mask: Any) -> Any:
    loss, dx = temporal_softmax_loss(x, y, mask)
    return loss, dx * len(x)


@_in_backward("temporal-softmax", code="factor")
def averaged_over_steps(x: Any, y: Any, mask: Any) -> Any:
    loss, dx = temporal_softmax_loss(x, y, mask)
    return loss, dx / x.shape[1]


@_in_backward("temporal-softmax", code="mask-ignored")
def mask_ignored(x: Any, y: Any, mask: Any) -> Any:
    n, t = np.indices(y.shape)
    dx = np.exp(x - x.max(axis=2, keepdims=True))
    dx /= dx.sum(axis=2, keepdims=True)
    dx[n, t, y] -= 1
    return temporal_softmax_loss(x, y, mask)[0], dx / len(x)


@_in_backward("temporal-softmax")
def scores_not_lowered(x: Any, y: Any, mask: Any) -> Any:
    n, t = np.indices(y.shape)
    with np.errstate(all="ignore"):
        p = np.exp(x) / np.exp(x).sum(axis=2, keepdims=True)
        loss, dx = -(mask * np.log(p[n, t, y])).sum() / len(x), p.copy()
    dx[n, t, y] -= 1
    return loss, dx * mask[..., None] / len(x)


@_in_backward("word-embedding", word_embedding_forward, "assigned-not-accumulated")
def rows_overwritten(dout: Any, cache: Any) -> Any:
    x, shape = cache
    dW = np.zeros(shape, dout.dtype)
    for n, t in np.ndindex(x.shape):
        dW[x[n, t]] = dout[n, t]
    return dW


@_in_backward("word-embedding", word_embedding_forward, "assigned-not-accumulated")
def rows_added_at_once(dout: Any, cache: Any) -> Any:
    x, shape = cache
    dW = np.zeros(shape, dout.dtype)
    dW[x] += dout
    return dW


@_in_backward("word-embedding", word_embedding_forward)
def rows_averaged(dout: Any, cache: Any) -> Any:
    x, shape = cache
    counts = np.bincount(x.reshape(-1), minlength=shape[0])
    return word_embedding_backward(dout, cache) / np.maximum(counts, 1)[:, None].astype(dout.dtype)


@_in_backward("temporal-affine", temporal_affine_forward, "assigned-not-accumulated")
def last_step_left(dout: Any, cache: Any) -> Any:
    x, w = cache
    dx, dw, db = np.zeros_like(x), np.zeros_like(w), np.zeros_like(w[0])
    for t in range(x.shape[1]):
        dx[:, t], dw, db = affine_backward(dout[:, t], (x[:, t], w))
    return dx, dw, db


@_in_backward("temporal-affine", temporal_affine_forward)
def bias_of_each_step(dout: Any, cache: Any) -> Any:
    dx, dw, _ = temporal_affine_backward(dout, cache)
    return dx, dw, dout.sum(axis=0)


@_in_backward("dropout", dropout_forward, "mask-ignored")
def mask_forgotten(dout: Any, mask: Any) -> Any:
    return dout


@_in_backward("dropout", dropout_forward, "dropout-scale")
def not_scaled(dout: Any, mask: Any) -> Any:
    return dout if mask is None else dout * (mask > 0)


@_in_backward("dropout", lambda x, param: (dropout_forward(x, param)[0], param))
def mask_drawn_again(dout: Any, param: Any) -> Any:
    return dropout_forward(dout, {**param, "seed": param["seed"] + 1})[0]


@_in_forward("dropout", dropout_backward)
def dropped_in_test_mode(x: Any, param: Any) -> Any:
    return dropout_forward(x, {**param, "mode": "train"})


@_in_forward("dropout", dropout_backward)
def not_inverted(x: Any, param: Any) -> Any:
    _, mask = dropout_forward(x, param)
    return (param["p"] * x, None) if mask is None else (x * (mask > 0), mask * param["p"])


@_in_forward("dropout", dropout_backward)
def kept_where_dropped(x: Any, param: Any) -> Any:
    if param["mode"] == "test":
        return x, None
    mask = (np.random.default_rng(param["seed"]).random(x.shape) >= param["p"]) / x.dtype.type(param["p"])
    return x * mask, mask


@_in_forward("dropout", dropout_backward)
def nothing_dropped(x: Any, param: Any) -> Any:
    mask = None if param["mode"] == "test" else np.full(x.shape, 1 / param["p"], x.dtype)
    return x if mask is None else x * mask, mask


@_in_backward("svm")
def label_forgotten(x: Any, y: Any) -> Any:
    loss, dx = svm_loss(x, y)
    return loss, np.maximum(dx, 0)


@_in_backward("rnn-step", rnn_step_forward, "slope-missing")
def slope_forgotten(dnext_h: Any, cache: Any) -> Any:
    return rnn_step_backward(dnext_h, cache._replace(slope=np.ones_like(cache.slope)))


def _through_time(
    step: Any, dh: Any, caches: Any, *, carry: bool = True, upstream: bool = True, cell: bool = True, add: bool = True
) -> Any:
    dxs: list[Any] = []
    totals: list[Any] = []
    states = [np.zeros_like(dh[:, 0])] * (1 if step is rnn_step_backward else 2)
    for t in reversed(range(dh.shape[1])):
        into = dh[:, t] if upstream or t == dh.shape[1] - 1 else 0
        first = into + (states[0] if carry else 0)
        dx, *rest = step(first, *(state if cell else 0 * state for state in states[1:]), caches[t])
        states, shares = rest[: len(states)], rest[len(states) :]
        totals = [total + share for total, share in zip(totals, shares, strict=True)] if totals and add else shares
        dxs.append(dx)
    return np.stack(dxs[::-1], axis=1), states[0], *totals


@_in_backward("rnn", rnn_forward, "not-carried-back")
def not_carried_back(dh: Any, caches: Any) -> Any:
    return _through_time(rnn_step_backward, dh, caches, carry=False)


@_in_backward("rnn", rnn_forward, "upstream-missing")
def upstream_not_added(dh: Any, caches: Any) -> Any:
    return _through_time(rnn_step_backward, dh, caches, upstream=False)


@_in_backward("rnn", rnn_forward, "assigned-not-accumulated")
def weights_of_one_step(dh: Any, caches: Any) -> Any:
    return _through_time(rnn_step_backward, dh, caches, add=False)


@_in_backward("lstm", lstm_forward, "assigned-not-accumulated")
def gate_weights_of_one_step(dh: Any, caches: Any) -> Any:
    return _through_time(lstm_step_backward, dh, caches, add=False)


@_in_backward("rnn", rnn_forward, "slope-missing")
def slope_forgotten_in_each_step(dh: Any, caches: Any) -> Any:
    return _through_time(rnn_step_backward, dh, [cache._replace(slope=np.ones_like(cache.slope)) for cache in caches])


@_in_backward("lstm", lstm_forward, "not-carried-back")
def hidden_not_carried_back(dh: Any, caches: Any) -> Any:
    return _through_time(lstm_step_backward, dh, caches, carry=False)


@_in_backward("lstm", lstm_forward, "cell-not-carried-back")
def cell_not_carried_back(dh: Any, caches: Any) -> Any:
    return _through_time(lstm_step_backward, dh, caches, cell=False)


@_in_backward("lstm", lstm_forward, "forget-gate")
def forget_gate_left_out(dh: Any, caches: Any) -> Any:
    return _through_time(without_forget_gate, dh, caches)


@_in_backward("lstm", lstm_forward, "output-tanh")
def output_tanh_left_out(dh: Any, caches: Any) -> Any:
    return _through_time(without_output_tanh, dh, caches)


@_in_backward("lstm", lstm_forward, "gate-columns-permuted")
def gates_mixed_up(dh: Any, caches: Any) -> Any:
    return _through_time(gates_joined_in_another_order, dh, caches)


@_in_backward("lstm-step", lstm_step_forward, "forget-gate")
def without_forget_gate(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    dx, dprev_h, _, *rest = lstm_step_backward(dnext_h, dnext_c, cache)
    return dx, dprev_h, dnext_c + dnext_h * cache.o * cache.cell_slope, *rest


@_in_backward("lstm-step", lstm_step_forward, "output-tanh")
def without_output_tanh(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    return lstm_step_backward(dnext_h, dnext_c, cache._replace(cell_slope=np.ones_like(cache.cell_slope)))


@_in_backward("lstm-step", lstm_step_forward, "gate-columns-permuted")
def gate_order(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    dx, dprev_h, dprev_c, *rest = lstm_step_backward(dnext_h, dnext_c, cache)
    return dx, dprev_h, dprev_c, *(_swapped(array) for array in rest)


@_in_backward("lstm-step", lstm_step_forward, "gate-columns-permuted")
def gates_joined_in_another_order(dnext_h: Any, dnext_c: Any, cache: Any) -> Any:
    dc = dnext_c + dnext_h * cache.o * cache.cell_slope
    di, df, do, dg = np.split(cache.slopes, 4, axis=1)
    da = np.hstack([di * dc * cache.g, df * dc * cache.prev_c, dg * dc * cache.i, do * dnext_h * cache.tanh_c])
    dx, dprev_h, dprev_c = da @ cache.Wx.T, da @ cache.Wh.T, dc * cache.f
    return dx, dprev_h, dprev_c, cache.x.T @ da, cache.prev_h.T @ da, da.sum(axis=0)


def _swapped(array: Any) -> Any:
    i, f, o, g = np.split(array, 4, axis=-1)
    return np.concatenate([i, f, g, o], axis=-1)
