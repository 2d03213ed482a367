"""Wrong ways to cut the gradient of the image out of that of the padded image."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial

import numpy as np

from gradcheck_cli.layers.conv.moved import Convolution, resized, within
from gradcheck_cli.layers.framework.fault import Fault, Gradients
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names

Index = tuple[slice, ...]


def crops(convolution: Convolution) -> Iterator[Fault]:
    """Yield wrong crops, the most common first."""
    windows = convolution.case.windows
    pads, right = [w.pad for w in windows], ", ".join(f"pad:pad + {w.axis.size}" for w in windows)
    remedy = f"Crop by `[:, :, {right}]`."

    def crop(code: str, cause: str, slices: list[slice], remedy: str = remedy) -> Fault:
        return cropped(convolution, code, f"{{names}} {{be}} {cause}.", remedy, within(slices))

    if 0 in pads:
        empty = "empty: `[pad:-pad]` is an empty slice at pad 0"
        yield crop("crop-empty", empty, [slice(pad, -pad) for pad in pads], remedy.replace("]`.", "]` instead."))
    if any(pads):
        yield crop("crop-missing", "returned with the pad around it", [])
        side = "cropped on the wrong side: all of the pad is cut off at the"
        yield crop("crop-wrong-side", f"{side} end of each axis", [slice(w.size) for w in windows])
        yield crop("crop-wrong-side", f"{side} start of each axis", [slice(2 * pad, None) for pad in pads])
    if set(pads) != {1}:
        yield crop("crop-fixed", "cropped by `[1:-1]`, whatever the pad", [slice(1, -1)] * len(windows))
    yield from unseen(convolution)
    if len(set(pads)) == 1 and len(windows) < 3:
        yield from _wrong_axes(convolution, pads[0], remedy)
    if len(windows) == 2 and len(set(pads)) > 1:
        each = "Crop rows by the vertical pad, and columns by the horizontal one."
        for pad, what in zip(pads, ("vertical", "horizontal"), strict=True):
            square = f"cropped by the {what} pad along both axes"
            yield crop("crop-square", square, [slice(pad, pad + w.size) for w in windows], each)
            yield crop("crop-square", square, [slice(pad, w.padded - pad) for w in windows], each)
    if len(windows) == 2 and len({w.size for w in windows}) > 1:
        for wrong, other in itertools.permutations(windows):
            # Without pad, a slice of rows by the larger width keeps them all: what is said is true of both.
            size = f"cropped to the image's {wrong.length} along the {other.axis.plural}"
            yield crop("crop-square", size, [slice(w.pad, w.pad + wrong.size) for w in windows])
        exchanged = [slice(w.pad, w.pad + other.size) for w, other in zip(windows, windows[::-1], strict=True)]
        yield crop("crop-square", "cropped to height and width in the wrong order", exchanged)


def _wrong_axes(convolution: Convolution, pad: int, remedy: str) -> Iterator[Fault]:
    """Yield crops along up to as many axes as have a pad, but others."""
    names = {k: axis.plural for k, axis in enumerate(convolution.case.axes["x"])}
    right = tuple(k for k, axis in enumerate(convolution.case.axes["x"]) if axis.spatial)
    wrong = (axes for count in range(1, len(right) + 1) for axes in itertools.combinations(names, count))
    for axes in wrong:
        if axes != right:
            words = join_names(names[k] for k in axes)
            cause = f"{{names}} {{be}} cropped by `[pad:-pad]` along the wrong axes: {words}."
            index = tuple(slice(pad, -pad) if k in axes else slice(None) for k in names)
            yield cropped(convolution, "crop-wrong-axes", cause, remedy, index)


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

    def filled(kept: Index, inputs: Gradients, cotangent: Array) -> Gradients:
        return {"x": resized(convolution.uncropped(inputs, cotangent)[kept], inputs["x"].shape[2:])}

    def wide_kernel(inputs: Gradients, cotangent: Array) -> Gradients:
        kernel = [w.kernel + w.unseen for w in windows]
        larger = np.zeros((*inputs["w"].shape[: -len(kernel)], *kernel), inputs["w"].dtype)
        return {"w": convolution.gradients(cotangent, {**inputs, "w": larger}, convolution.case.settings)[1]}

    lost = [(w.pad, w.padded - w.unseen - w.pad) for w in windows]
    lost_before_crop = [(w.pad, min(w.padded - w.unseen, w.pad + w.size)) for w in windows]
    for ends in (lost, lost_before_crop):
        kept = within(slice(start, max(end, start)) for start, end in ends)
        yield cropped(convolution, "unseen-left-out", cause, remedy, kept)
        yield Fault("unseen-left-out", cause, remedy, partial(filled, kept))
    if all(w.dilation == 1 for w in windows):
        cause = f"{{names}} {{have}} more rows or columns than the kernel: {why}."
        remedy = "Cut the padded image to what windows reach before it is convolved with dout."
        yield Fault("unseen-left-out", cause, remedy, wide_kernel)


def formulas(convolution: Convolution) -> Iterator[Fault]:
    """Yield the convolution of dout with the rotated kernel, padded as it is right for outputs of the input's size."""
    windows = convolution.case.windows
    if convolution.stride != (1, 1) or all(w.total == w.size for w in windows):
        return
    cause = "{names} {be} computed by a formula that holds only where the output has the input's size."
    remedy = "Pad dout by HH - 1 - pad rows and WW - 1 - pad columns before it is convolved with the rotated kernel."
    same = [((w.reach - 1) // 2, w.total) for w in windows]  # mode "same"
    padded = [(w.reach - 1 - w.pad, w.total + 2 * w.pad - w.reach + 1) for w in windows]
    for positions in (same, padded):
        if min(start for start, _ in positions) >= 0 and min(count for _, count in positions) > 0:
            kept = within(slice(start, start + count) for start, count in positions)
            yield cropped(convolution, "same-size-only", cause, remedy, kept)
