"""What people get wrong in the backward pass of a transposed convolution: slips of a convolution, of dout."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv.conv_transpose import conv_transpose_backward, conv_transpose_forward
from gradcheck_cli.layers.conv.faults import BY_PLACE, confused, kernels, one_window
from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.layers.conv.windows import resized
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.conv.conv_transpose import ConvTransposeCase
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Inputs = Mapping[str, Array]
    Gradients = Mapping[str, Array]
    Backward = Callable[[Inputs, Array], Gradients]


def faults(case: ConvTransposeCase, problem: Problem) -> Iterator[Fault]:  # noqa: ARG001  # the case says it all
    """Yield the slips that make a difference in a case; where two come to the same, the simpler one comes first."""
    right = partial(backward, case)
    yield from kernels(
        right, "Forward and backward both multiply by w as it is.", "(channel, filter, kernel row, kernel column)"
    )
    yield from _windows(case)
    yield from confused(right, "(C, F, HH, WW)")


def forward_faults(case: ConvTransposeCase, inputs: Inputs) -> Iterator[ForwardFault]:
    """Yield the slips that make a difference to the output."""
    added = "{names} {be} assigned where contributions are to be added up: "
    for which, first in (("last", False), ("first", True)):
        share = f"of each element the share of the {which} window that reaches it is left."
        yield _of_output("assigned-not-accumulated", added + share, BY_PLACE, _one_share(case, inputs, first=first))
    pads = both(case.pad)
    whole = replace(case, pad=0)
    if pads != (0, 0):
        text = "{names} {be} returned without being cropped: pad rows and columns are to be cut off on each side."
        remedy = "Return `[:, :, pad:pad + H', pad:pad + W']`."
        yield _of_output("crop-missing", text, remedy, _output(whole, inputs))
    if pads != (1, 1) and not replace(case, pad=1).impossible():
        text = "{names} {be} cropped by 1, whatever the pad."
        yield _of_output(
            "crop-fixed", text, "Crop by the pad that forward is given.", _output(replace(case, pad=1), inputs)
        )
    missing = "The bias is left out of {names}."
    remedy = "Add b[f] to every element of filter f."
    yield _of_output("bias-missing", missing, remedy, _output(case, {**inputs, "b": 0 * inputs["b"]}))


def _output(case: ConvTransposeCase, inputs: Inputs) -> Array:
    return conv_transpose_forward(inputs["x"], inputs["w"], inputs["b"], case.conv_param)[0]


def _one_share(case: ConvTransposeCase, inputs: Inputs, *, first: bool) -> Array:
    """Compute of each element of out the share of one element of x: what a convolution's dx is of its dout."""
    share = one_window(case.transposed, inputs, inputs["x"], first=first, kept=np.s_[:])["x"]
    return np.asarray(share + inputs["b"][:, None, None])


def _of_output(code: str, cause: str, remedy: str, out: Array) -> ForwardFault:
    return ForwardFault(code=code, cause=cause, remedy=remedy, outputs={"out": out})


def backward(
    case: ConvTransposeCase,
    inputs: Inputs,
    cotangent: Array,
    *,
    stride: tuple[int, int] | None = None,
    pad: tuple[int, int] | None = None,
) -> dict[str, Array]:
    """Compute the gradients as if element (i, j) had been spread over the window that starts at (i, j) * stride - pad.

    Stride and pad are the case's if they are not given. Whatever of a window lies outside of dout is zero.
    """
    (sv, sh), (pv, ph) = stride or both(case.stride), pad or both(case.pad)
    rows, columns = sv * (case.H - 1) + case.HH, sh * (case.W - 1) + case.WW
    seen = resized(np.pad(cotangent, ((0, 0), (0, 0), (pv, 0), (ph, 0))), rows, columns)
    dx, dw, _ = conv_transpose_backward(seen, (inputs["x"], inputs["w"], {"stride": (sv, sh), "pad": 0}))
    return {"x": dx, "w": dw, "b": cotangent.sum(axis=(0, 2, 3))}


def _windows(case: ConvTransposeCase) -> Iterator[Fault]:
    """Yield windows of dout that start at the wrong places."""

    def moved(code: str, cause: str, remedy: str, **wrong: tuple[int, int]) -> Fault:
        def gradients(inputs: Inputs, cotangent: Array) -> Gradients:
            found = backward(case, inputs, cotangent, **wrong)
            return {"x": found["x"], "w": found["w"]}

        return Fault(code=code, cause=cause, remedy=remedy, gradients=gradients)

    (sv, sh), (pv, ph) = both(case.stride), both(case.pad)
    start = "Let the window of element i start at i * stride in dout with its pad."
    if (sv, sh) != (1, 1):
        ignored = "The stride is left out of {names}: windows are taken one element apart."
        yield moved("stride-ignored", ignored, start, stride=(1, 1))
    if (pv, ph) != (0, 0):
        uncut = "The pad is left out of {names}: dout is taken for the output before it was cropped."
        yield moved("pad-ignored", uncut, "Put pad zeros around dout, where forward cropped.", pad=(0, 0))
    if (pv, ph) != (1, 1):
        fixed = "{names} {be} computed as if pad were 1."
        yield moved("pad-fixed-at-1", fixed, "Use the pad that forward was given.", pad=(1, 1))
    if sv != sh:
        swapped = "In {names} the vertical and the horizontal stride are exchanged."
        yield moved("height-width-confused", swapped, "Step rows by the vertical stride.", stride=(sh, sv))
    if pv != ph:
        swapped = "In {names} the vertical and the horizontal pad are exchanged."
        yield moved("height-width-confused", swapped, "Pad rows by the vertical pad.", pad=(ph, pv))
