"""Gradients of which even the colours are too many: held against derivatives along random directions.

A directional derivative costs two evaluations whatever the size, and a wrong element shows in it if it is off by more
than the rounding of all the others together. Where that happens the array is halved until the elements are found.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.affine import affine
from gradcheck_cli.numeric.dense import DenseSampler
from gradcheck_cli.numeric.directions import random_directions
from gradcheck_cli.numeric.elements import at_elements
from gradcheck_cli.numeric.point import Base, Point
from gradcheck_cli.numeric.slope import slope

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Function

#: Directions over the whole array. One alone misses a fault whose parts happen to cancel in it.
DIRECTIONS = 4

#: Elements that are differentiated one by one, to learn the scale and to see at once a fault that is everywhere.
SAMPLED = 8

#: Roundings that an element of a correct gradient is off, four standard deviations. Direct sums measured 0.3 to 0.4.
_SPREAD = 2.0

#: Wrong elements that are looked for. Each costs four evaluations for every halving of the array.
MOST_CULPRITS = 8


@dataclass(frozen=True, kw_only=True)
class Projection:
    """What directions and single elements say of a gradient.

    The arrays have an entry for each element that was differentiated by itself: first those drawn at random, then
    those that the search led to.
    """

    elements: Array  #: flat indices
    value: Array
    scale: Array
    error_bound: Array
    sampled: int  #: how many of them were drawn at random
    explained: bool  #: whether the gradient agrees with all directions
    complete: bool  #: whether it does so but for the elements that the search led to
    confined: tuple[int | None, ...] | None  #: the slice in which it fails to: an index, or None, for each axis
    floor: float  #: how far off one element must be, at least, to show in the directions
    noise: float
    evaluations: int


class Residual:
    """How far a gradient is from the derivative along a direction, over any part of the array."""

    def __init__(
        self, point: Point, gradient: Array, scale: float, epsilon: float, *, affine: bool, step: float | None
    ) -> None:
        self._point = point
        self._gradient = gradient.astype(point.dtype).reshape(-1)
        self._spread = _SPREAD * epsilon * scale
        self._affine, self._step = affine, step

    def __call__(self, direction: Array, elements: Array | slice) -> tuple[float, float]:
        """Return the difference over these elements, and how much of it rounding and error bounds may be."""
        part = np.zeros_like(direction)
        part[elements] = direction[elements]
        along, error = slope(self._point, part.reshape(self._point.x.shape), affine=self._affine, step=self._step)
        explained = self._gradient[elements] @ part[elements].astype(self._point.dtype)
        allowed = error + self._spread * float(np.linalg.norm(part[elements].astype(np.float64)))
        return float(abs(along - explained)), float(allowed)


def sampled(size: int) -> Array:
    """Draw the elements of an array of that size that are differentiated one by one: flat indices, ascending."""
    source = random.Random(3)  # noqa: S311  # a sample, not a secret
    return np.array(sorted(source.sample(range(size), min(SAMPLED, size))))


@np.errstate(all="ignore")  # overflow and the like are answered in the values
def project(
    function: Function,
    x: Array,
    cotangent: Array,
    gradient: Array,
    *,
    epsilon: float,
    tolerance: float,
    step: float | None = None,
    base: Base | None = None,
) -> Projection:
    """Hold a gradient against derivatives along random directions; where it fails them, find the elements.

    Args:
        function: maps an array of x's shape and dtype to an array of cotangent's shape.
        x: the point.
        cotangent: the weights of the outputs.
        gradient: what is to be checked, of x's shape.
        epsilon: the machine epsilon of the dtype in which the gradient was computed.
        tolerance: roundings that an element may be off before the search for others like it is pointless.
        step: a fixed step for all differences, instead of a chosen one.
        base: what the function is at the point, if that is known: it spares two evaluations.
    """
    point = Point(function, x, base or Base(function, x, cotangent))
    straight = affine(point) is not None
    size = x.size
    sample = sampled(size)
    seen = _Seen(point, affine=straight, step=step)
    seen.look(sample)
    scale = float(np.sqrt(np.mean(np.square(seen.scale))))
    residual = Residual(point, gradient, scale, epsilon, affine=straight, step=step)
    floor, explained, wrong_direction = 0.0, True, None
    for direction in random_directions(x, DIRECTIONS):
        difference, allowed = residual(direction.reshape(-1), slice(None))
        # Components are at least 1/2; what shows must exceed what rounding allows, and may meet as much against it.
        floor = max(floor, 4 * allowed)
        if not difference <= allowed:
            explained, wrong_direction = False, direction.reshape(-1)
    flat = gradient.astype(point.dtype).reshape(-1)
    off = abs(flat[sample] - seen.value) > tolerance * epsilon * seen.scale + seen.error_bound
    complete, confined = False, None
    if wrong_direction is not None and not off.all():
        _hunt(residual, wrong_direction, seen, size)
        culprits = seen.elements[len(sample) :]
        complete = _agrees_outside(residual, wrong_direction, culprits)
        if not complete and len(culprits) > 1:
            confined = _common_slice(residual, wrong_direction, culprits, x.shape)
    return Projection(
        elements=seen.elements,
        value=seen.value,
        scale=seen.scale,
        error_bound=seen.error_bound,
        sampled=len(sample),
        explained=explained,
        complete=complete,
        confined=confined,
        floor=floor,
        noise=point.noise,
        evaluations=point.evaluations + (point.base.evaluations if base is None else 0),
    )


class _Seen:
    """Elements that were differentiated by themselves."""

    def __init__(self, point: Point, *, affine: bool, step: float | None) -> None:
        self._sampler = DenseSampler(point)
        self._affine, self._step = affine, step
        self.elements = np.zeros(0, int)
        self.value, self.scale, self.error_bound = np.zeros((3, 0), point.dtype)

    def look(self, elements: Array) -> None:
        found = at_elements(self._sampler, elements, affine=self._affine, resolution=0, step=self._step)
        self.elements = np.concatenate([self.elements, elements])
        self.value = np.concatenate([self.value, found.value])
        self.scale = np.concatenate([self.scale, found.scale])
        self.error_bound = np.concatenate([self.error_bound, found.error_bound])


def _hunt(residual: Residual, direction: Array, seen: _Seen, size: int) -> None:
    """Halve the array, the part that disagrees most first, until single elements are left, and look at those."""
    budget = MOST_CULPRITS * 2 * math.ceil(math.log2(size) + 1)
    heap = [(-math.inf, 0, size)]
    found = 0
    while heap and found < MOST_CULPRITS and budget > 0:
        _, start, stop = heapq.heappop(heap)
        if stop - start == 1:
            seen.look(np.array([start]))
            found += 1
            continue
        middle = (start + stop) // 2
        for part in ((start, middle), (middle, stop)):
            budget -= 1
            difference, allowed = residual(direction, slice(*part))
            if not difference <= allowed:
                heapq.heappush(heap, (-difference / allowed if allowed else -math.inf, *part))


def _agrees_outside(residual: Residual, direction: Array, elements: Array) -> bool:
    outside = np.ones(direction.size, bool)
    outside[elements] = False
    difference, allowed = residual(direction, np.flatnonzero(outside))
    return difference <= allowed


def _common_slice(
    residual: Residual, direction: Array, culprits: Array, shape: tuple[int, ...]
) -> tuple[int | None, ...] | None:
    """Find the indices that all culprits share, if the gradient agrees wherever they are different."""
    indices = np.unravel_index(culprits, shape)
    shared = {axis: int(i[0]) for axis, i in enumerate(indices) if shape[axis] > 1 and (i == i[0]).all()}
    # Culprits found close together may share more than the fault does: the smallest slice that explains it counts.
    for axes in (axes for count in range(len(shared), 0, -1) for axes in itertools.combinations(shared, count)):
        fixed = tuple(shared[axis] if axis in axes else None for axis in range(len(shape)))
        inside = np.zeros(shape, bool)
        inside[tuple(slice(None) if index is None else index for index in fixed)] = True
        if _agrees_outside(residual, direction, np.flatnonzero(inside)):
            return fixed
    return None
