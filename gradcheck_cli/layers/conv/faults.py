"""What people get wrong in the backward pass of a convolution, as hypotheses, the most common first."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.conv import windows
from gradcheck_cli.layers.conv.naive import both, places
from gradcheck_cli.layers.conv.windows import backward, only
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.reshapes import mistaken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.conv.conv import ConvCase
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Inputs = Mapping[str, Array]
    Gradients = Mapping[str, Array]
    Backward = Callable[[Inputs, Array], Gradients]


#: The axes of w, in words and as sizes.
_AXES = ("(filter, channel, kernel row, kernel column)", "(F, C, HH, WW)")


def faults(
    case: ConvCase,
    problem: Problem,  # noqa: ARG001  # the case says it all
    axes: tuple[str, str] = _AXES,
) -> Iterator[Fault]:
    """Yield the slips that make a difference in a case, each with what it would have returned.

    Most were found in published solutions of course assignments; where two come to the same in a case, the simpler and
    more common one comes first.

    Args:
        case: the case.
        problem: its arrays.
        axes: those of w, in words and as sizes, for a layer that has others and computes the same.
    """
    right = partial(backward, case)
    once = (
        "Forward multiplies windows by w as it is; backward rotates it once if it is written as a convolution of dout."
    )
    yield from windows.crops(case)
    yield from kernels(right, once, axes[0])
    yield from wrong_filters(case)
    yield from windows.strides(case)
    yield from windows.missed(case)
    yield from windows.formulas(case)
    yield from confused(right, axes[1])
    if axes == _AXES:  # a depthwise kernel makes no columns of several channels
        yield from column_layouts(case)  # where dx alone is wrong, dout is not


def kernels(right: Backward, once: str, order: str) -> Iterator[Fault]:
    """Yield products with the kernel turned, or with its axes exchanged.

    Args:
        right: the backward pass, of inputs by name.
        once: how often it is turned where nothing is wrong.
        order: that of its axes.
    """
    rotated = "In {names} the kernel is rotated by 180 degrees."
    yield kernel_turned(right, "kernel-rotated", rotated, once, lambda w: w[:, :, ::-1, ::-1])
    transposed = "In {names} the kernel is transposed: its rows and columns are exchanged."
    keep = f"Keep the axes in the order {order}."
    yield kernel_turned(right, "kernel-transposed", transposed, keep, lambda w: w.swapaxes(2, 3))
    exchanged = "In {names} the kernel's filters and channels are exchanged."
    yield kernel_turned(right, "kernel-transposed", exchanged, keep, lambda w: w.swapaxes(0, 1))
    upside_down, mirrored = "In {names} the kernel is upside down.", "In {names} the kernel is mirrored left to right."
    yield kernel_turned(right, "kernel-flipped", upside_down, once, lambda w: w[:, :, ::-1])
    yield kernel_turned(right, "kernel-flipped", mirrored, once, lambda w: w[..., ::-1])


def wrong_filters(case: ConvCase) -> Iterator[Fault]:
    """Yield products with the wrong filter."""
    right, permuted = partial(backward, case), "In {names} the filters are %s."
    same = "Pair each filter of w with its own channel of dout."
    yield kernel_turned(right, "filters-permuted", permuted % "in reverse order", same, lambda w: w[::-1])
    shifts = {1: "rolled by one", -1: "rolled back by one"}
    if case.groups > 1:
        shifts[case.F // case.groups] = "those of the next group"
    for shift, how in shifts.items():
        yield kernel_turned(right, "filters-permuted", permuted % how, same, _rolled(shift))


def kernel_turned(right: Backward, code: str, cause: str, remedy: str, turned: Callable[[Array], Array]) -> Fault:
    """Make the slip that multiplies by another arrangement of w, or returns dw so."""

    def gradients(inputs: Inputs, cotangent: Array) -> Gradients:
        dw = right(inputs, cotangent)["w"]
        w = turned(inputs["w"])
        if w.shape != dw.shape:
            return {"w": turned(dw)}
        return {"x": right({**inputs, "w": w}, cotangent)["x"], "w": turned(dw)}

    return Fault(code=code, cause=cause, remedy=remedy, gradients=gradients)


def _rolled(shift: int) -> Callable[[Array], Array]:
    return lambda w: np.roll(w, shift, axis=0)


def confused(right: Backward, order: str) -> Iterator[Fault]:
    """Yield arrays whose rows and columns are exchanged, where the axes of w have that order."""

    def exchanged(what: str, gradients: Backward) -> Fault:
        cause = f"In {{names}} height and width are confused: the rows and columns of {what} are exchanged."
        keep = f"Keep rows before columns: (N, C, H, W), {order}."
        return Fault(code="height-width-confused", cause=cause, remedy=keep, gradients=gradients)

    def result(inputs: Inputs, cotangent: Array, *, reshape: bool = False) -> Gradients:
        found = right(inputs, cotangent)
        return {name: _turned(found[name], reshape=reshape) for name in ("x", "w")}

    def image(inputs: Inputs, cotangent: Array) -> Gradients:
        return {"w": right({**inputs, "x": _turned(inputs["x"])}, cotangent)["w"]}

    yield exchanged("the result", partial(result, reshape=False))
    yield exchanged("the result", partial(result, reshape=True))
    yield exchanged("dout", lambda inputs, g: right(inputs, _turned(g)))
    yield exchanged("x", image)


def _turned(array: Array, *, reshape: bool = True) -> Array:
    turned = array.swapaxes(-1, -2)
    return turned.reshape(array.shape) if reshape else turned


#: Where a loop goes over the places of the kernel, or index arrays repeat an element.
BY_PLACE = "Write `+=`, not `=`, in the loop; with index arrays `np.add.at`, for there `+=` adds only once."


def one_window(case: ConvCase, inputs: Inputs, cotangent: Array, *, first: bool, kept: Any) -> Gradients:
    """Compute for each element of x what the first or the last window that sees it contributes."""
    w, groups = inputs["w"], case.groups
    grouped = only(cotangent, kept).reshape(case.N, groups, -1, *cotangent.shape[2:])
    kernels = w.reshape(groups, -1, *w.shape[1:])
    (i, h, row), (j, k, column) = (_window_seen(case, axis, first=first) for axis in (0, 1))
    dx = np.einsum("ngfrq,gfcrq->ngcrq", grouped[..., i[:, None], j], kernels[..., h[:, None], k], optimize=True)
    out: Array = dx * (row[:, None] & column)
    return {"x": out.reshape(case.N, case.C, case.H, case.W)}


def _window_seen(case: ConvCase, axis: int, *, first: bool) -> tuple[Array, Array, Array]:
    """Return of each row of x the first or last window that sees it, at which place, and whether any does."""
    stride, pad, dilation = (both(pair)[axis] for pair in (case.stride, case.pad, case.dilation))
    size, kernel, count = (case.H, case.W)[axis], (case.HH, case.WW)[axis], case.out_shape[2 + axis]
    offset = np.arange(size)[:, None] + pad - stride * np.arange(count)
    sees = (offset >= 0) & (offset % dilation == 0) & (offset < dilation * kernel)
    window = sees.argmax(axis=1) if first else count - 1 - sees[:, ::-1].argmax(axis=1)
    seen = sees.any(axis=1)
    return window, np.where(seen, offset[np.arange(size), window] // dilation, 0), seen


_SIZES = ("N", "C", "HH", "WW", "H'", "W'")

#: The orders in which columns (samples, channels, places of the kernel, rows and columns of windows) are kept as a
#: matrix: as axes of (N, C, HH, WW, H', W').
_COLUMNS = ((0, 4, 5, 1, 2, 3), (1, 2, 3, 0, 4, 5), (1, 2, 3, 4, 5, 0), (0, 1, 2, 3, 4, 5), (0, 4, 5, 2, 3, 1))


def column_layouts(case: ConvCase, sizes: tuple[str, ...] = _SIZES) -> Iterator[Fault]:
    """Yield gradients of the columns (im2col) that are reshaped in an order that they do not have."""
    if case.groups > 1:
        return
    for really, other in itertools.permutations(_COLUMNS, 2):
        have, names = (", ".join(sizes[k] for k in order if sizes[k]) for order in (really, other))
        yield Fault(
            code="reshaped-not-transposed",
            cause=f"In {{names}} the gradient of the columns, ({have}), is reshaped as if its axes were ({names}).",
            remedy="Transpose it before the reshape, which keeps the order in memory.",
            gradients=partial(_of_columns, case, really, other),
        )


def _of_columns(
    case: ConvCase, really: tuple[int, ...], other: tuple[int, ...], inputs: Inputs, cotangent: Array
) -> Gradients:
    columns = np.einsum("nfij,fchk->nchkij", cotangent, inputs["w"], optimize=True)
    columns = mistaken(columns, really, other)
    (pv, ph), param = both(case.pad), {**case.conv_param, "pad": 0}
    dx = np.zeros((case.N, case.C, *case.padded_size), cotangent.dtype)
    for h, k, place in places(dx, inputs["w"], param):
        dx[place] += columns[:, :, h, k]
    return {"x": dx[:, :, pv : pv + case.H, ph : ph + case.W]}
