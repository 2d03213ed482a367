"""Faults of the forward pass of a convolution, as hypotheses of its output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv.faults import kernel_turns
from gradcheck_cli.layers.conv.geometry import confused_counts
from gradcheck_cli.layers.conv.images import Images, displaced_windows, only
from gradcheck_cli.layers.framework.fault import ForwardFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.layers.conv.case import ConvolutionCase
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    #: Its code, cause and remedy, and the output.
    Row = tuple[str, str, str, Array]

_KEEP = "In this field's convolution windows are multiplied by w as it is."


def forward_faults(case: ConvolutionCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults that make a difference to the output of a case, the most common first."""
    images = Images(case.as_conv, case.spatial)
    places = {name: (*[slice(None)] * axis, None) for name, axis in case.inserted.items()}
    wide = {name: value[places[name]] if name in places else value for name, value in problem.inputs.items()}
    for rows in (_displaced, _miscounted, _kernels):
        for code, cause, remedy, out in rows(case, images, wide):
            found = out.take(0, case.inserted["out"]) if "out" in places else out
            yield ForwardFault(code, cause, remedy, {"out": found})


def _displaced(_: ConvolutionCase, images: Images, inputs: Mapping[str, Array]) -> Iterator[Row]:
    """Yield windows elsewhere: in an output of the right size, and of the size that follows from the wrong numbers."""
    for code, cause, remedy, stride, pad in displaced_windows(images):
        windows = [w._replace(stride=s, pad=p) for w, s, p in zip(images.case.windows, stride, pad, strict=True)]
        rows, columns = (w.total for w in windows)
        for shape in dict.fromkeys([images.case.out_shape[2:], (rows, columns)]):
            if min(shape) > 0:
                yield code, cause, remedy, images.forward(inputs, stride=stride, pad=pad, shape=shape)


def _miscounted(case: ConvolutionCase, images: Images, inputs: Mapping[str, Array]) -> Iterator[Row]:
    """Yield outputs of another size: of fewer windows, which may be zero where they are missed, or of more."""
    right, out = images.case.out_shape[2:], images.forward(inputs)
    remedy = "Take the rows from H and HH, and the columns from W and WW."
    counted = [
        ("size-of-wrong-axis", f"In {{names}} {words}.", remedy, (rows, columns))
        for words, rows, columns in confused_counts(case, ("HH", "WW"))
    ]
    remedy, spatial = "H' is 1 + (H + 2 pad - HH) // stride.", images.spatial
    for missed in dict.fromkeys([*((axis,) for axis in spatial), spatial]):
        what = " and the last ".join(("row", "column")[axis] for axis in missed)
        cause = f"In {{names}} the last {what} of windows {'are' if len(missed) > 1 else 'is'} missed."
        rows, columns = (right[axis] - (axis in missed) for axis in (0, 1))
        counted.append(("last-windows-missed", cause, remedy, (rows, columns)))
    for code, cause, remedy, (rows, columns) in counted:
        if rows <= right[0] and columns <= right[1]:
            kept = np.s_[:, :, :rows, :columns]
            yield code, cause, remedy, out[kept]
            yield code, cause, remedy, only(out, kept)
        elif min(rows, columns) > 0:
            yield code, cause, remedy, images.forward(inputs, shape=(rows, columns))


def _kernels(case: ConvolutionCase, images: Images, inputs: Mapping[str, Array]) -> Iterator[Row]:
    """Yield products with another kernel, and sums without the bias."""
    for code, words, turn in kernel_turns(case.axes["w"]):
        w = turn(inputs["w"])
        if w.shape == inputs["w"].shape and (w != inputs["w"]).any():
            yield code, f"In {{names}} {words}.", _KEEP, images.forward({**inputs, "w": w})
    without = images.forward({**inputs, "b": np.zeros_like(inputs["b"])})
    yield "bias-missing", "In {names} the bias is left out.", "Add b[f] to every element of filter f.", without
