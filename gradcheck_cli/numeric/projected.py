"""Gradients with too many colours to differentiate them all: checked along random directions.

A directional derivative costs two evaluations whatever the size, and a wrong element shows in it if its error exceeds
the rounding of all elements together. Where the gradient disagrees, the array is halved until the elements are found.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from functools import partial

import numpy as np

from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.numeric.affine import detect_affine
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.black_box import BlackBox, Evaluation, Function
from gradcheck_cli.numeric.colored import ColoredScheme, Coupling
from gradcheck_cli.numeric.dense import DenseScheme
from gradcheck_cli.numeric.directions import DirectionalDerivative, random_directions
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.numeric.halving import halve
from gradcheck_cli.numeric.partial_derivatives import directional_derivative, partial_derivatives
from gradcheck_cli.numeric.rounding import root_mean_square

#: Directions over the whole array. In a single one the errors of a fault may happen to cancel. Of an affine function,
#: those two along which it was found to be affine.
DIRECTIONS = 4

#: Elements, drawn at random, that are differentiated one by one: to learn the scale, and to see a fault that is
#: everywhere at once.
SAMPLED = 8

#: Rounding error of an element of a correct gradient, four standard deviations. Direct sums measured 0.3 to 0.4.
_SPREAD = 2.0

#: Wrong elements that are located at most. Each takes four evaluations per halving of the array.
MAX_LOCATED = 8


@frozen
class Projection:
    """How a gradient compares with directional derivatives, and derivatives in some elements."""

    elements: Array  #: flat indices: first those drawn at random, then those that the search located
    estimate: Estimate  #: of the derivative, flat, one entry for each of `elements`
    sampled: int  #: how many of them were drawn at random
    agrees: bool  #: whether the gradient agrees along all directions
    all_located: bool  #: whether it does so but for the located elements
    #: The slice outside of which it agrees: an index, or None for all, of each axis. None if there is no such slice, or
    #: it was not needed.
    common_slice: tuple[int | None, ...] | None
    floor: float  #: the least error of a single element that is sure to show along the directions


class _Residual:
    """The difference between a gradient and a directional derivative, over any part of the array."""

    def __init__(self, box: BlackBox, gradient: Array, epsilon: float, *, affine: bool, step: float | None) -> None:
        self._box = box
        self._gradient = gradient.astype(box.dtype).reshape(-1)
        self._epsilon = epsilon
        self._spread = 0.0
        self.differentiate = partial(directional_derivative, box, affine=affine, step=step)

    def allow_for(self, estimate: Estimate) -> None:
        """Allow for the roundings of elements of the typical scale of an estimate."""
        self._spread = max(self._spread, _SPREAD * self._epsilon * root_mean_square(estimate.scale))

    def along(self, derivative: DirectionalDerivative) -> tuple[float, float]:
        """Return |<gradient - derivative, direction>|, and how large that of a correct gradient may be."""
        direction = derivative.direction.reshape(-1)
        product = self._gradient @ direction.astype(self._box.dtype)
        allowed = derivative.error_bound + self._spread * float(np.linalg.norm(direction.astype(np.float64)))
        return float(abs(derivative.value - product)), float(allowed)

    def excess(self, derivative: DirectionalDerivative) -> float:
        """Return by how many times what is allowed the gradient is off along a direction; 0 if it agrees."""
        difference, allowed = self.along(derivative)
        return 0.0 if difference <= allowed else difference / allowed if allowed else math.inf

    def excess_in(self, direction: Array, elements: Array | slice) -> float:
        """Return the excess along the part of a direction that lies in some elements."""
        part = np.zeros_like(direction)
        part[elements] = direction[elements]
        return self.excess(self.differentiate(part.reshape(self._box.x.shape)))

    def disagreeing(self, derivatives: Sequence[DirectionalDerivative]) -> Array | None:
        """Return the last direction along which the gradient disagrees, flat, or None."""
        return next((each.direction.reshape(-1) for each in reversed(derivatives) if self.excess(each)), None)

    def floor(self, derivatives: Sequence[DirectionalDerivative]) -> float:
        """Return the least error of an element that is sure to show along one of the directions.

        Components are at least 1/2, and an error shows if it exceeds what rounding allows and may have cancelled.
        """
        return max(0.0, *(4 * self.along(each)[1] for each in derivatives))

    def agrees_outside(self, direction: Array, elements: Array) -> bool:
        """Tell whether the gradient agrees along the direction if some elements are left out of it."""
        outside = np.ones(direction.size, bool)
        outside[elements] = False
        return not self.excess_in(direction, np.flatnonzero(outside))


def sample_elements(size: int) -> Array:
    """Draw the elements of an array of `size` that are differentiated one by one: flat indices, ascending."""
    source = random.Random(3)  # noqa: S311  # a sample, not a secret
    return np.array(sorted(source.sample(range(size), min(SAMPLED, size))))


@np.errstate(all="ignore")  # overflow and the like show in the values
def project(
    function: Function,
    x: Array,
    cotangent: Array,
    gradient: Array,
    *,
    epsilon: float,
    tolerance: float,
    step: float | None = None,
    center: Evaluation | None = None,
    coupling: Coupling | None = None,
) -> Projection:
    """Compare a gradient with derivatives along random directions; where it disagrees, locate wrong elements.

    Args:
        function: maps an array of x's shape and dtype to an array of cotangent's shape.
        x: the point.
        cotangent: the weights of the outputs.
        gradient: the gradient to check, of x's shape.
        epsilon: the machine epsilon of the dtype in which the gradient was computed.
        tolerance: the error of an element, in eps of its scale, beyond which it counts as wrong. If all sampled
            elements are wrong, the search for others is skipped.
        step: a fixed step for all differences, instead of a chosen one.
        center: the evaluation at x, if there is one already: it saves two calls.
        coupling: which elements can be moved together, if that is known. Then one colour stands for the sample, at two
            evaluations, unless something is found to be wrong.
    """
    box = BlackBox(function, x, center or Evaluation(function, x, cotangent))
    lines = detect_affine(box)
    affine = lines is not None
    differentiated = partial(partial_derivatives, affine=affine, resolution=0, step=step)
    in_elements = partial(differentiated, DenseScheme(box))
    flat = gradient.astype(box.dtype).reshape(-1)

    def are_wrong(elements: Array, estimate: Estimate) -> Array:
        allowed = tolerance * epsilon * estimate.scale + estimate.error_bound
        return np.asarray(abs(flat[elements] - estimate.value) > allowed)

    residual = _Residual(box, gradient, epsilon, affine=affine, step=step)
    scheme = coupling and _one_color(box, coupling)
    elements = scheme.elements if scheme else sample_elements(x.size)
    estimate = differentiated(scheme, elements) if scheme else in_elements(elements)
    residual.allow_for(estimate)
    directions = random_directions(x, DIRECTIONS)
    known = list(lines.derivatives if lines and step is None else map(residual.differentiate, directions))
    wrong_direction = residual.disagreeing(known)
    wrong, seen = are_wrong(elements, estimate), np.zeros(0, int)
    if scheme and (wrong_direction is not None or wrong.any()):
        seen, elements = elements[wrong][:MAX_LOCATED], sample_elements(x.size)
        estimate = in_elements(elements)
        residual.allow_for(estimate)
        wrong_direction, wrong = residual.disagreeing(known), are_wrong(elements, estimate)
    located, all_located, common_slice = np.zeros(0, int), False, None
    if wrong_direction is not None and not wrong.all():
        located = np.array(halve(x.size, MAX_LOCATED, partial(residual.excess_in, wrong_direction)), int)
        all_located = residual.agrees_outside(wrong_direction, located)
        if not all_located and len(located) > 1:
            common_slice = _common_slice(residual, wrong_direction, located, x.shape)
    further = np.concatenate([located, seen])
    if further.size:
        estimate = estimate.join(in_elements(further))
    evaluations = box.evaluations + (box.center.evaluations if center is None else 0)
    return Projection(
        elements=np.concatenate([elements, further]),
        estimate=replace(estimate, affine=affine, noise=box.noise, method="projected", evaluations=evaluations),
        sampled=len(elements),
        agrees=wrong_direction is None,
        all_located=all_located,
        common_slice=common_slice,
        floor=residual.floor(known),
    )


def _one_color(box: BlackBox, coupling: Coupling) -> ColoredScheme | None:
    """Return differences of the elements of one colour alone, None if it has none."""
    color = random.Random(3).randrange(coupling.colors)  # noqa: S311  # a sample, not a secret
    owner = coupling.owner(color)
    return ColoredScheme(box, Coupling(colors=1, owner=lambda _: owner)) if (owner >= 0).any() else None


def _common_slice(
    residual: _Residual, direction: Array, located: Array, shape: tuple[int, ...]
) -> tuple[int | None, ...] | None:
    """Return the smallest slice with all located elements outside of which the gradient agrees, None if there is none.

    Located elements may share more indices than the fault does, so every combination of shared indices is tried.
    """
    indices = np.unravel_index(located, shape)
    shared = {axis: int(i[0]) for axis, i in enumerate(indices) if shape[axis] > 1 and (i == i[0]).all()}
    for axes in (axes for count in range(len(shared), 0, -1) for axes in itertools.combinations(shared, count)):
        fixed = tuple(shared[axis] if axis in axes else None for axis in range(len(shape)))
        inside = np.zeros(shape, bool)
        inside[tuple(slice(None) if index is None else index for index in fixed)] = True
        if residual.agrees_outside(direction, np.flatnonzero(inside)):
            return fixed
    return None
