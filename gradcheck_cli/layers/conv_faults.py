"""What people get wrong in the backward pass of a convolution, as hypotheses, the most common first."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers import conv_windows
from gradcheck_cli.layers.conv_naive import both
from gradcheck_cli.layers.conv_windows import backward, of_part, only
from gradcheck_cli.layers.framework.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.layers.conv import ConvCase
    from gradcheck_cli.layers.framework.problem import Problem

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
    yield from conv_windows.crops(case)
    yield from kernels(right, once, axes[0])
    yield from _filters(case)
    yield from conv_windows.strides(case)
    yield from conv_windows.missed(case)
    yield from conv_windows.formulas(case)
    yield from biases(case.F)
    yield from _missed(case)
    yield from confused(right, axes[1])
    yield from _assigned(case)


def kernels(right: Backward, once: str, order: str) -> Iterator[Fault]:
    """Yield products with the kernel turned, or with its axes exchanged.

    Args:
        right: the backward pass, of inputs by name.
        once: how often it is turned where nothing is wrong.
        order: that of its axes.
    """
    rotated = "In {names} the kernel is rotated by 180 degrees."
    yield _kernel(right, "kernel-rotated", rotated, once, lambda w: w[:, :, ::-1, ::-1])
    transposed = "In {names} the kernel is transposed: its rows and columns are exchanged."
    keep = f"Keep the axes in the order {order}."
    yield _kernel(right, "kernel-transposed", transposed, keep, lambda w: w.swapaxes(2, 3))
    exchanged = "In {names} the kernel's filters and channels are exchanged."
    yield _kernel(right, "kernel-transposed", exchanged, keep, lambda w: w.swapaxes(0, 1))
    upside_down, mirrored = "In {names} the kernel is upside down.", "In {names} the kernel is mirrored left to right."
    yield _kernel(right, "kernel-flipped", upside_down, once, lambda w: w[:, :, ::-1])
    yield _kernel(right, "kernel-flipped", mirrored, once, lambda w: w[..., ::-1])


def _filters(case: ConvCase) -> Iterator[Fault]:
    """Yield products with the wrong filter."""
    right, permuted = partial(backward, case), "In {names} the filters are %s."
    same = "Pair each filter of w with its own channel of dout."
    yield _kernel(right, "filters-permuted", permuted % "in reverse order", same, lambda w: w[::-1])
    shifts = {1: "rolled by one", -1: "rolled back by one"}
    if case.groups > 1:
        shifts[case.F // case.groups] = "those of the next group"
    for shift, how in shifts.items():
        yield _kernel(right, "filters-permuted", permuted % how, same, _rolled(shift))


def _kernel(right: Backward, code: str, cause: str, remedy: str, turned: Callable[[Array], Array]) -> Fault:
    def gradients(inputs: Inputs, cotangent: Array) -> Gradients:
        dw = right(inputs, cotangent)["w"]
        w = turned(inputs["w"])
        if w.shape != dw.shape:
            return {"w": turned(dw)}
        return {"x": right({**inputs, "w": w}, cotangent)["x"], "w": turned(dw)}

    return Fault(code=code, cause=cause, remedy=remedy, gradients=gradients)


def _rolled(shift: int) -> Callable[[Array], Array]:
    return lambda w: np.roll(w, shift, axis=0)


def _missed(case: ConvCase) -> Iterator[Fault]:
    """Yield loops that end one sample, filter or channel early."""
    cause = "In {names} the last %s is missed."
    for what, size, kept in (("sample", case.N, np.s_[: case.N - 1]), ("filter", case.F, np.s_[:, : case.F - 1])):
        yield Fault(
            code=f"last-{what}-missed",
            cause=cause % what,
            remedy=f"Loop over all {size} {what}s.",
            gradients=of_part(case, kept),
        )

    def gradients(inputs: Inputs, cotangent: Array) -> Gradients:
        channels = case.C // case.groups - 1
        found = backward(case, {**inputs, "w": only(inputs["w"], np.s_[:, :channels])}, cotangent)
        return {"x": found["x"], "w": only(found["w"], np.s_[:, :channels])}

    remedy = f"Loop over all {case.C} channels."
    yield Fault(code="last-channel-missed", cause=cause % "channel", remedy=remedy, gradients=gradients)


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


def biases(filters: int) -> Iterator[Fault]:
    """Yield sums of the cotangent over other axes than samples, rows and columns."""

    def summed(cause: str, gradient: Callable[[Array], Array]) -> Fault:
        return Fault(
            code="bias-axes",
            cause=cause,
            remedy="Sum dout over samples, rows and columns: `dout.sum(axis=(0, 2, 3))`.",
            gradients=lambda _, g: {"b": np.asarray(gradient(g))},
        )

    yield summed("{names} {be} summed over the first sample alone.", lambda g: g[0].sum(axis=(1, 2)))
    yield summed("{names} {be} one sum over all filters.", lambda g: np.full(filters, g.sum()))
    for count in range(4, -1, -1):
        for axes in itertools.combinations(range(4), count):
            few = "too few axes" if set(axes) < {0, 2, 3} else "the wrong axes"
            if axes != (0, 2, 3):
                yield summed(f"{{names}} {{be}} summed over {few}, {axes or 'none'}.", partial(np.sum, axis=axes))


def assigned(share: str, gradients: Backward) -> Fault:
    """Make the slip that keeps the last contribution to each element, where all are to be summed."""
    cause = f"{{names}} {{be}} assigned where contributions are to be summed: {share} is left."
    remedy = "Write `+=`, not `=`, in the loop."
    return Fault(code="assigned-not-accumulated", cause=cause, remedy=remedy, gradients=gradients)


def _assigned(case: ConvCase) -> Iterator[Fault]:
    """Yield loops that keep the last contribution to each element."""
    last_filter = np.s_[:, -1:]
    yield assigned("of each element the last window's share", lambda inputs, g: {"x": _last_window(case, inputs, g)})
    yield assigned(
        "of each element the last filter's share in its last window",
        lambda inputs, g: {"x": _last_window(case, inputs, only(g, last_filter))},
    )
    yield assigned("the last filter's share", of_part(case, last_filter, ("x",)))
    for share, kept in (
        ("the last sample's share", np.s_[-1:]),
        ("the last window's share", np.s_[:, :, -1:, -1:]),
        ("the last window's share in the last sample", np.s_[-1:, :, -1:, -1:]),
    ):
        yield assigned(share, of_part(case, kept, ("w", "b")))


def _last_window(case: ConvCase, inputs: Inputs, cotangent: Array) -> Array:
    """Compute for each element of x what the last window that sees it contributes."""
    w, groups = inputs["w"], case.groups
    grouped = cotangent.reshape(case.N, groups, -1, *cotangent.shape[2:])
    kernels = w.reshape(groups, -1, *w.shape[1:])
    (i, h, row), (j, k, column) = _last_seen(case, 0), _last_seen(case, 1)
    dx = np.einsum("ngfrq,gfcrq->ngcrq", grouped[..., i[:, None], j], kernels[..., h[:, None], k], optimize=True)
    out: Array = dx * (row[:, None] & column)
    return out.reshape(case.N, case.C, case.H, case.W)


def _last_seen(case: ConvCase, axis: int) -> tuple[Array, Array, Array]:
    """Return of each row of x the last window that sees it, at which place of the kernel, and whether any does."""
    stride, pad, dilation = (both(pair)[axis] for pair in (case.stride, case.pad, case.dilation))
    size, kernel, windows = (case.H, case.W)[axis], (case.HH, case.WW)[axis], case.out_shape[2 + axis]
    offset = np.arange(size)[:, None] + pad - stride * np.arange(windows)
    sees = (offset >= 0) & (offset % dilation == 0) & (offset < dilation * kernel)
    last = windows - 1 - sees[:, ::-1].argmax(axis=1)
    seen = sees.any(axis=1)
    return last, np.where(seen, offset[np.arange(size), last] // dilation, 0), seen
