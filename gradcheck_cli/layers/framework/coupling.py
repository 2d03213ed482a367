"""Which elements of an input reach no output together, from how each of its axes relates to the output.

An axis that the output has too is `same`: index i reaches the outputs at index i. Any other is `EACH`: every index
reaches all outputs. That is index notation, in which the axes that the output lacks are summed over. A layer declares
other relations only for windows and groups, or where it mixes along an axis that it keeps, as a normalization does.

Elements that share no output have one colour (Curtis, Powell and Reid, 1974). The colours of an input are the products
of those of its axes; the element of a colour that reaches an output follows axis by axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, reduce
from typing import NamedTuple

import numpy as np

from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.colored import Coupling

Shape = tuple[int, ...]

#: The relations that index notation does not give, by the name of an input and one of its axes.
Relations = Mapping[str, Mapping[Axis, "Relation"]]


class Relation(NamedTuple):
    """How the indices of one axis of an input reach the output.

    `owners` takes the size of the axis. It returns an array (colors, ...) with the sizes of `axes` behind: the index of
    each colour that reaches the outputs there, -1 where none does.
    """

    axes: tuple[Axis, ...]  #: of the output, in its order; () if it makes no difference where in the output
    owners: Callable[[int], Array]


#: Makes one object of equal arguments. Cases of one geometry, with many seeds or of many implementations, then share
#: their couplings, which take a twentieth of the time of a small case to derive.
_once = lru_cache(maxsize=64)

#: Each index reaches all outputs, as far as the other axes let it: a colour for each.
EACH = Relation((), lambda size: np.arange(size))  # noqa: PLW0108  # `np.arange` alone would import NumPy here


@_once
def same(axis: Axis) -> Relation:
    """Index i reaches the outputs at index i of `axis`: one colour."""
    return Relation((axis,), lambda size: np.arange(size)[None])


@_once
def group(axis: Axis, groups: int, outputs: int) -> Relation:
    """The indices are consecutive groups, each of which reaches its own of the `outputs` along `axis`."""
    if groups == 1:
        return EACH

    def owners(size: int) -> Array:
        width = size // groups
        return np.arange(outputs) // (outputs // groups) * width + np.arange(width)[:, None]

    return Relation((axis,), owners)


@_once
def blocks(axis: Axis, count: int) -> Relation:
    """The indices are `count` blocks (gates, for example), index i of each reaches index i of `axis`."""
    return Relation((axis,), lambda size: np.arange(size).reshape(count, -1))


def lookup(axes: tuple[Axis, ...], index: Array) -> Relation:
    """Each output is reached by one index, that in `index` (with `axes`): one colour."""
    return Relation(axes, lambda _: index[None])


# Windows see `kernel` positions each, `dilation` apart, and start `stride` apart; the first starts `pad` positions
# before the image. A position is a row or a column.


@_once
def window(axis: Axis, windows: int, *, kernel: int, stride: int, dilation: int = 1, pad: int = 0) -> Relation:
    """A position reaches the windows that see it, which lie along `axis` of the output.

    The positions that a window sees, divided by the dilation and rounded down, are consecutive numbers, all different
    modulo `kernel`: so there are as many colours as a window sees positions, the fewest possible.
    """

    def owners(size: int) -> Array:
        starts = np.arange(windows) * stride
        color = np.arange(min(kernel, size))[:, None]
        if size < kernel:  # a colour for each position
            h, between = np.divmod(color + pad - starts, dilation)
            return np.where((between == 0) & (h >= 0) & (h < kernel), color, -1)
        position = starts + (color - starts // dilation) % kernel * dilation - pad
        return np.where((position >= 0) & (position < size), position, -1)

    return Relation((axis,), owners)


@_once
def spread(axis: Axis, outputs: int, *, kernel: int, stride: int, pad: int) -> Relation:
    """A position is spread over a window of the `outputs` along `axis`, as by a transposed convolution.

    At most ceil(kernel / stride) positions reach an output, one after the other: modulo that number they are all
    different.
    """

    def owners(size: int) -> Array:
        _, _, first, last = _reach(outputs, size, kernel, stride, pad)
        color = np.arange(min(-(-kernel // stride), size))[:, None]
        position = first + (color - first) % len(color)
        return np.where(position <= last, position, -1)

    return Relation((axis,), owners)


@_once
def spread_kernel(axis: Axis, outputs: int, *, size: int, stride: int, pad: int) -> Relation:
    """A position in the kernel by which `size` positions of an image are spread over the `outputs` along `axis`.

    Those that reach one output lie a stride apart, and each belongs to one position of the image.
    """

    def owners(kernel: int) -> Array:
        quotient, rest, first, last = _reach(outputs, size, kernel, stride, pad)
        color = np.arange(min(-(-kernel // stride), size))[:, None]
        m = quotient - last + (color - quotient + last) % len(color)
        return np.where(m <= quotient - first, m * stride + rest, -1)

    return Relation((axis,), owners)


def _reach(outputs: int, size: int, kernel: int, stride: int, pad: int) -> tuple[Array, Array, Array, Array]:
    """Return quotient, rest, and the first and the last position of the image that reaches each output.

    Output i is position i + pad = quotient * stride + rest of the whole, before it is cut. Position a of the image
    reaches it by position m * stride + rest of the kernel, with m = quotient - a.
    """
    quotient, rest = np.divmod(np.arange(outputs) + pad, stride)
    most = (kernel - 1 - rest) // stride  # the last m; -1 where the kernel is narrower than the stride
    return quotient, rest, np.maximum(quotient - most, 0), np.minimum(quotient, size - 1)


def relate(
    axes: Mapping[str, tuple[Axis, ...]], name: str, outputs: Iterable[str], relations: Relations
) -> list[Relation]:
    """Return how each axis of an input relates to all outputs."""
    layouts = [axes[output] for output in outputs]
    usual = [same(axis) if all(axis in layout for layout in layouts) else EACH for axis in axes[name]]
    return [relations.get(name, {}).get(axis, relation) for axis, relation in zip(axes[name], usual, strict=True)]


def derive_couplings(
    axes: Mapping[str, tuple[Axis, ...]],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    relations: Relations,
) -> dict[str, Coupling]:
    """Return the coupling of each input, if some of its elements share no output.

    Args:
        axes: of inputs and outputs.
        inputs: shapes of those that have a gradient.
        outputs: shapes; the coupling of several is that of all joined, each raveled.
        relations: what is not as index notation has it. An axis is the `same` as that of the output only if all
            outputs have it.
    """
    layouts = tuple((axes[name], shape) for name, shape in outputs.items())
    found = {}
    for name, shape in inputs.items():
        by_axis = relate(axes, name, outputs, relations)
        if any(relation.axes for relation in by_axis):
            found[name] = _couple(shape, tuple(by_axis), layouts)
    return found


@_once
def _couple(
    shape: Shape, relations: tuple[Relation, ...], outputs: tuple[tuple[tuple[Axis, ...], Shape], ...]
) -> Coupling:
    """Take the product of the relations of an input's axes."""
    nowhere = -math.prod(shape)  # negative, whatever the other axes add
    owners = [relation.owners(size) for relation, size in zip(relations, shape, strict=True)]
    counts = tuple(len(indices) for indices in owners)
    strides = [math.prod(shape[k + 1 :]) for k in range(len(shape))]
    flat = [np.where(indices < 0, nowhere, indices * step) for indices, step in zip(owners, strides, strict=True)]
    tables = [
        [_along(indices, relation.axes, axes) for indices, relation in zip(flat, relations, strict=True)]
        for axes, _ in outputs
    ]

    def owner(color: int) -> Array:
        digits = np.unravel_index(color, counts)
        found: list[Array] = [
            np.maximum(reduce(np.add, [table[digit] for table, digit in zip(laid, digits, strict=True)]), -1)
            for laid in tables
        ]
        if len(found) == 1:
            return found[0]  # with its axes, of which those with one owner are cheap
        return np.concatenate(
            [np.broadcast_to(one, size).reshape(-1) for one, (_, size) in zip(found, outputs, strict=True)]
        )

    return Coupling(colors=math.prod(counts), owner=owner)


def _along(indices: Array, axes: tuple[Axis, ...], output: tuple[Axis, ...]) -> Array:
    """Reshape (colors, sizes of `axes`) to (colors, sizes of the output's axes), 1 for all other axes."""
    sizes = [1] * len(output)
    for axis, size in zip(axes, indices.shape[1:], strict=True):
        sizes[output.index(axis)] = size
    return indices.reshape(len(indices), *sizes)
