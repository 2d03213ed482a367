"""Faults of the backward pass of a convolution; `framework/faults.py` has those of any layer."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.conv.crops import crops, formulas
from gradcheck_cli.layers.conv.images import Images, displaced_windows, only, too_few_windows
from gradcheck_cli.layers.conv.naive import places
from gradcheck_cli.layers.framework.axes import FILTER
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.reshapes import misread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gradcheck_cli.layers.conv.case import ConvolutionCase
    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Gradients = Mapping[str, Array]
    Backward = Callable[[Gradients, Array], Gradients]


def faults(case: ConvolutionCase, problem: Problem) -> Iterator[Fault]:
    """Yield the faults that make a difference in a case, each with what it would have returned.

    Most were found in published solutions of course assignments. Where two are equal in a case, the simpler and more
    common one comes first.
    """
    images, axes = Images(case.as_conv, case.spatial), problem.axes
    channels_meet = FILTER in axes["w"] and case.as_conv.groups == 1
    for fault in itertools.chain(
        crops(images),
        turned_kernels(images.backward, axes["w"], _ONCE),
        wrong_filters(images),
        moved_windows(images),
        missed_windows(case, images.backward),
        formulas(images),
        confused_rows(images.backward, axes["w"]) if len(case.spatial) == 2 else (),
        mistaken_columns(images) if channels_meet else (),
    ):
        yield fault._replace(gradients=partial(_of_images, case, fault.gradients))


def _of_images(case: ConvolutionCase, backward: Backward, inputs: Gradients, cotangent: Array) -> Gradients:
    """Compute the gradients of a layer as those of a convolution of images."""
    places = {name: (*[slice(None)] * axis, None) for name, axis in case.inserted.items()}
    images = {name: value[places[name]] if name in places else value for name, value in inputs.items()}
    found = backward(images, cotangent[places["out"]] if "out" in places else cotangent)
    return {name: value.take(0, case.inserted[name]) if name in places else value for name, value in found.items()}


_ONCE = "Forward multiplies windows by w as it is; backward rotates it once if it is written as a convolution of dout."


def kernel_turns(axes: Sequence[Axis]) -> list[tuple[str, str, Callable[[Array], Array]]]:
    """List wrong orders of a kernel of images, whose axes are these with rows: code, words and function."""
    exchanged = "the kernel's filters and channels are exchanged"
    if not any(axis.size == "HH" for axis in axes):
        return [
            ("kernel-flipped", "the kernel is reversed", lambda w: w[..., ::-1]),
            ("kernel-transposed", exchanged, lambda w: w.swapaxes(0, 1)),
        ]
    transposed = "the kernel is transposed: its rows and columns are exchanged"
    return [
        ("kernel-rotated", "the kernel is rotated by 180 degrees", lambda w: w[..., ::-1, ::-1]),
        ("kernel-transposed", transposed, lambda w: w.swapaxes(-1, -2)),
        ("kernel-transposed", exchanged, lambda w: w.swapaxes(0, 1)),
        ("kernel-flipped", "the kernel is upside down", lambda w: w[..., ::-1, :]),
        ("kernel-flipped", "the kernel is mirrored left to right", lambda w: w[..., ::-1]),
    ]


def turned_kernels(right: Backward, axes: Sequence[Axis], once: str) -> Iterator[Fault]:
    """Yield products with the kernel turned, or with its axes exchanged.

    Args:
        right: the backward pass.
        axes: of w.
        once: how often it is turned where nothing is wrong.
    """
    order = f"Keep the axes in the order ({', '.join(axis.name for axis in axes)})."
    for code, words, turn in kernel_turns(axes):
        yield _turned(right, code, f"In {{names}} {words}.", order if code == "kernel-transposed" else once, turn)


def wrong_filters(images: Images) -> Iterator[Fault]:
    """Yield products with the wrong filter."""
    case, remedy = images.case, "Pair each filter of w with its own channel of dout."
    orders: dict[str, Callable[[Array], Array]] = {
        "in reverse order": lambda w: w[::-1],
        "rolled by one": partial(np.roll, shift=1, axis=0),
        "rolled back by one": partial(np.roll, shift=-1, axis=0),
    }
    if case.groups > 1:
        orders["those of the next group"] = partial(np.roll, shift=case.F // case.groups, axis=0)
    for words, turn in orders.items():
        yield _turned(images.backward, "filters-permuted", f"In {{names}} the filters are {words}.", remedy, turn)


def _turned(right: Backward, code: str, cause: str, remedy: str, turn: Callable[[Array], Array]) -> Fault:
    """Make the fault that multiplies by another arrangement of w, or returns dw so."""

    def gradients(inputs: Gradients, cotangent: Array) -> Gradients:
        dw, w = right(inputs, cotangent)["w"], turn(inputs["w"])
        if w.shape != dw.shape:
            return {"w": turn(dw)}
        return {"x": right({**inputs, "w": w}, cotangent)["x"], "w": turn(dw)}

    return Fault(code, cause, remedy, gradients)


def moved_windows(images: Images) -> Iterator[Fault]:
    """Yield windows that start at the wrong places."""
    for code, cause, remedy, stride, pad in displaced_windows(images):
        gradients = partial(images.backward, stride=stride, pad=pad)
        yield Fault(code, cause, remedy, gradients)
    right = images.stride[images.spatial[0]]
    for wrong in sorted({2, right - 1, right + 1} - {0, 1, right}) if right > 1 else ():
        apart = f"In {{names}} windows are taken {wrong} elements apart, where the stride is {right}."
        between = "Put stride - 1 zeros between two elements of dout, or let windows start at i * stride."
        gradients = partial(images.backward, stride=images.with_value(images.stride, wrong))
        yield Fault("stride-misdilated", apart, between, gradients)


def missed_windows(case: ConvolutionCase, right: Backward) -> Iterator[Fault]:
    """Yield loops over fewer windows than there are."""
    for code, cause, remedy, kept in too_few_windows(case):
        index = kept if len(case.spatial) == 2 else (*kept[:2], slice(None), *kept[2:])
        gradients = partial(_of_part, right, index)
        yield Fault(code, cause, remedy, gradients)


def _of_part(right: Backward, kept: tuple[slice, ...], inputs: Gradients, cotangent: Array) -> Gradients:
    return right(inputs, only(cotangent, kept))


def confused_rows(right: Backward, axes: Sequence[Axis]) -> Iterator[Fault]:
    """Yield arrays whose rows and columns are exchanged, where w has these axes."""

    def turned(array: Array, *, reshape: bool = True) -> Array:
        other = array.swapaxes(-1, -2)
        return other.reshape(array.shape) if reshape else other

    def result(inputs: Gradients, cotangent: Array, *, reshape: bool) -> Gradients:
        found = right(inputs, cotangent)
        return {name: turned(found[name], reshape=reshape) for name in ("x", "w")}

    exchanged: list[tuple[str, Backward]] = [
        ("the result", partial(result, reshape=False)),
        ("the result", partial(result, reshape=True)),
        ("dout", lambda inputs, g: right(inputs, turned(g))),
        ("x", lambda inputs, g: {"w": right({**inputs, "x": turned(inputs["x"])}, g)["w"]}),
    ]
    for what, gradients in exchanged:
        cause = f"In {{names}} height and width are confused: the rows and columns of {what} are exchanged."
        remedy = f"Keep rows before columns: (N, C, H, W), ({', '.join(axis.size for axis in axes)})."
        yield Fault("height-width-confused", cause, remedy, gradients)


#: The orders in which columns (samples, channels, places of the kernel, rows and columns of windows) are kept as a
#: matrix: as axes of (N, C, HH, WW, H', W').
_COLUMNS = ((0, 4, 5, 1, 2, 3), (1, 2, 3, 0, 4, 5), (1, 2, 3, 4, 5, 0), (0, 1, 2, 3, 4, 5), (0, 4, 5, 2, 3, 1))


def mistaken_columns(images: Images) -> Iterator[Fault]:
    """Yield gradients of the columns (im2col) that are reshaped in an order that they do not have."""
    sizes = ("N", "C", "HH", "WW", "H'", "W'") if len(images.spatial) == 2 else ("N", "C", "", "WW", "", "W'")
    for really, other in itertools.permutations(_COLUMNS, 2):
        have, names = (", ".join(sizes[k] for k in order if sizes[k]) for order in (really, other))
        yield Fault(
            code="reshaped-not-transposed",
            cause=f"In {{names}} the gradient of the columns, ({have}), is reshaped as if its axes were ({names}).",
            remedy="Transpose it before the reshape, which keeps the order in memory.",
            gradients=partial(_of_columns, images, really, other),
        )


def _of_columns(
    images: Images, really: tuple[int, ...], other: tuple[int, ...], inputs: Gradients, cotangent: Array
) -> Gradients:
    columns = np.einsum("nfij,fchk->nchkij", cotangent, inputs["w"], optimize=True)
    columns, case = misread(columns, really, other), images.case
    dx = np.zeros((case.N, case.C, *(w.padded for w in case.windows)), cotangent.dtype)
    for h, k, place in places(dx, inputs["w"].shape[2:], {**case.settings, "pad": 0}):
        dx[place] += columns[:, :, h, k]
    (pv, ph) = images.pad
    return {"x": dx[:, :, pv : pv + case.H, ph : ph + case.W]}
