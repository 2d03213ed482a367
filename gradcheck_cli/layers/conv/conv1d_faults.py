"""What people get wrong in the backward pass of a one-dimensional convolution: slips with images of one row."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv.faults import (
    column_layouts,
    kernel_turned,
    wrong_filters,
)
from gradcheck_cli.layers.conv.windows import backward, moved, of_part, uncropped, unseen
from gradcheck_cli.layers.framework.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.layers.conv.conv import ConvCase
    from gradcheck_cli.layers.conv.conv1d import Conv1dCase
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Inputs = Mapping[str, Array]
    Gradients = Mapping[str, Array]

_CROP = "Crop by `[:, :, pad:pad + W]`."


def faults(case: Conv1dCase, problem: Problem) -> Iterator[Fault]:  # noqa: ARG001  # the case says it all
    """Yield the slips that make a difference in a case, the most common first."""
    image = case.as_image
    for fault in (*_crops(image), *_kernels(image), *_windows(image)):
        yield _of_rows(fault)
    for fault in column_layouts(image, ("N", "C", "", "WW", "", "W'")):
        yield _of_rows(fault)


def _of_rows(fault: Fault) -> Fault:
    """Take a slip with images of one row for one with sequences."""

    def gradients(inputs: Inputs, g: Array) -> Gradients:
        images = {name: inputs[name][:, :, None] for name in ("x", "w")}
        found = fault.gradients({**images, "b": inputs["b"]}, g[:, :, None])
        return {name: value if name == "b" else value[:, :, 0] for name, value in found.items()}

    return replace(fault, gradients=gradients)


def _crops(image: ConvCase) -> Iterator[Fault]:
    """Yield wrong ways to cut the gradient of x out of that of the padded x."""
    pad = (image.padded_size[1] - image.W) // 2

    def crop(code: str, cause: str, remedy: str, *kept: slice) -> Fault:
        samples, channels, columns = kept
        index = samples, channels, slice(None), columns
        return Fault(code=code, cause=cause, remedy=remedy, gradients=partial(_cropped, image, index))

    every = slice(None)
    if pad == 0:
        empty = "{names} {be} empty: `[pad:-pad]` is an empty slice at pad 0."
        yield crop("crop-empty", empty, "Crop by `[:, :, pad:pad + W]` instead.", every, every, slice(0, 0))
    else:
        yield crop("crop-missing", "{names} {be} returned with the pad around it.", _CROP, every, every, every)
        side = "{names} {be} cropped on the wrong side: all of the pad is cut off %s."
        yield crop("crop-wrong-side", side % "at the end", _CROP, every, every, slice(image.W))
        yield crop("crop-wrong-side", side % "at the start", _CROP, every, every, slice(2 * pad, None))
    if pad != 1:
        fixed = "{names} {be} cropped by `[1:-1]`, whatever the pad."
        yield crop("crop-fixed", fixed, _CROP, every, every, slice(1, -1))
    yield from unseen(image, "the last columns, which no window reaches,")
    wrong = "{names} {be} cropped by `[pad:-pad]` along the wrong axis: that of the %s."
    yield crop("crop-wrong-axes", wrong % "samples", _CROP, slice(pad, -pad), every, every)
    yield crop("crop-wrong-axes", wrong % "channels", _CROP, every, slice(pad, -pad), every)


def _cropped(image: ConvCase, index: tuple[slice, ...], inputs: Inputs, g: Array) -> Gradients:
    return {"x": uncropped(image, inputs, g)[index]}


def _kernels(image: ConvCase) -> Iterator[Fault]:
    right = partial(backward, image)
    reversed_ = "In {names} the kernel is reversed."
    once = (
        "Forward multiplies windows by w as it is; backward reverses it once if it is written as a convolution of dout."
    )
    yield kernel_turned(right, "kernel-flipped", reversed_, once, lambda w: w[..., ::-1])
    exchanged = "In {names} the kernel's filters and channels are exchanged."
    keep = "Keep the axes in the order (F, C, WW)."
    yield kernel_turned(right, "kernel-transposed", exchanged, keep, lambda w: w.swapaxes(0, 1))
    yield from wrong_filters(image)


def _windows(image: ConvCase) -> Iterator[Fault]:
    """Yield windows that start at the wrong places, and loops over fewer of them."""
    (_, stride), (_, pad) = image.geometry["stride"], image.geometry["pad"]
    if stride != 1:
        ignored = "The stride is left out of {names}: windows are taken one element apart."
        yield moved(image, "stride-ignored", ignored, "Let the window of output j start at j * stride.", stride=(1, 1))
        for wrong in sorted({2, stride - 1, stride + 1} - {0, 1, stride}):
            apart = f"In {{names}} windows are taken {wrong} elements apart, where the stride is {stride}."
            between = "Put stride - 1 zeros between two elements of dout, or let windows start at j * stride."
            yield moved(image, "stride-misdilated", apart, between, stride=(1, wrong))
    if pad != 1:
        fixed = "{names} {be} computed as if pad were 1."
        yield moved(image, "pad-fixed-at-1", fixed, "Use the pad that forward was given.", pad=(0, 1))
    if pad != 0:
        left_out = "The pad is left out of {names}: windows are taken from x itself."
        yield moved(image, "pad-ignored", left_out, "Let the first window start at -pad.", pad=(0, 0))
    count = image.out_shape[3]
    every = f"Loop over all {count} columns of dout."
    counted = {
        "as many windows are taken as x has columns": image.W,
        "windows are counted over x without its pad": max(0, (image.W - image.WW) // stride + 1),
        "windows start within x, which leaves out those of the pad": -(-image.W // stride),
    }
    kept = partial(of_part, image)
    for how, columns in counted.items():
        if columns < count:
            cause = f"{{names}} {{be}} summed over the input's size instead of the output's: {how}."
            gradients = kept(np.s_[..., :columns])
            yield Fault(code="loop-over-input-size", cause=cause, remedy=every, gradients=gradients)
