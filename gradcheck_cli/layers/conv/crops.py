"""Wrong ways to cut the gradient of the image out of that of the padded image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv.moved import resized, within
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.conv.geometry import Windows
    from gradcheck_cli.layers.conv.moved import Convolution
    from gradcheck_cli.numeric.arrays import Array

    Gradients = Mapping[str, Array]
    Index = tuple[slice, ...]

#: By how many axes windows have: the axes to which a crop is applied by mistake, and what they are called.
_CROPPED: dict[int, dict[tuple[int, ...], str]] = {
    1: {(0,): "samples", (1,): "channels"},
    2: {
        (2,): "the rows alone",
        (3,): "the columns alone",
        (0, 1): "samples and channels",
        (1, 2): "channels and rows",
        (0, 2): "samples and rows",
        (1, 3): "channels and columns",
        (0, 3): "samples and columns",
        (1, 2, 3): "channels, rows and columns",
    },
}

#: Likewise, where all of the pad is cut off by mistake.
_SIDES = {
    1: ("at the end", "at the start"),
    2: ("at the bottom and on the right", "at the top and on the left"),
    3: ("at the end of each axis", "at the start of each axis"),
}


def crops(convolution: Convolution) -> Iterator[Fault]:
    """Yield wrong crops, the most common first."""
    windows = convolution.case.windows
    pads, right = [w.pad for w in windows], ", ".join(f"pad:pad + {w.axis.size}" for w in windows)
    remedy = f"Crop by `[:, :, {right}]`."

    def crop(code: str, cause: str, cut: Callable[[Windows], slice], remedy: str = remedy) -> Fault:
        return cropped(convolution, code, f"{{names}} {{be}} {cause}.", remedy, within(map(cut, windows)))

    if 0 in pads:
        empty = "empty: `[pad:-pad]` is an empty slice at pad 0"
        yield crop("crop-empty", empty, lambda w: slice(w.pad, -w.pad), remedy.replace("]`.", "]` instead."))
    if any(pads):
        yield crop("crop-missing", "returned with the pad around it", lambda _: slice(None))
        side = "cropped on the wrong side: all of the pad is cut off"
        last, first = _SIDES[len(windows)]
        yield crop("crop-wrong-side", f"{side} {last}", lambda w: slice(w.size))
        yield crop("crop-wrong-side", f"{side} {first}", lambda w: slice(2 * w.pad, None))
    if set(pads) != {1}:
        yield crop("crop-fixed", "cropped by `[1:-1]`, whatever the pad", lambda _: slice(1, -1))
    yield from unseen(convolution)
    if len(set(pads)) == 1:
        for axes, words in _CROPPED.get(len(windows), {}).items():
            cause = f"{{names}} {{be}} cropped by `[pad:-pad]` along the wrong axes: {words}."
            index = tuple(slice(pads[0], -pads[0]) if axis in axes else slice(None) for axis in range(max(axes) + 1))
            yield cropped(convolution, "crop-wrong-axes", cause, remedy, index)
    if len(windows) != 2:
        return
    for wrong, what, other in zip(windows, ("vertical", "horizontal"), reversed(windows), strict=True):
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


def cropped(convolution: Convolution, code: str, cause: str, remedy: str, index: Index) -> Fault:
    """Make the fault that cuts an index out of the gradient of the padded image."""

    def gradients(inputs: Gradients, cotangent: Array) -> Gradients:
        return {"x": convolution.uncropped(inputs, cotangent)[index]}

    return Fault(code, cause, remedy, gradients)


def unseen(convolution: Convolution) -> Iterator[Fault]:
    """Yield gradients of what windows reach alone, where the stride leaves some rows or columns unseen."""
    windows = convolution.case.windows
    if not any(w.unseen for w in windows):
        return
    axes = join_names(w.axis.plural for w in windows)
    why = "the stride does not divide the image evenly"
    cause = f"In {{names}} the {axes} that no window reaches are lost: {why}."
    remedy = "Give the gradient of the padded image the size of the padded image, with zeros where no window reaches."
    for pad_is_cropped in (False, True):
        ends = [w.padded - w.unseen - w.pad for w in windows]
        if pad_is_cropped:
            ends = [min(w.padded - w.unseen, w.pad + w.size) for w in windows]
        kept = within(slice(w.pad, max(end, w.pad)) for w, end in zip(windows, ends, strict=True))
        yield cropped(convolution, "unseen-left-out", cause, remedy, kept)
        yield Fault("unseen-left-out", cause, remedy, partial(_filled, convolution, kept))
    if all(w.dilation == 1 for w in windows):
        yield Fault(
            code="unseen-left-out",
            cause=f"{{names}} {{have}} more rows or columns than the kernel: {why}.",
            remedy="Cut the padded image to what windows reach before it is convolved with dout.",
            gradients=partial(_wide_kernel, convolution),
        )


def _filled(convolution: Convolution, kept: Index, inputs: Gradients, cotangent: Array) -> Gradients:
    return {"x": resized(convolution.uncropped(inputs, cotangent)[kept], inputs["x"].shape[2:])}


def _wide_kernel(convolution: Convolution, inputs: Gradients, cotangent: Array) -> Gradients:
    kernel = [w.kernel + w.unseen for w in convolution.case.windows]
    larger = np.zeros((*inputs["w"].shape[: -len(kernel)], *kernel), inputs["w"].dtype)
    return {"w": convolution.gradients(cotangent, {**inputs, "w": larger}, convolution.case.settings)[1]}


def formulas(convolution: Convolution) -> Iterator[Fault]:
    """Yield the convolution of dout with the rotated kernel, padded as it is right for outputs of the input's size."""
    windows = convolution.case.windows
    if convolution.stride != (1, 1) or all(w.total == w.size for w in windows):
        return
    cause = "{names} {be} computed by a formula that holds only where the output has the input's size."
    remedy = "Pad dout by HH - 1 - pad rows and WW - 1 - pad columns before it is convolved with the rotated kernel."
    same = [((w.reach - 1) // 2, w.total) for w in windows]  # mode "same"
    padded = [(w.reach - 1 - w.pad, w.total + 2 * w.pad - w.reach + 1) for w in windows]
    for places in (same, padded):
        if min(start for start, _ in places) >= 0 and min(count for _, count in places) > 0:
            kept = within(slice(start, start + count) for start, count in places)
            yield cropped(convolution, "same-size-only", cause, remedy, kept)
