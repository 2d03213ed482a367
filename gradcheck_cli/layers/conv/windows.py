"""Slips in where the windows of a convolution lie: crops, pads, strides and sizes, as hypotheses."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.layers.framework.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.conv.conv import ConvCase
    from gradcheck_cli.numeric.arrays import Array

    Inputs = Mapping[str, Array]
    Gradients = Mapping[str, Array]


def backward(
    case: ConvCase,
    inputs: Inputs,
    cotangent: Array,
    *,
    stride: tuple[int, int] | None = None,
    pad: tuple[int, int] | None = None,
) -> dict[str, Array]:
    """Compute the gradients as if output (i, j) had seen the window that starts at (i, j) * stride - pad.

    Stride and pad are the case's if they are not given. Whatever of a window lies outside of the image is zero in it
    and receives nothing.
    """
    sv, sh = stride or both(case.stride)
    pv, ph = pad or both(case.pad)
    rows, columns = sv * (cotangent.shape[2] - 1) + case.reach[0], sh * (cotangent.shape[3] - 1) + case.reach[1]
    x = inputs["x"]
    seen = resized(np.pad(x, ((0, 0), (0, 0), (pv, 0), (ph, 0))), rows, columns)
    param = {**case.conv_param, "stride": (sv, sh), "pad": 0}
    _, cache = conv_forward_fast(seen, inputs["w"], inputs["b"], param)
    dx, dw, db = conv_backward_fast(cotangent, cache)
    return {"x": resized(dx, pv + case.H, ph + case.W)[:, :, pv:, ph:], "w": dw, "b": db}


def resized(array: Array, rows: int, columns: int) -> Array:
    """Cut off, or fill up with zeros, at the bottom and on the right: (N, C, rows, columns)."""
    out = np.zeros((*array.shape[:2], rows, columns), array.dtype)
    kept = np.s_[:, :, : min(rows, array.shape[2]), : min(columns, array.shape[3])]
    out[kept] = array[kept]
    return out


def uncropped(case: ConvCase, inputs: Inputs, cotangent: Array) -> Array:
    """Compute the gradient of the padded image, (N, C, H + 2 pad, W + 2 pad)."""
    pv, ph = both(case.pad)
    wide = {**inputs, "x": np.pad(inputs["x"], ((0, 0), (0, 0), (pv, pv), (ph, ph)))}
    _, cache = conv_forward_fast(wide["x"], inputs["w"], inputs["b"], {**case.conv_param, "pad": 0})
    return conv_backward_fast(cotangent, cache)[0]


def crops(case: ConvCase) -> Iterator[Fault]:
    """Yield wrong ways to cut the gradient of the image out of that of the padded image."""
    (pv, ph), (height, width) = both(case.pad), case.padded_size
    remedy = "Crop by `[pad:pad + H]`, and the columns by `[pad:pad + W]`."
    if not pv or not ph:
        empty = "{names} {be} empty: `[pad:-pad]` is an empty slice at pad 0."
        instead = "Crop by `[pad:pad + H]` instead."
        yield _crop(case, "crop-empty", empty, instead, slice(pv, -pv), slice(ph, -ph))
    if pv or ph:
        yield _crop(
            case, "crop-missing", "{names} {be} returned with the pad around it.", remedy, slice(None), slice(None)
        )
        side = "{names} {be} cropped on the wrong side: all of the pad is cut off %s."
        first, last = side % "at the bottom and on the right", side % "at the top and on the left"
        yield _crop(case, "crop-wrong-side", first, remedy, slice(case.H), slice(case.W))
        yield _crop(case, "crop-wrong-side", last, remedy, slice(2 * pv, None), slice(2 * ph, None))
    if (pv, ph) != (1, 1):
        fixed = "{names} {be} cropped by `[1:-1]`, whatever the pad."
        yield _crop(case, "crop-fixed", fixed, remedy, slice(1, -1), slice(1, -1))
    yield from unseen(case)
    yield from _wrong_axes(case)
    if pv != ph:
        each = "Crop rows by the vertical pad and columns by the horizontal one."
        for pad, axis in (pv, "vertical"), (ph, "horizontal"):
            square = f"{{names}} {{be}} cropped by the {axis} pad along both axes."
            yield _crop(case, "crop-square", square, each, slice(pad, pad + case.H), slice(pad, pad + case.W))
            yield _crop(case, "crop-square", square, each, slice(pad, height - pad), slice(pad, width - pad))
    if case.H != case.W:
        for size, name in (case.H, "height"), (case.W, "width"):
            square = f"{{names}} {{be}} cropped to the image's {name} along both axes."
            yield _crop(case, "crop-square", square, remedy, slice(pv, pv + size), slice(ph, ph + size))


def unseen(case: ConvCase, words: str = "the rows and columns that no window reaches") -> Iterator[Fault]:
    """Yield gradients of what windows reach alone, where the stride leaves some unseen."""
    rests = [
        (padded - reach) % stride
        for padded, reach, stride in zip(case.padded_size, case.reach, both(case.stride), strict=True)
    ]
    if not any(rests):
        return
    pads, covered = both(case.pad), [padded - rest for padded, rest in zip(case.padded_size, rests, strict=True)]
    why = "the stride does not divide the image evenly"
    cut = f"In {{names}} {words} are lost: {why}."
    remedy = "Give the gradient of the padded image the size of the padded image, with zeros where no window reaches."
    ends = (
        [end - pad for end, pad in zip(covered, pads, strict=True)],
        [min(end, pad + size) for end, pad, size in zip(covered, pads, (case.H, case.W), strict=True)],
    )
    for bottom, right in ends:
        rows, columns = slice(pads[0], max(bottom, pads[0])), slice(pads[1], max(right, pads[1]))
        yield _crop(case, "unseen-left-out", cut, remedy, rows, columns)
        filled = _filled(case, rows, columns)
        yield Fault(code="unseen-left-out", cause=cut, remedy=remedy, gradients=filled)

    def wide_kernel(inputs: Inputs, cotangent: Array) -> Gradients:
        larger = np.zeros((*inputs["w"].shape[:2], case.HH + rests[0], case.WW + rests[1]), inputs["w"].dtype)
        _, cache = conv_forward_fast(inputs["x"], larger, inputs["b"], case.conv_param)
        return {"w": conv_backward_fast(cotangent, cache)[1]}

    if case.dilation == (1, 1):
        larger = f"{{names}} {{have}} more rows or columns than the kernel: {why}."
        remedy = "Cut the padded image to what windows reach before it is convolved with dout."
        yield Fault(code="unseen-left-out", cause=larger, remedy=remedy, gradients=wide_kernel)


def _filled(case: ConvCase, rows: slice, columns: slice) -> Callable[[Inputs, Array], Gradients]:
    return lambda inputs, g: {"x": resized(uncropped(case, inputs, g)[:, :, rows, columns], case.H, case.W)}


#: The axes to which a crop is applied by mistake, and how they are called.
_CROPPED = {
    (2,): "the rows alone",
    (3,): "the columns alone",
    (0, 1): "samples and channels",
    (1, 2): "channels and rows",
    (0, 2): "samples and rows",
    (1, 3): "channels and columns",
    (0, 3): "samples and columns",
    (1, 2, 3): "channels, rows and columns",
}


def _wrong_axes(case: ConvCase) -> Iterator[Fault]:
    """Yield crops by the pad along other axes than rows and columns."""
    pv, ph = both(case.pad)
    if pv != ph:
        return
    remedy = "Crop the rows and the columns, the last two axes: `[:, :, pad:pad + H, pad:pad + W]`."
    for axes, words in _CROPPED.items():
        kept = tuple(slice(pv, -pv) if axis in axes else slice(None) for axis in range(4))
        cause = f"{{names}} {{be}} cropped by `[pad:-pad]` along the wrong axes: {words}."
        gradients = partial(_cropped_by, case, kept)
        yield Fault(code="crop-wrong-axes", cause=cause, remedy=remedy, gradients=gradients)


def _cropped_by(case: ConvCase, kept: tuple[slice, ...], inputs: Inputs, cotangent: Array) -> Gradients:
    return {"x": uncropped(case, inputs, cotangent)[kept]}


def formulas(case: ConvCase) -> Iterator[Fault]:
    """Yield the convolution of dout with the rotated kernel, padded as it is right for outputs of the input's size."""
    rows, columns = case.out_shape[2:]
    if both(case.stride) != (1, 1) or (rows, columns) == (case.H, case.W):
        return
    (pv, ph), (vertical, horizontal) = both(case.pad), case.reach
    cause = "{names} {be} computed by a formula that holds only where the output has the input's size."
    remedy = "Pad dout by HH - 1 - pad rows and WW - 1 - pad columns before it is convolved with the rotated kernel."
    for top, left, height, width in (
        ((vertical - 1) // 2, (horizontal - 1) // 2, rows, columns),  # mode "same"
        (vertical - 1 - pv, horizontal - 1 - ph, rows + 2 * pv - vertical + 1, columns + 2 * ph - horizontal + 1),
    ):
        if min(top, left) >= 0 and min(height, width) > 0:
            crop = slice(top, top + height), slice(left, left + width)
            yield _crop(case, "same-size-only", cause, remedy, *crop)


def _crop(case: ConvCase, code: str, cause: str, remedy: str, rows: slice, columns: slice) -> Fault:
    def gradients(inputs: Inputs, cotangent: Array) -> Gradients:
        return {"x": uncropped(case, inputs, cotangent)[:, :, rows, columns]}

    return Fault(code=code, cause=cause, remedy=remedy, gradients=gradients)


def strides(case: ConvCase) -> Iterator[Fault]:
    """Yield windows that start at the wrong places."""
    (sv, sh), (pv, ph) = both(case.stride), both(case.pad)
    if (sv, sh) != (1, 1):
        ignored = "The stride is left out of {names}: windows are taken one element apart."
        yield moved(case, "stride-ignored", ignored, "Let the window of output i start at i * stride.", stride=(1, 1))
        for wrong in sorted({2, sv - 1, sv + 1} - {0, 1, sv}):
            right = case.conv_param["stride"]
            apart = f"In {{names}} windows are taken {wrong} elements apart, where the stride is {right}."
            between = "Put stride - 1 zeros between two elements of dout, or let windows start at i * stride."
            yield moved(case, "stride-misdilated", apart, between, stride=(wrong, wrong))
    if (pv, ph) != (1, 1):
        fixed = "{names} {be} computed as if pad were 1."
        yield moved(case, "pad-fixed-at-1", fixed, "Use the pad that forward was given.", pad=(1, 1))
    if (pv, ph) != (0, 0):
        left_out = "The pad is left out of {names}: windows are taken from the image itself."
        yield moved(case, "pad-ignored", left_out, "Let the first window start at -pad.", pad=(0, 0))
    if sv != sh:
        swapped = "In {names} the vertical and the horizontal stride are exchanged."
        yield moved(case, "height-width-confused", swapped, "Step rows by the vertical stride.", stride=(sh, sv))
    if pv != ph:
        swapped = "In {names} the vertical and the horizontal pad are exchanged."
        yield moved(case, "height-width-confused", swapped, "Pad and crop rows by the vertical pad.", pad=(ph, pv))


def moved(
    case: ConvCase,
    code: str,
    cause: str,
    remedy: str,
    *,
    stride: tuple[int, int] | None = None,
    pad: tuple[int, int] | None = None,
) -> Fault:
    """Make the slip that takes windows with another stride or pad."""

    def gradients(inputs: Inputs, cotangent: Array) -> Gradients:
        return backward(case, inputs, cotangent, stride=stride, pad=pad)

    return Fault(code=code, cause=cause, remedy=remedy, gradients=gradients)


def missed(case: ConvCase) -> Iterator[Fault]:
    """Yield loops that end before all windows are taken."""
    rows, columns = case.out_shape[2:]
    every = f"Loop over all of dout: {rows} rows and {columns} columns."
    yield from _miscounted(case)
    sv, sh = both(case.stride)
    counted = {
        "as many windows are taken as the input has rows and columns": (case.H, case.W),
        "windows are counted over the input without its pad": tuple(
            max(0, (size - reach) // stride + 1)
            for size, reach, stride in zip((case.H, case.W), case.reach, (sv, sh), strict=True)
        ),
        "windows start within the input's size, which leaves out those of the pad": (
            -(-case.H // sv),
            -(-case.W // sh),
        ),
    }
    for how, (kept_rows, kept_columns) in counted.items():
        if kept_rows < rows or kept_columns < columns:
            yield Fault(
                code="loop-over-input-size",
                cause=f"{{names}} {{be}} summed over the input's size instead of the output's: {how}.",
                remedy=every,
                gradients=of_part(case, np.s_[:, :, :kept_rows, :kept_columns]),
            )


#: Sizes that are taken for others when windows are counted, and in which order: of (H, W, HH, WW), where each is read.
COUNTS = {
    "W' is computed from HH": (0, 1, 2, 2),
    "H' is computed from WW": (0, 1, 3, 3),
    "H' is computed from WW, and W' from HH": (0, 1, 3, 2),
    "W' is computed from H": (0, 0, 2, 3),
    "H' is computed from W": (1, 1, 2, 3),
    "W' is computed from H and HH, as H' is": (0, 0, 2, 2),
    "H' is computed from W and WW, as W' is": (1, 1, 3, 3),
    "H' and W' are exchanged": (1, 0, 3, 2),
}


def miscounted(case: ConvCase) -> Iterator[tuple[str, int, int]]:
    """Yield the sizes that are taken for others, and the rows and columns of windows that are counted so."""
    (sv, sh), (pv, ph), (dv, dh) = both(case.stride), both(case.pad), both(case.dilation)
    sizes = case.H, case.W, case.HH, case.WW
    for words, order in COUNTS.items():
        height, width, vertical, horizontal = (sizes[k] for k in order)
        rows = (height + 2 * pv - dv * (vertical - 1) - 1) // sv + 1
        columns = (width + 2 * ph - dh * (horizontal - 1) - 1) // sh + 1
        if (rows, columns) != case.out_shape[2:]:
            yield words, max(rows, 0), max(columns, 0)


def _miscounted(case: ConvCase) -> Iterator[Fault]:
    """Yield loops over fewer windows than there are, counted by the size of the wrong axis."""
    for words, rows, columns in miscounted(case):
        yield Fault(
            code="size-of-wrong-axis",
            cause=f"In {{names}} {words}: windows are missed.",
            remedy="Take the rows from H and HH, and the columns from W and WW; or both from `dout.shape`.",
            gradients=of_part(case, np.s_[:, :, :rows, :columns]),
        )


def of_part(
    case: ConvCase, kept: Any, names: tuple[str, ...] = ("x", "w", "b")
) -> Callable[[Inputs, Array], Gradients]:
    """Make the slip that carries back only a part of the cotangent."""

    def gradients(inputs: Inputs, cotangent: Array) -> Gradients:
        found = backward(case, inputs, only(cotangent, kept))
        return {name: found[name] for name in names}

    return gradients


def only(array: Array, kept: Any) -> Array:
    """Copy an array with zeros everywhere but in `kept`."""
    out = np.zeros_like(array)
    out[kept] = array[kept]
    return out
