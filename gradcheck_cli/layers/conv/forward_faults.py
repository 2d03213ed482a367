"""Faults of the forward pass of a convolution, as hypotheses of its output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from gradcheck_cli.layers.conv.faults import kernel_turns
from gradcheck_cli.layers.conv.geometry import WindowedCase, confused_counts
from gradcheck_cli.layers.conv.moved import Convolution, displaced_windows, first, only
from gradcheck_cli.layers.framework.fault import ForwardFault
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names

#: Its code, cause and remedy, and the output.
Row = tuple[str, str, str, Array]

_KEEP = "In this field's convolution windows are multiplied by w as it is."


def forward_faults(case: WindowedCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults that make a difference to the output of a case, the most common first."""
    convolution = Convolution(case)
    for rows in (_displaced, _miscounted, _kernels):
        for code, cause, remedy, out in rows(convolution, problem.inputs):
            yield ForwardFault(code, cause, remedy, {"out": out})


def _displaced(convolution: Convolution, inputs: Mapping[str, Array]) -> Iterator[Row]:
    """Yield windows elsewhere: in an output of the right size, and of the size that follows from the wrong numbers."""
    windows = convolution.case.windows
    right = tuple(w.total for w in windows)
    for code, cause, remedy, stride, pad in displaced_windows(convolution):
        counted = (w._replace(stride=s, pad=p).total for w, s, p in zip(windows, stride, pad, strict=True))
        for shape in dict.fromkeys([right, tuple(counted)]):
            if min(shape) > 0:
                yield code, cause, remedy, convolution.forward(inputs, stride=stride, pad=pad, shape=shape)


def _miscounted(convolution: Convolution, inputs: Mapping[str, Array]) -> Iterator[Row]:
    """Yield outputs of another size: of fewer windows, which may be zero where they are missed, or of more."""
    case, out = convolution.case, convolution.forward(inputs)
    right = tuple(w.total for w in case.windows)
    remedy = "Take the rows from H and HH, and the columns from W and WW."
    counted = [
        ("size-of-wrong-axis", f"In {{names}} {words}.", remedy, counts) for words, counts in confused_counts(case)
    ]
    axes = range(len(right))
    some, kernel = case.windows[0], case.kernels[0]
    remedy = f"{some.out.size} is 1 + ({some.axis.size} + 2 pad - {kernel}) // stride."
    for missed in dict.fromkeys([*((axis,) for axis in axes), (*axes,)]):
        what = join_names(f"the last {case.windows[axis].out.name}" for axis in missed)
        cause = f"In {{names}} {what} of windows {'are' if len(missed) > 1 else 'is'} missed."
        counts = tuple(count - (axis in missed) for axis, count in enumerate(right))
        counted.append(("last-windows-missed", cause, remedy, counts))
    for code, cause, remedy, counts in counted:
        if all(count <= own for count, own in zip(counts, right, strict=True)):
            yield code, cause, remedy, out[first(counts)]
            yield code, cause, remedy, only(out, first(counts))
        elif min(counts) > 0:
            yield code, cause, remedy, convolution.forward(inputs, shape=counts)


def _kernels(convolution: Convolution, inputs: Mapping[str, Array]) -> Iterator[Row]:
    """Yield products with another kernel, and sums without the bias."""
    for code, words, turn in kernel_turns(convolution.case.axes["w"]):
        w = turn(inputs["w"])
        if w.shape == inputs["w"].shape and (w != inputs["w"]).any():
            yield code, f"In {{names}} {words}.", _KEEP, convolution.forward({**inputs, "w": w})
    without = convolution.forward({**inputs, "b": np.zeros_like(inputs["b"])})
    yield "bias-missing", "In {names} the bias is left out.", "Add b[f] to every element of filter f.", without
