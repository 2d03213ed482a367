"""The error of plain central differences, step by step: truncation at one end, roundoff at the other.

A plain difference is what course code takes: (f(x + h) - f(x - h)) / 2h, with f evaluated in the dtype of x, one h
for all elements, nothing extrapolated. Its error is told by a derivative that is known to be better.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.colored import ColoredSampler
from gradcheck_cli.numeric.dense import DenseSampler
from gradcheck_cli.numeric.point import Base, Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.colored import Coupling
    from gradcheck_cli.numeric.derivative import Derivative
    from gradcheck_cli.numeric.point import Function, Sampler

#: From 1 down to 1e-12 by half decades. Every other one is the float that a notebook's `1e-5` is.
STEPS = tuple(float(f"1e-{k // 2}") * (10**-0.5 if k % 2 else 1) for k in range(25))

#: A slope is fitted to the steps within this factor: with half decades, five of them.
_NEAR = 10**1.01


class Part(StrEnum):
    """What most of the error of a plain difference is."""

    TRUNCATION = "truncation"  #: of the series in h; as h**2
    ROUNDOFF = "roundoff"  #: of f, as 1 / h
    LOST = "lost"  #: in some element x + h rounds to x, and the difference is 0
    UNSEEN = "unseen"  #: no more than the error bound of the derivative that it is held against
    UNDEFINED = "undefined"  #: f is not finite there


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Plain central differences with one step."""

    step: float
    error: float  #: the largest of |n_h - n| / scale; inf where a difference is not finite
    part: Part
    slope: float | None  #: of log error against log h, over the neighbours that have the same part


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What plain differences reach in one array, step by step, and what the derivative does by which they are told."""

    differences: tuple[Difference, ...]  #: from the largest step to the smallest; none where no element could be held
    size: int  #: elements of the array
    drawn: int  #: of which so many were looked at
    unknown: int  #: of which so many were left out, because their derivative has no finite bound
    steps: tuple[float, float, float]  #: least, median and largest of the steps that the derivative rests on
    bound: float  #: the largest of error_bound / scale of the derivative: below it nothing can be seen
    affine: bool  #: whether the derivative was taken with one step as of an affine function: there is no truncation
    evaluations: int  #: calls of the function for the plain differences

    def at(self, step: float) -> Difference | None:
        """Return the differences with this step, if it was tried."""
        return next((found for found in self.differences if found.step == step), None)


@np.errstate(all="ignore")  # overflow and the like are answered in the values
def sweep(
    function: Function,
    x: Array,
    cotangent: Array,
    reference: Derivative,
    *,
    steps: Sequence[float] = STEPS,
    elements: Array | None = None,
    coupling: Coupling | None = None,
) -> Sweep:
    """Take plain central differences of <cotangent, function(x)> with each step, and hold them against a derivative.

    Of an affine function the step of the derivative is tried too. It takes two evaluations at x, and for each step
    two for each colour, or for each element that the step moves.

    Args:
        function: maps an array of x's shape and dtype to an array of cotangent's shape. It leaves its argument alone.
        x: the point, in the dtype in which the differences are to be taken.
        cotangent: the weights of the outputs.
        reference: the derivative of the same function at the same values, in `elements`; best in a wider dtype.
        steps: the steps.
        elements: flat indices of those to look at, all by default.
        coupling: which elements can be moved together. It is trusted: `reference` has verified it.
    """
    point = Point(function, x, Base(function, x, cotangent))
    sampler: Sampler = DenseSampler(point) if coupling is None else ColoredSampler(point, coupling)
    looked = np.arange(x.size) if elements is None else elements
    known = np.isfinite(reference.error_bound.reshape(-1))
    held = known & (reference.scale.reshape(-1) > 0)  # an element that reaches no output has no error to speak of
    value, scale, bound, rests_on = (
        part.reshape(-1)[held] for part in (reference.value, reference.scale, reference.error_bound, reference.step)
    )
    differences: tuple[Difference, ...] = ()
    chosen, floor, affine = (np.nan, np.nan, np.nan), np.inf, False
    if held.any():
        chosen = float(rests_on.min()), float(np.median(rests_on)), float(rests_on.max())
        floor = float((bound / scale).max())
        affine = reference.affine and chosen[0] == chosen[2]  # where single elements turned out curved, they differ
        every = sorted({*steps, *chosen} if affine else steps, reverse=True)
        plain = [_plain(sampler, looked[held], step) for step in every]
        errors = np.array([(abs(found - value) / scale).max() for found, _ in plain], float)
        errors[np.isnan(errors)] = np.inf
        differences = _tell(np.array(every), errors, np.array([lost for _, lost in plain]), floor, affine=affine)
    return Sweep(
        differences=differences,
        size=x.size,
        drawn=looked.size,
        unknown=int((~known).sum()),
        steps=chosen,
        bound=floor,
        affine=affine,
        evaluations=point.evaluations + point.base.evaluations,
    )


def _plain(sampler: Sampler, elements: Array, step: float) -> tuple[Array, bool]:
    """Return (f(x + h) - f(x - h)) / 2h of each element, and whether any x + h and x - h round to the same."""
    point = sampler.point
    at, h = point.x.reshape(-1)[elements], point.x.dtype.type(step)
    taken = (at + h).astype(point.dtype) - (at - h)
    # A sampler divides by the difference that was really taken. Course code divides by 2h, and has that error too.
    value = sampler.sample(elements, np.full(elements.size, step)).value * taken / (2 * step)
    return np.where(taken > 0, value, 0), bool((taken <= 0).any())


def _tell(steps: Array, errors: Array, lost: Array, floor: float, *, affine: bool) -> tuple[Difference, ...]:
    """Tell what each error is: to the right of the least one truncation, to the left of it roundoff.

    The side is told by the place of the least error, not by the slope: where h is as large as the function's own
    features, truncation has any slope. Of an affine function it is roundoff everywhere.
    """
    told = ~lost & np.isfinite(errors)
    least = 0 if affine or not told.any() else int(np.where(told, errors, np.inf).argmin())
    parts = np.where(np.arange(steps.size) < least, Part.TRUNCATION, Part.ROUNDOFF)
    parts[errors <= floor] = Part.UNSEEN
    parts[~np.isfinite(errors)] = Part.UNDEFINED
    parts[lost] = Part.LOST
    found = []
    for step, error, part in zip(steps, errors, parts, strict=True):
        slope = None
        if part in (Part.TRUNCATION, Part.ROUNDOFF):
            near = (parts == part) & (steps < step * _NEAR) & (steps > step / _NEAR)
            if near.sum() > 1:
                slope = float(np.polyfit(np.log(steps[near]), np.log(errors[near]), 1)[0])
        found.append(Difference(step=float(step), error=float(error), part=Part(part), slope=slope))
    return tuple(found)


def part_of(function: Function, x: Array, elements: Array) -> Function:
    """Return the function of these elements of x alone (flat indices), with all others held where they are."""

    def of_some(values: Array) -> Array:
        moved = x.copy()
        moved.reshape(-1)[elements] = values
        return function(moved)

    return of_some
