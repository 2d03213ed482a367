"""Convolutions with one fault each, as people make them.

Each fault is the textbook pair with one fault. Where it matters, and in which gradient, is not written down here: the
tests work it out from the definition of a convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

    Inputs = tuple[Array, Array, Array]
    Param = dict[str, Any]

Gradients = dict[str, Any]
#: Spoils gradients: (dx, dw, db by name; dout; x, w, b; conv_param) -> gradients as they are returned.
Change = Callable[[Gradients, "Array", "Inputs", "Param"], Any]

FAULTS: dict[str, Change] = {}


def fault(function: Change) -> Change:
    FAULTS[function.__name__] = function
    return function


def faulty_pair(name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return forward, and a backward with the fault of that name."""

    def backward(dout: Array, cache: Any) -> Any:
        x, w, b, conv_param = cache
        dx, dw, db = conv_backward_naive(dout, cache)
        return FAULTS[name]({"dx": dx, "dw": dw, "db": db}, dout, (x, w, b), conv_param)

    return conv_forward_naive, backward


def off_by(name: str, share: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return a pair whose gradient `name` is off in its largest element, by that share of it."""

    def backward(dout: Array, cache: Any) -> Any:
        gradients = dict(zip(("dx", "dw", "db"), conv_backward_naive(dout, cache), strict=True))
        spoilt = gradients[name] = np.array(gradients[name])
        spoilt[np.unravel_index(abs(spoilt).argmax(), spoilt.shape)] *= spoilt.dtype.type(1 + share)
        return tuple(gradients.values())

    return conv_forward_naive, backward


def _padded(x: Array, pad: int) -> Array:
    return np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))


def _uncropped(dout: Array, inputs: Inputs, conv_param: Param) -> Array:
    x, w, _ = inputs
    return _backward(dout, _padded(x, conv_param["pad"]), w, conv_param, pad=0)[0]


def _windows(dout: Array, x: Array, w: Array, stride: int, pad: int) -> tuple[Array, Array]:
    """Compute dx and dw element by element of each window; what lies outside of the image counts for nothing."""
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for i, j, h, k in np.ndindex(*dout.shape[2:], *w.shape[2:]):
        row, column = i * stride + h - pad, j * stride + k - pad
        if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
            dx[:, :, row, column] += dout[:, :, i, j] @ w[:, :, h, k]
            dw[:, :, h, k] += dout[:, :, i, j].T @ x[:, :, row, column]
    return dx, dw


def _part(dout: Array, kept: Any) -> Array:
    part = np.zeros_like(dout)
    part[kept] = dout[kept]
    return part


def _backward(dout: Array, x: Array, w: Array, conv_param: dict[str, Any], **changed: Any) -> tuple[Array, ...]:
    return conv_backward_naive(dout, (x, w, w[:, 0, 0, 0], {**conv_param, **changed}))


@fault
def dx_doubled(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return 2 * grads["dx"], grads["dw"], grads["db"]


@fault
def dw_negated(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], -grads["dw"], grads["db"]


@fault
def dw_divided_by_samples(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], grads["dw"] / dout.dtype.type(len(dout)), grads["db"]


@fault
def db_averaged(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], grads["dw"], dout.mean(axis=(0, 2, 3))


@fault
def db_of_first_sample(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], grads["dw"], dout[0].sum(axis=(1, 2))


@fault
def db_over_too_few_axes(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], grads["dw"], dout.sum(axis=(0, 3))


@fault
def kernel_rotated_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    return _backward(dout, x, w[:, :, ::-1, ::-1], conv_param)[0], grads["dw"], grads["db"]


@fault
def kernel_transposed_in_dw(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dw = grads["dw"]
    return grads["dx"], dw.swapaxes(2, 3) if dw.shape[2] == dw.shape[3] else dw, grads["db"]


@fault
def filters_reversed_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    return _backward(dout, x, w[::-1], conv_param)[0], grads["dw"], grads["db"]


@fault
def empty_crop(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    pad = conv_param["pad"]
    return _padded(grads["dx"], pad)[:, :, pad:-pad, pad:-pad], grads["dw"], grads["db"]


@fault
def crop_fixed_at_one(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    pad = conv_param["pad"]
    dx_padded = _backward(dout, _padded(x, pad), w, conv_param, pad=0)[0]
    return dx_padded[:, :, 1:-1, 1:-1], grads["dw"], grads["db"]


@fault
def not_cropped(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return _uncropped(dout, inputs, conv_param), grads["dw"], grads["db"]


@fault
def cropped_on_the_wrong_side(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    dx_padded = _backward(dout, _padded(x, conv_param["pad"]), w, conv_param, pad=0)[0]
    return dx_padded[:, :, : x.shape[2], : x.shape[3]], grads["dw"], grads["db"]


@fault
def stride_ignored_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    pad = conv_param["pad"]
    dx_padded = np.zeros_like(_padded(x, pad))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            patch = np.tensordot(dout[:, :, i, j], w, 1)
            dx_padded[:, :, i : i + w.shape[2], j : j + w.shape[3]] += patch
    return dx_padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], grads["dw"], grads["db"]


@fault
def assigned_instead_of_accumulated(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    stride, pad = conv_param["stride"], conv_param["pad"]
    dx_padded = np.zeros_like(_padded(x, pad))
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            rows, columns = i * stride, j * stride
            patch = np.tensordot(dout[:, :, i, j], w, 1)
            dx_padded[:, :, rows : rows + w.shape[2], columns : columns + w.shape[3]] = patch
    return dx_padded[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], grads["dw"], grads["db"]


@fault
def last_row_of_windows_missed(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    fewer = dout.copy()
    fewer[:, :, -1] = 0
    dx, dw, _ = _backward(fewer, x, w, conv_param)
    return dx, dw, grads["db"]


@fault
def last_sample_missed_in_dw(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    fewer = dout.copy()
    fewer[-1] = 0
    return grads["dx"], _backward(fewer, x, w, conv_param)[1], grads["db"]


@fault
def last_filter_missed_in_dw(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dw = grads["dw"].copy()
    dw[-1] = 0
    return grads["dx"], dw, grads["db"]


@fault
def height_and_width_confused(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dx = grads["dx"]
    return dx.swapaxes(2, 3).reshape(dx.shape), grads["dw"], grads["db"]


@fault
def cotangent_taken_for_ones(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    return _backward(np.ones_like(dout), x, w, conv_param)


@fault
def nan_in_one_element(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dw = grads["dw"].copy()
    dw[-1, -1, -1, -1] = np.nan
    return grads["dx"], dw, grads["db"]


@fault
def infinite_in_one_element(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dx = grads["dx"].copy()
    dx[0, 0, 0, 0] = np.inf
    return dx, grads["dw"], grads["db"]


@fault
def flattened(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"].reshape(len(dout), -1), grads["dw"], grads["db"]


@fault
def column_for_db(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], grads["dw"], grads["db"][:, None]


@fault
def in_the_wrong_order(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dw"], grads["dx"], grads["db"]


@fault
def none_for_dw(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], None, grads["db"]


@fault
def db_left_out(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], grads["dw"]


@fault
def left_at_zero(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], np.zeros_like(grads["dw"]), grads["db"]


@fault
def narrower_dtype(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"].astype(np.float16), grads["dw"], grads["db"]


@fault
def float32_inside_float64(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dx, _, _ = _backward(dout.astype(np.float32), inputs[0], inputs[1].astype(np.float32), conv_param)
    return dx.astype(dout.dtype), grads["dw"], grads["db"]


@fault
def dw_times_a_constant(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], grads["dw"] * dout.dtype.type(1.37), grads["db"]


@fault
def dx_added_for_each_position(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"] * dout.dtype.type(dout[0, 0].size), grads["dw"], grads["db"]


@fault
def cropped_square(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    pad, height = conv_param["pad"], inputs[0].shape[2]
    dx_padded = _uncropped(dout, inputs, conv_param)
    return dx_padded[:, :, pad : pad + height, pad : pad + height], grads["dw"], grads["db"]


@fault
def pad_fixed_at_one(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return *_windows(dout, *inputs[:2], conv_param["stride"], 1), grads["db"]


@fault
def dilated_for_stride_two(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    stride = min(conv_param["stride"], 2)
    return _windows(dout, *inputs[:2], stride, conv_param["pad"])[0], grads["dw"], grads["db"]


@fault
def looped_over_the_input(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    height, width = inputs[0].shape[2:]
    dx, dw, _ = _backward(_part(dout, np.s_[:, :, :height, :width]), *inputs[:2], conv_param)
    return dx, dw, grads["db"]


@fault
def windows_counted_without_pad(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    rows, columns = (
        max(0, (size - kernel) // conv_param["stride"] + 1)
        for size, kernel in zip(x.shape[2:], w.shape[2:], strict=True)
    )
    dx, dw, _ = _backward(_part(dout, np.s_[:, :, :rows, :columns]), x, w, conv_param)
    return dx, dw, grads["db"]


@fault
def formula_for_same_size(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    _, w, _ = inputs
    HH, WW = w.shape[2:]
    if conv_param["stride"] != 1:
        return grads["dx"], grads["dw"], grads["db"]
    top, left = (HH - 1) // 2, (WW - 1) // 2
    padded = np.pad(dout, ((0, 0), (0, 0), (HH - 1 - top, top), (WW - 1 - left, left)))
    rotated = w[:, :, ::-1, ::-1].swapaxes(0, 1)
    dx, _ = conv_forward_naive(padded, rotated, np.zeros_like(w[0, :, 0, 0]), {"stride": 1, "pad": 0})
    return dx, grads["dw"], grads["db"]


@fault
def first_channel_left_out(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dx = grads["dx"].copy()
    dx[:, 0] = 0
    return dx, grads["dw"], grads["db"]


@fault
def filters_rolled_in_dw(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], np.roll(grads["dw"], 1, axis=0), grads["db"]


@fault
def channels_reversed_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"][:, ::-1], grads["dw"], grads["db"]


@fault
def samples_reversed_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"][::-1], grads["dw"], grads["db"]


@fault
def kernel_upside_down_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    return _backward(dout, x, w[:, :, ::-1], conv_param)[0], grads["dw"], grads["db"]


@fault
def kernel_transposed_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    turned = w.swapaxes(2, 3) if w.shape[2] == w.shape[3] else w
    return _backward(dout, x, turned, conv_param)[0], grads["dw"], grads["db"]


@fault
def last_column_of_windows_missed(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return _backward(_part(dout, np.s_[..., :-1]), *inputs[:2], conv_param)


@fault
def last_row_and_column_of_windows_missed(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return _backward(_part(dout, np.s_[:, :, :-1, :-1]), *inputs[:2], conv_param)


@fault
def last_sample_missed(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return _backward(_part(dout, np.s_[:-1]), *inputs[:2], conv_param)


@fault
def last_filter_missed_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return _backward(_part(dout, np.s_[:, :-1]), *inputs[:2], conv_param)[0], grads["dw"], grads["db"]


@fault
def last_channel_missed(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dx, dw = grads["dx"].copy(), grads["dw"].copy()
    dx[:, -1], dw[:, -1] = 0, 0
    return dx, dw, grads["db"]


@fault
def assigned_over_filters_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return _backward(_part(dout, np.s_[:, -1:]), *inputs[:2], conv_param)[0], grads["dw"], grads["db"]


@fault
def assigned_in_dw_and_db(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    _, dw, db = _backward(_part(dout, np.s_[-1:, :, -1:, -1:]), *inputs[:2], conv_param)
    return grads["dx"], dw, db


@fault
def assigned_over_samples_in_dw(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], _backward(_part(dout, np.s_[-1:]), *inputs[:2], conv_param)[1], grads["db"]


@fault
def cotangent_taken_for_its_mean(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dx, dw, _ = _backward(np.full_like(dout, dout.mean()), *inputs[:2], conv_param)
    return dx, dw, grads["db"]


@fault
def db_over_filters_too(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"], grads["dw"], np.full_like(grads["db"], dout.sum())


@fault
def channels_last_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"].transpose(0, 2, 3, 1), grads["dw"], grads["db"]


@fault
def samples_and_channels_exchanged_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return grads["dx"].swapaxes(0, 1), grads["dw"], grads["db"]


@fault
def reshaped_instead_of_transposed(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dx = grads["dx"]
    return dx.transpose(1, 0, 2, 3).reshape(dx.shape), grads["dw"], grads["db"]


@fault
def narrower_inside(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    narrow = np.dtype({"float32": "float16"}.get(dout.dtype.name, "float32"))
    _, dw, _ = _backward(dout.astype(narrow), inputs[0].astype(narrow), inputs[1].astype(narrow), conv_param)
    return grads["dx"], dw.astype(dout.dtype), grads["db"]


@fault
def assigned_by_place_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    """Writes the columns of each place of the kernel over those of the places before it."""
    x, w, _ = inputs
    stride, pad = conv_param["stride"], conv_param["pad"]
    dx = _padded(np.zeros_like(x), pad)
    rows, columns = stride * (dout.shape[2] - 1) + 1, stride * (dout.shape[3] - 1) + 1
    for h, k in np.ndindex(*w.shape[2:]):
        dx[:, :, h : h + rows : stride, k : k + columns : stride] = np.einsum("nfij,fc->ncij", dout, w[:, :, h, k])
    return dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], grads["dw"], grads["db"]


@fault
def dout_reshaped_to_rows(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    N, F, rows, columns = dout.shape
    mixed = dout.reshape(-1, F).reshape(N, rows, columns, F).transpose(0, 3, 1, 2)
    return _backward(mixed, *inputs[:2], conv_param)


@fault
def dout_reshaped_to_filters(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    N, F, rows, columns = dout.shape
    mixed = dout.reshape(F, -1).reshape(F, N, rows, columns).transpose(1, 0, 2, 3)
    return _backward(mixed, *inputs[:2], conv_param)


@fault
def dout_transposed_with_samples_before_positions(
    grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param
) -> Any:
    N, F, rows, columns = dout.shape
    mixed = dout.transpose(1, 0, 2, 3).reshape(F, -1).reshape(F, rows, columns, N).transpose(3, 0, 1, 2)
    return _backward(mixed, *inputs[:2], conv_param)


@fault
def columns_reshaped_in_dx(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    """Takes (C HH WW, N H' W') for (C HH WW, H' W' N)."""
    x, w, _ = inputs
    (N, F, rows, columns), (_, C, HH, WW) = dout.shape, w.shape
    stride, pad = conv_param["stride"], conv_param["pad"]
    matrix = w.reshape(F, -1).T @ dout.transpose(1, 0, 2, 3).reshape(F, -1)
    spread = matrix.reshape(C, HH, WW, rows, columns, N).transpose(5, 0, 1, 2, 3, 4)
    dx = _padded(np.zeros_like(x), pad)
    for i, j in np.ndindex(rows, columns):
        dx[:, :, i * stride : i * stride + HH, j * stride : j * stride + WW] += spread[..., i, j]
    return dx[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]], grads["dw"], grads["db"]


@fault
def cropped_along_channels_and_rows(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    pad = conv_param["pad"]
    kept = slice(pad, -pad) if pad else slice(None)
    return _uncropped(dout, inputs, conv_param)[:, kept, kept], grads["dw"], grads["db"]


@fault
def rows_that_no_window_reaches_lost(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    """Takes the size of the padded image back from dout."""
    stride, pad, (HH, WW) = conv_param["stride"], conv_param["pad"], inputs[1].shape[2:]
    rows, columns = (dout.shape[2] - 1) * stride + HH, (dout.shape[3] - 1) * stride + WW
    dx = _uncropped(dout, inputs, conv_param)[:, :, pad : rows - pad, pad : columns - pad]
    return dx, grads["dw"], grads["db"]


@fault
def kernel_gradient_of_the_whole_image(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    """Convolves the padded image with dout, and keeps all that comes out."""
    x, w, _ = inputs
    stride, wide = conv_param["stride"], _padded(x, conv_param["pad"])
    reach = [(size - 1) * stride + 1 for size in dout.shape[2:]]
    sizes = [size - span + 1 for size, span in zip(wide.shape[2:], reach, strict=True)]
    dw = np.zeros((*w.shape[:2], *sizes), w.dtype)
    for h, k in np.ndindex(*sizes):
        seen = wide[:, :, h : h + reach[0] : stride, k : k + reach[1] : stride]
        dw[:, :, h, k] = np.einsum("nfij,ncij->fc", dout, seen)
    return grads["dx"], dw, grads["db"]


@fault
def columns_counted_by_the_kernels_height(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    x, w, _ = inputs
    columns = (x.shape[3] + 2 * conv_param["pad"] - w.shape[2]) // conv_param["stride"] + 1
    dx, dw, _ = _backward(_part(dout, np.s_[..., : max(columns, 0)]), *inputs[:2], conv_param)
    return dx, dw, grads["db"]


@fault
def pad_left_out_of_dw(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    """Takes the windows from x, at the end of which there is nothing."""
    x, w, _ = inputs
    return grads["dx"], _windows(dout, x, w, conv_param["stride"], 0)[1], grads["db"]


@fault
def first_of_dout_for_all(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    return _backward(np.broadcast_to(dout[:1], dout.shape), *inputs[:2], conv_param)


@fault
def first_of_dout_alone(grads: Gradients, dout: Array, inputs: Inputs, conv_param: Param) -> Any:
    dx, dw, _ = _backward(_part(dout, np.s_[:1]), *inputs[:2], conv_param)
    return dx, dw, grads["db"]
