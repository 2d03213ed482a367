"""What people get wrong in the forward pass of a convolution, as hypotheses of its output."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv.fast import conv_forward_fast
from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.layers.conv.windows import miscounted, only, resized
from gradcheck_cli.layers.framework.fault import ForwardFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.conv.conv import ConvCase
    from gradcheck_cli.numeric.arrays import Array

    Inputs = Mapping[str, Array]
    Pair = tuple[int, int]
    Output = Callable[[Inputs], Array]
    #: Its code, cause and remedy, and what it makes of the inputs.
    Mistake = tuple[str, str, str, Output]


def forward_faults(case: ConvCase, inputs: Inputs, *, rows: bool = True) -> Iterator[ForwardFault]:
    """Yield the mistakes that make a difference to the output of a case, the most common first.

    Args:
        case: the case.
        inputs: x, w and b, of the shapes that the case says.
        rows: whether there is more than one row, with a stride and a pad of its own.
    """
    for code, cause, remedy, output in _mistakes(case, rows=rows):
        yield ForwardFault(code=code, cause=cause, remedy=remedy, outputs={"out": output(inputs)})


def _mistakes(case: ConvCase, *, rows: bool) -> Iterator[Mistake]:
    (sv, sh), (pv, ph) = both(case.stride), both(case.pad)
    axes = range(2) if rows else (1,)
    yield from _windows(case, rows=rows)
    if rows:
        for words, height, width in miscounted(case):
            code, cause = "size-of-wrong-axis", f"In {{names}} {words}."
            remedy = "Take the rows from H and HH, and the columns from W and WW."
            if height <= case.out_shape[2] and width <= case.out_shape[3]:
                yield from _fewer(case, code, cause, remedy, height, width)
            elif min(height, width) > 0:
                yield code, cause, remedy, partial(_output, case, shape=(height, width))
        if sv != sh:
            text = "In {names} the vertical and the horizontal stride are exchanged."
            yield from _moved(case, "height-width-confused", text, "Step rows by the vertical stride.", stride=(sh, sv))
        if pv != ph:
            text = "In {names} the vertical and the horizontal pad are exchanged."
            yield from _moved(case, "height-width-confused", text, "Pad rows by the vertical pad.", pad=(ph, pv))
    for missed in (*((axis,) for axis in axes), *([(0, 1)] if rows else [])):
        height, width = (case.out_shape[2 + axis] - (axis in missed) for axis in range(2))
        what = " and the last ".join(("row", "column")[axis] for axis in missed)
        text = f"In {{names}} the last {what} of windows is missed."
        yield from _fewer(case, "last-windows-missed", text, "H' is 1 + (H + 2 pad - HH) // stride.", height, width)
    yield from _kernels(case, rows=rows)


def _windows(case: ConvCase, *, rows: bool) -> Iterator[Mistake]:
    """Yield windows that start at the wrong places."""
    stride, pad = both(case.stride), both(case.pad)

    def of(pair: Pair, value: int) -> Pair:
        return (value, value) if rows else (pair[0], value)

    if of(pad, 1) != pad:
        text = "{names} {be} computed as if pad were 1."
        yield from _moved(case, "pad-fixed-at-1", text, "Pad x by the pad that forward is given.", pad=of(pad, 1))
    if of(pad, 0) != pad:
        text = "The pad is left out of {names}: windows are taken from x itself."
        yield from _moved(case, "pad-ignored", text, "Put pad zeros around x first.", pad=of(pad, 0))
    if of(stride, 1) != stride:
        text = "The stride is left out of {names}: windows are taken one element apart."
        remedy = "Let the window of output i start at i * stride."
        yield from _moved(case, "stride-ignored", text, remedy, stride=of(stride, 1))


def _kernels(case: ConvCase, *, rows: bool) -> Iterator[Mistake]:
    """Yield products with another kernel, and sums without the bias."""
    rotated = "In {names} the kernel is rotated by 180 degrees, as in mathematics and signal processing."
    keep = "In this field's convolution windows are multiplied by w as it is."
    turned: list[tuple[str, str, Callable[[Array], Array]]] = [
        ("kernel-rotated", rotated, lambda w: w[:, :, ::-1, ::-1]),
    ]
    if rows:
        turned += [
            ("kernel-flipped", "In {names} the kernel is upside down.", lambda w: w[:, :, ::-1]),
            ("kernel-flipped", "In {names} the kernel is mirrored left to right.", lambda w: w[..., ::-1]),
        ]
        if case.HH == case.WW:
            transposed = "In {names} the kernel is transposed: its rows and columns are exchanged."
            turned.append(("kernel-transposed", transposed, lambda w: w.swapaxes(2, 3)))
    for code, cause, turn in turned:
        yield code, cause, keep, partial(_turned, case, turn)
    missing = "The bias is left out of {names}."
    without = partial(_output, case, bias=False)
    yield "bias-missing", missing, "Add b[f] to every element of filter f.", without


def _turned(case: ConvCase, turn: Callable[[Array], Array], inputs: Inputs) -> Array:
    return _output(case, {**inputs, "w": turn(inputs["w"])})


def _moved(case: ConvCase, code: str, cause: str, remedy: str, **changed: Pair) -> Iterator[Mistake]:
    """Yield an output of windows elsewhere: of the right size, and of that which it comes to so."""
    stride, pad = changed.get("stride", both(case.stride)), changed.get("pad", both(case.pad))
    rows, columns = (
        (size + 2 * p - reach) // s + 1
        for size, p, reach, s in zip((case.H, case.W), pad, case.reach, stride, strict=True)
    )
    for shape in dict.fromkeys((case.out_shape[2:], (rows, columns))):
        if min(shape) > 0:
            yield code, cause, remedy, partial(_output, case, stride=stride, pad=pad, shape=shape)


def _fewer(case: ConvCase, code: str, cause: str, remedy: str, rows: int, columns: int) -> Iterator[Mistake]:
    """Yield an output of fewer windows, and one that is zero where they are missed."""
    kept = np.s_[:, :, : max(rows, 0), : max(columns, 0)]
    yield code, cause, remedy, lambda inputs: _output(case, inputs)[kept]
    yield code, cause, remedy, lambda inputs: only(_output(case, inputs), kept)


def _output(
    case: ConvCase,
    inputs: Inputs,
    *,
    stride: Pair | None = None,
    pad: Pair | None = None,
    shape: Pair | None = None,
    bias: bool = True,
) -> Array:
    """Compute out (N, F, *shape) of windows that start at (i, j) * stride - pad; outside of x there are zeros."""
    (sv, sh), (pv, ph) = stride or both(case.stride), pad or both(case.pad)
    rows, columns = shape or case.out_shape[2:]
    wide = np.pad(inputs["x"], ((0, 0), (0, 0), (pv, 0), (ph, 0)))
    seen = resized(wide, sv * (rows - 1) + case.reach[0], sh * (columns - 1) + case.reach[1])
    param = {**case.conv_param, "stride": (sv, sh), "pad": 0}
    b = inputs["b"] if bias else np.zeros_like(inputs["b"])
    return conv_forward_fast(seen, inputs["w"], b, param)[0]
