"""Verification that a function is as local as its coupling states, which colouring relies on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.affine import AFFINE_STEP, Affine
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.black_box import BlackBox
from gradcheck_cli.numeric.directions import DirectionalDerivative, random_directions
from gradcheck_cli.numeric.estimate import Estimate, Leak
from gradcheck_cli.numeric.partial_derivatives import directional_derivative
from gradcheck_cli.numeric.rounding import is_rounding

if TYPE_CHECKING:
    from gradcheck_cli.numeric.colored import Coupling

#: Slices along each axis that are searched for a leak, before halving.
_SLICES = 8


def has_leak(box: BlackBox, estimate: Estimate, affine: Affine | None) -> bool:
    """Tell whether derivatives found colour by colour fail to explain those along random directions.

    A random direction has no structure that a leak could hide in. The directions along which the function was found to
    be affine serve without further evaluations. Elements without a finite error bound are not moved.
    """
    known = np.isfinite(estimate.error_bound)
    value, bound = np.where(known, estimate.value, 0), np.where(known, estimate.error_bound, 0)
    derivatives = affine.derivatives if affine and known.all() else _along_known(box, known, affine=bool(affine))

    def explains(along: DirectionalDerivative) -> bool:
        direction = along.direction.reshape(-1)
        return bool(abs(along.value - direction @ value) <= along.error_bound + abs(direction) @ bound)

    return not all(map(explains, derivatives))


def _along_known(box: BlackBox, known: Array, *, affine: bool) -> Iterator[DirectionalDerivative]:
    """Differentiate along random directions that are 0 in elements that are not known."""
    for direction in random_directions(box.x, 2, seed=1):
        masked = np.where(known, direction.reshape(-1), 0).astype(box.x.dtype)
        yield directional_derivative(box, masked.reshape(box.x.shape), affine=affine)


def find_leak(box: BlackBox, coupling: Coupling) -> Leak:
    """Search for one pair of input element and output that the coupling does not know of.

    Slices along each axis are moved one at a time. Where an output changes that no element of the slice should reach,
    the slice is halved until one element is left: at most 8 evaluations per axis, and 2 log2(size) more.
    """
    direction = random_directions(box.x, 1, seed=2)[0].reshape(-1)
    parts = _slices(box.x.shape)
    while True:
        found = ((part, _leaked_outputs(box, coupling, direction, part)) for part in parts)
        elements, outputs = next(((part, leaked) for part, leaked in found if leaked.size), (None, None))
        if elements is None or outputs is None:
            return Leak(element=None, output=None)
        if elements.size == 1:
            return Leak(element=int(elements[0]), output=int(outputs[0]))
        parts = iter(np.array_split(elements, 2))


def _slices(shape: tuple[int, ...]) -> Iterator[Array]:
    """Yield the flat indices of slices along each axis, a few per axis."""
    flat = np.arange(int(np.prod(shape))).reshape(shape)
    for axis, size in enumerate(shape):
        if size > 1:
            for part in np.array_split(flat, min(size, _SLICES), axis=axis):
                yield part.reshape(-1)


def _leaked_outputs(box: BlackBox, coupling: Coupling, direction: Array, elements: Array) -> Array:
    """Return the flat indices of outputs that change when `elements` move, though none of them should reach them."""
    moved = box.x.copy()
    moved.reshape(-1)[elements] += box.x.dtype.type(AFFINE_STEP) * direction[elements]
    inside = np.zeros(box.x.size, bool)
    inside[elements] = True
    reached = np.zeros(box.shape, bool)
    for color in range(coupling.colors):
        owner = coupling.owner(color)
        reached |= (owner >= 0) & inside[owner]
    ahead, center = box.at(moved)[0], box.center.value
    unchanged = is_rounding(abs(ahead - center), abs(ahead) + abs(center), box.epsilon)
    return np.flatnonzero(~unchanged & ~reached.reshape(-1))
