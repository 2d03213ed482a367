"""Faults of the backward pass of a convolution; `framework/faults.py` has those of any layer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from gradcheck_cli.layers.conv.crops import crops, formulas
from gradcheck_cli.layers.conv.geometry import WindowedCase, confused_counts
from gradcheck_cli.layers.conv.moved import Convolution, displaced_windows, first, only, too_few_windows, within
from gradcheck_cli.layers.framework.axes import FILTER, Axis
from gradcheck_cli.layers.framework.fault import Backward, Fault, ForwardFault, Gradients
from gradcheck_cli.layers.framework.faults import misread
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names


def faults(case: WindowedCase, problem: Problem) -> Iterator[Fault]:
    """Yield the faults that make a difference in a case, each with what it would have returned.

    Most were found in published solutions of course assignments. Where two are equal in a case, the simpler and more
    common one comes first.
    """
    convolution, axes = Convolution(case), problem.axes["w"]
    yield from crops(convolution)
    yield from turned_kernels(convolution.backward, axes, _ONCE)
    yield from wrong_filters(convolution)
    yield from wrong_windows(convolution)
    yield from formulas(convolution)
    if len(case.windows) == 2:
        yield from confused_rows(convolution.backward, axes)
    if FILTER in axes and convolution.groups == 1:  # channels meet
        yield from mistaken_columns(convolution)


_ONCE = "Forward multiplies windows by w as it is; backward rotates it once if it is written as a convolution of dout."


def kernel_turns(axes: Sequence[Axis]) -> list[tuple[str, str, Callable[[Array], Array]]]:
    """List wrong orders of a kernel with these axes: code, words and function."""
    spatial = {k - len(axes): axis.plural for k, axis in enumerate(axes) if axis.spatial}
    counts = range(len(spatial) - 1, 0, -1)
    turns: list[tuple[str, str, Callable[[Array], Array]]] = [
        ("kernel-flipped", f"the {join_names(spatial[k] for k in some)} are reversed", partial(np.flip, axis=some))
        for count in counts
        for some in itertools.combinations(spatial, count)
    ]
    exchanged = "the kernel's filters and channels are exchanged"
    turns.insert(0, ("kernel-transposed", exchanged, lambda w: w.swapaxes(0, 1)))
    if len(spatial) == 2:
        transposed = "the kernel is transposed: its rows and columns are exchanged"
        turns.insert(0, ("kernel-transposed", transposed, lambda w: w.swapaxes(-1, -2)))
    code, words = ("kernel-flipped", "reversed") if len(spatial) == 1 else ("kernel-rotated", "reversed along all axes")
    words = "rotated by 180 degrees" if len(spatial) == 2 else words
    return [(code, f"the kernel is {words}", partial(np.flip, axis=(*spatial,))), *turns]


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


def wrong_filters(convolution: Convolution) -> Iterator[Fault]:
    """Yield products with the wrong filter."""
    remedy = "Pair each filter of w with its own channel of dout."
    orders: dict[str, Callable[[Array], Array]] = {
        "in reverse order": lambda w: w[::-1],
        "rolled by one": partial(np.roll, shift=1, axis=0),
        "rolled back by one": partial(np.roll, shift=-1, axis=0),
    }
    if convolution.groups > 1:
        orders["those of the next group"] = lambda w: np.roll(w, len(w) // convolution.groups, axis=0)
    for words, turn in orders.items():
        yield _turned(convolution.backward, "filters-permuted", f"In {{names}} the filters are {words}.", remedy, turn)


def _turned(right: Backward, code: str, cause: str, remedy: str, turn: Callable[[Array], Array]) -> Fault:
    """Make the fault that multiplies by another arrangement of w, or returns dw so."""

    def gradients(inputs: Gradients, cotangent: Array) -> Gradients:
        dw, w = right(inputs, cotangent)["w"], turn(inputs["w"])
        if w.shape != dw.shape:
            return {"w": turn(dw)}
        return {"x": right({**inputs, "w": w}, cotangent)["x"], "w": turn(dw)}

    return Fault(code, cause, remedy, gradients)


def wrong_windows(convolution: Convolution) -> Iterator[Fault]:
    """Yield windows that start at the wrong positions, and loops over fewer windows than there are."""
    for code, cause, remedy, stride, pad in displaced_windows(convolution):
        yield Fault(code, cause, remedy, partial(convolution.backward, stride=stride, pad=pad))
    right, axes = convolution.stride[0], len(convolution.stride)
    for wrong in sorted({2, right - 1, right + 1} - {0, 1, right}) if right > 1 else ():
        apart = f"In {{names}} windows are taken {wrong} elements apart, where the stride is {right}."
        between = "Put stride - 1 zeros between two elements of dout, or let windows start at i * stride."
        yield Fault("stride-misdilated", apart, between, partial(convolution.backward, stride=(wrong,) * axes))
    yield from too_few_windows(convolution.case, convolution.backward)


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


#: The orders in which columns are kept as a matrix: samples, channels, positions of the kernel, and windows.
_COLUMNS = ("NWCK", "CKNW", "CKWN", "NCKW", "NWKC")


def mistaken_columns(convolution: Convolution) -> Iterator[Fault]:
    """Yield gradients of the columns (im2col) that are reshaped in an order that they do not have."""
    windows = convolution.case.windows
    count = len(windows)

    def gradients(really: Sequence[int], other: Sequence[int], inputs: Gradients, cotangent: Array) -> Gradients:
        x, w = inputs["x"], inputs["w"]
        columns = misread(np.moveaxis(np.tensordot(w, cotangent, (0, 1)), count + 1, 0), really, other)
        dx = np.zeros((*x.shape[:2], *(each.padded for each in windows)), cotangent.dtype)
        for position in np.ndindex(w.shape[2:]):
            starts = [k * each.dilation for k, each in zip(position, windows, strict=True)]
            ends = [start + each.stride * (each.total - 1) + 1 for start, each in zip(starts, windows, strict=True)]
            seen = within(slice(a, b, each.stride) for a, b, each in zip(starts, ends, windows, strict=True))
            dx[seen] += columns[(slice(None), slice(None), *position)]
        return {"x": dx[within(slice(each.pad, each.pad + each.size) for each in windows)]}

    sizes = ("N", "C", *convolution.case.kernels, *(w.out.size for w in windows))
    axes = {"N": [0], "C": [1], "K": range(2, 2 + count), "W": range(2 + count, 2 + 2 * count)}
    orders = [[k for letter in order for k in axes[letter]] for order in _COLUMNS]
    for really, other in itertools.permutations(orders, 2):
        have, names = (", ".join(sizes[k] for k in order) for order in (really, other))
        cause = f"In {{names}} the gradient of the columns, ({have}), is reshaped as if its axes were ({names})."
        remedy = "Transpose it before the reshape, which keeps the order in memory."
        yield Fault("reshaped-not-transposed", cause, remedy, partial(gradients, really, other))


_KEEP = "In this field's convolution windows are multiplied by w as it is."


def forward_faults(case: WindowedCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults that make a difference to the output of a case, the most common first."""
    convolution, inputs = Convolution(case), problem.inputs
    for code, cause, remedy, out in (*_displaced(convolution, inputs), *_miscounted(convolution, inputs)):
        yield ForwardFault(code, cause, remedy, {"out": out})
    for code, words, turn in kernel_turns(case.axes["w"]):
        w = turn(inputs["w"])
        if w.shape == inputs["w"].shape and (w != inputs["w"]).any():
            yield ForwardFault(code, f"In {{names}} {words}.", _KEEP, {"out": convolution.forward({**inputs, "w": w})})


def _displaced(convolution: Convolution, inputs: Gradients) -> Iterator[tuple[str, str, str, Array]]:
    """Yield windows elsewhere: in an output of the right size, and of the size that follows from the wrong numbers."""
    windows = convolution.case.windows
    right = tuple(w.total for w in windows)
    for code, cause, remedy, stride, pad in displaced_windows(convolution):
        counted = (w._replace(stride=s, pad=p).total for w, s, p in zip(windows, stride, pad, strict=True))
        for shape in dict.fromkeys([right, tuple(counted)]):
            if min(shape) > 0:
                yield code, cause, remedy, convolution.forward(inputs, stride=stride, pad=pad, shape=shape)


def _miscounted(convolution: Convolution, inputs: Gradients) -> Iterator[tuple[str, str, str, Array]]:
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
