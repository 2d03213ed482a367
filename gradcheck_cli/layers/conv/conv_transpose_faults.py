"""Faults of a transposed convolution: its backward has those of a convolution of dout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from gradcheck_cli.layers.conv import conv
from gradcheck_cli.layers.conv.conv_transpose import ConvTransposeCase, conv_transpose_backward, conv_transpose_forward
from gradcheck_cli.layers.conv.faults import confused_rows, turned_kernels
from gradcheck_cli.layers.conv.moved import Convolution, Numbers, displaced_windows, resized
from gradcheck_cli.layers.conv.naive import both
from gradcheck_cli.layers.framework.axes import OUT_COLUMN, OUT_ROW
from gradcheck_cli.layers.framework.contributions import Contributions
from gradcheck_cli.layers.framework.fault import Fault, ForwardFault, Gradients
from gradcheck_cli.layers.framework.faults import ADD
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array


def faults(case: ConvTransposeCase, problem: Problem) -> Iterator[Fault]:
    """Yield the faults that make a difference in a case; where two are equal, the simpler one comes first."""
    convolution, axes = Convolution(case.as_conv), problem.axes["w"]
    right = partial(_backward, case, stride=convolution.stride, pad=convolution.pad)
    yield from turned_kernels(right, axes, "Forward and backward both multiply by w as it is.")
    for code, cause, remedy, stride, pad in displaced_windows(convolution):
        yield Fault(code, cause, remedy, partial(_backward, case, stride=stride, pad=pad))
    yield from confused_rows(right, axes)


def _backward(
    case: ConvTransposeCase, inputs: Gradients, cotangent: Array, *, stride: Numbers, pad: Numbers
) -> Gradients:
    """Compute the gradients as if element (i, j) had been spread over the window that starts at (i, j) * stride - pad.

    Whatever of a window lies outside of dout is zero.
    """
    sizes = [s * (n - 1) + w.kernel for s, n, w in zip(stride, (case.H, case.W), case.windows, strict=True)]
    seen = resized(np.pad(cotangent, ((0, 0), (0, 0), (pad[0], 0), (pad[1], 0))), sizes)
    dx, dw, _ = conv_transpose_backward(seen, (inputs["x"], inputs["w"], {"stride": stride, "pad": 0}))
    return {"x": dx, "w": dw, "b": cotangent.sum(axis=(0, 2, 3))}


def forward_faults(case: ConvTransposeCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults that make a difference to the output."""
    inputs, pads = problem.inputs, both(case.pad)

    def output(pad: int) -> dict[str, Array]:
        out, _ = conv_transpose_forward(inputs["x"], inputs["w"], inputs["b"], {**case.settings, "pad": pad})
        return {"out": out}

    for end in ("last", "first"):
        left = f"only that of the {end} window is left"
        cause = f"{{names}} {{be}} assigned where contributions are to be summed: {left}."
        share = {"out": _one_share(case, inputs, first=end == "first")}
        yield ForwardFault("assigned-not-accumulated", cause, ADD, share)
    if pads != (0, 0):
        cause = "{names} {be} returned without being cropped: pad rows and columns are to be cut off on each side."
        yield ForwardFault("crop-missing", cause, "Return `[:, :, pad:pad + H', pad:pad + W']`.", output(0))
    if pads != (1, 1) and not replace(case, pad=1).impossible():
        cause, remedy = "{names} {be} cropped by 1, whatever the pad.", "Crop by the pad that forward is given."
        yield ForwardFault("crop-fixed", cause, remedy, output(1))


def _one_share(case: ConvTransposeCase, inputs: Gradients, *, first: bool) -> Array:
    """Compute the share of one element of x in each element of out: what a convolution's dx is of its dout."""
    problem = conv.LAYER.problem(case.as_conv)
    share = Contributions(conv.LAYER, problem).share("x", (OUT_ROW, OUT_COLUMN), first=first)
    as_conv = {"x": np.zeros(problem.inputs["x"].shape), "w": inputs["w"], "b": np.zeros(case.C)}
    return np.asarray(share(as_conv, inputs["x"])["x"] + inputs["b"][:, None, None])
