"""Is a function as local as its coupling says? Verified every time, because colouring trusts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.numeric.affine import AFFINE_STEP
from gradcheck_cli.numeric.directions import random_directions
from gradcheck_cli.numeric.rounding import is_rounding
from gradcheck_cli.numeric.slope import slope

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.affine import Affine
    from gradcheck_cli.numeric.colored import Coupling
    from gradcheck_cli.numeric.point import Point

_DIRECTIONS = 2

#: Slices along each axis in which a leak is looked for, before it is hunted down by halving.
_SLICES = 8


@dataclass(frozen=True, kw_only=True)
class Leak:
    """An output that depends on an element which should not reach it; None where no single pair was pinned down."""

    element: int | None  #: flat index of the input
    output: int | None  #: flat index of the output


def leaks(point: Point, value: Array, bound: Array, affine: Affine | None) -> bool:
    """Tell whether the derivatives found colour by colour fail to explain those along random directions.

    Directions have no structure, and so no leak can hide from them. Those along which the function was found to be
    affine do, for no more evaluations. Elements whose derivative was not found are left where they are.
    """
    known = np.isfinite(bound)
    if affine is not None and known.all():
        lines = [(line.direction.reshape(-1), line.slope, line.error_bound) for line in affine.lines]
    else:
        lines = list(_lines(point, known, affine=affine is not None))
    return any(
        not abs(along - direction[known] @ value[known]) <= error + abs(direction[known]) @ bound[known]
        for direction, along, error in lines
    )


def _lines(point: Point, known: Array, *, affine: bool) -> Iterator[tuple[Array, Any, Any]]:
    """Yield random directions, 0 in elements that are not known, and the derivatives along them with their bounds."""
    for direction in random_directions(point.x, _DIRECTIONS, seed=1):
        flat = np.where(known, direction.reshape(-1), 0).astype(point.x.dtype)
        along, error = slope(point, flat.reshape(point.x.shape), affine=affine)
        yield flat, along, error


def find_leak(point: Point, coupling: Coupling) -> Leak:
    """Look for one pair of input and output that the coupling does not know of.

    Slices along each axis are moved one at a time; where an output changes that no element of the slice should
    reach, the slice is halved until one element is left. At most 8 evaluations for each axis, and log2(size) more.
    """
    direction = next(random_directions(point.x, 1, seed=2)).reshape(-1)
    parts = _slices(point.x.shape)
    while True:
        found = ((part, _strays(point, coupling, direction, part)) for part in parts)
        elements, outputs = next(((part, strays) for part, strays in found if strays.size), (None, None))
        if elements is None or outputs is None:
            return Leak(element=None, output=None)
        if elements.size == 1:
            return Leak(element=int(elements[0]), output=int(outputs[0]))
        parts = iter(np.array_split(elements, 2))


def _slices(shape: tuple[int, ...]) -> Iterator[Array]:
    flat = np.arange(int(np.prod(shape))).reshape(shape)
    for axis, size in enumerate(shape):
        if size > 1:
            for part in np.array_split(flat, min(size, _SLICES), axis=axis):
                yield part.reshape(-1)


def _strays(point: Point, coupling: Coupling, direction: Array, elements: Array) -> Array:
    """Find outputs that change when `elements` move, and that none of them should reach."""
    moved = point.x.copy()
    moved.reshape(-1)[elements] += point.x.dtype.type(AFFINE_STEP) * direction[elements]
    inside = np.zeros(point.x.size, bool)
    inside[elements] = True
    reached = np.zeros(point.shape, bool)
    for color in range(coupling.colors):
        owner = coupling.owner(color)
        reached |= (owner >= 0) & inside[owner]
    ahead, center = point.at(moved), point.base.value
    still = is_rounding(abs(ahead - center), abs(ahead) + abs(center), point.epsilon)
    return np.flatnonzero(~still & ~reached.reshape(-1))
