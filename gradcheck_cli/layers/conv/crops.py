"""Wrong ways to cut the gradient of the image out of that of the padded image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from gradcheck_cli.layers.conv.images import resized
from gradcheck_cli.layers.framework.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.conv.geometry import Windows
    from gradcheck_cli.layers.conv.images import Images
    from gradcheck_cli.numeric.arrays import Array

    Gradients = Mapping[str, Array]
    Index = tuple[slice, ...]

#: The axes to which a crop is applied by mistake, and what they are called: of images, and of sequences.
_CROPPED: dict[tuple[int, ...], dict[tuple[int, ...], str]] = {
    (0, 1): {
        (2,): "the rows alone",
        (3,): "the columns alone",
        (0, 1): "samples and channels",
        (1, 2): "channels and rows",
        (0, 2): "samples and rows",
        (1, 3): "channels and columns",
        (0, 3): "samples and columns",
        (1, 2, 3): "channels, rows and columns",
    },
    (1,): {(0,): "samples", (1,): "channels"},
}

#: Where all of the pad is cut off by mistake, of images and of sequences.
_SIDES = {
    (0, 1): ("at the bottom and on the right", "at the top and on the left"),
    (1,): ("at the end", "at the start"),
}


def crops(images: Images) -> Iterator[Fault]:
    """Yield wrong crops, the most common first."""
    windows = [images.case.windows[axis] for axis in images.spatial]
    pads, right = [w.pad for w in windows], ", ".join(f"pad:pad + {w.axis.size}" for w in windows)
    remedy = f"Crop by `[:, :, {right}]`."

    def crop(code: str, cause: str, cut: Callable[[Windows], slice], remedy: str = remedy) -> Fault:
        kept = tuple(cut(w) if axis in images.spatial else slice(None) for axis, w in enumerate(images.case.windows))
        return cropped(images, code, f"{{names}} {{be}} {cause}.", remedy, (slice(None), slice(None), *kept))

    if 0 in pads:
        empty = "empty: `[pad:-pad]` is an empty slice at pad 0"
        yield crop("crop-empty", empty, lambda w: slice(w.pad, -w.pad), remedy.replace("]`.", "]` instead."))
    if any(pads):
        yield crop("crop-missing", "returned with the pad around it", lambda _: slice(None))
        side = "cropped on the wrong side: all of the pad is cut off"
        last, first = _SIDES[images.spatial]
        yield crop("crop-wrong-side", f"{side} {last}", lambda w: slice(w.size))
        yield crop("crop-wrong-side", f"{side} {first}", lambda w: slice(2 * w.pad, None))
    if set(pads) != {1}:
        yield crop("crop-fixed", "cropped by `[1:-1]`, whatever the pad", lambda _: slice(1, -1))
    yield from unseen(images)
    if len(set(pads)) == 1:
        for axes, words in _CROPPED[images.spatial].items():
            cause = f"{{names}} {{be}} cropped by `[pad:-pad]` along the wrong axes: {words}."
            index = tuple(slice(pads[0], -pads[0]) if axis in axes else slice(None) for axis in range(4))
            yield cropped(images, "crop-wrong-axes", cause, remedy, index)
    for wrong, what, other in zip(windows, ("vertical", "horizontal"), reversed(windows), strict=False):
        square = f"cropped by the {what} pad along both axes"
        each = "Crop rows by the vertical pad, and columns by the horizontal one."
        if len(set(pads)) > 1:
            yield crop("crop-square", square, partial(_of_pad, wrong.pad), each)
            yield crop("crop-square", square, partial(_inside, wrong.pad), each)
        if len({w.size for w in windows}) > 1:
            # Without pad, a slice of rows by the larger width keeps them all: what is said is true of both.
            size = f"cropped to the image's {wrong.length} along the {other.axis.plural}"
            yield crop("crop-square", size, partial(_of_size, wrong.size))
    if len({w.size for w in windows}) > 1:
        sizes = {w.axis: other.size for w, other in zip(windows, reversed(windows), strict=True)}
        yield crop(
            "crop-square", "cropped to height and width in the wrong order", lambda w: _of_size(sizes[w.axis], w)
        )


def _of_pad(pad: int, w: Windows) -> slice:
    return slice(pad, pad + w.size)


def _inside(pad: int, w: Windows) -> slice:
    return slice(pad, w.padded - pad)


def _of_size(size: int, w: Windows) -> slice:
    return slice(w.pad, w.pad + size)


def cropped(images: Images, code: str, cause: str, remedy: str, index: Index) -> Fault:
    """Make the fault that cuts an index out of the gradient of the padded image."""

    def gradients(inputs: Gradients, cotangent: Array) -> Gradients:
        return {"x": images.uncropped(inputs, cotangent)[index]}

    return Fault(code, cause, remedy, gradients)


def unseen(images: Images) -> Iterator[Fault]:
    """Yield gradients of what windows reach alone, where the stride leaves some rows or columns unseen."""
    windows = images.case.windows
    if not any(w.unseen for w in windows):
        return
    axes = " and ".join(windows[axis].axis.plural for axis in images.spatial)
    why = "the stride does not divide the image evenly"
    cause = f"In {{names}} the {axes} that no window reaches are lost: {why}."
    remedy = "Give the gradient of the padded image the size of the padded image, with zeros where no window reaches."
    for pad_is_cropped in (False, True):
        ends = [w.padded - w.unseen - w.pad for w in windows]
        if pad_is_cropped:
            ends = [min(w.padded - w.unseen, w.pad + w.size) for w in windows]
        places = [slice(w.pad, max(end, w.pad)) for w, end in zip(windows, ends, strict=True)]
        kept = (slice(None), slice(None), *places)
        yield cropped(images, "unseen-left-out", cause, remedy, kept)
        yield Fault("unseen-left-out", cause, remedy, partial(_filled, images, kept))
    if images.case.dilation == (1, 1):
        yield Fault(
            code="unseen-left-out",
            cause=f"{{names}} {{have}} more rows or columns than the kernel: {why}.",
            remedy="Cut the padded image to what windows reach before it is convolved with dout.",
            gradients=partial(_wide_kernel, images),
        )


def _filled(images: Images, kept: Index, inputs: Gradients, cotangent: Array) -> Gradients:
    return {"x": resized(images.uncropped(inputs, cotangent)[kept], images.case.H, images.case.W)}


def _wide_kernel(images: Images, inputs: Gradients, cotangent: Array) -> Gradients:
    kernel = [w.kernel + w.unseen for w in images.case.windows]
    larger = np.zeros((*inputs["w"].shape[:2], *kernel), inputs["w"].dtype)
    _, cache = conv_forward_fast(inputs["x"], larger, inputs["b"], images.case.settings)
    return {"w": conv_backward_fast(cotangent, cache)[1]}


def formulas(images: Images) -> Iterator[Fault]:
    """Yield the convolution of dout with the rotated kernel, padded as it is right for outputs of the input's size."""
    windows = images.case.windows
    if len(images.spatial) == 1 or images.stride != (1, 1) or all(w.total == w.size for w in windows):
        return
    cause = "{names} {be} computed by a formula that holds only where the output has the input's size."
    remedy = "Pad dout by HH - 1 - pad rows and WW - 1 - pad columns before it is convolved with the rotated kernel."
    same = [((w.reach - 1) // 2, w.total) for w in windows]  # mode "same"
    padded = [(w.reach - 1 - w.pad, w.total + 2 * w.pad - w.reach + 1) for w in windows]
    for places in (same, padded):
        if min(start for start, _ in places) >= 0 and min(count for _, count in places) > 0:
            kept = (slice(None), slice(None), *(slice(start, start + count) for start, count in places))
            yield cropped(images, "same-size-only", cause, remedy, kept)
