"""The error of plain central differences against the step, as frozen data."""

from __future__ import annotations

from enum import StrEnum

from gradcheck_cli.data.frozen import frozen

#: From 1 down to 1e-12 by half decades. Every other one is the float that a notebook's `1e-5` is.
STEPS = tuple(float(f"1e-{k // 2}") * (10**-0.5 if k % 2 else 1) for k in range(25))


class ErrorSource(StrEnum):
    """The main source of the error of a plain difference."""

    TRUNCATION = "truncation"  #: the series in h is cut off; grows as h**2
    ROUNDOFF = "roundoff"  #: f is rounded; grows as 1 / h
    LOST = "lost"  #: in some element x + h rounds to x, and the difference is 0
    UNSEEN = "unseen"  #: the error is within the error bound of the estimate that it is measured by
    UNDEFINED = "undefined"  #: f is not finite there


@frozen
class StepError:
    """The error of plain central differences with one step."""

    step: float
    error: float  #: the largest |difference - derivative| / scale; inf where a difference is not finite
    source: ErrorSource
    slope: float | None  #: of log error against log h, fitted to neighbours with the same source


@frozen
class Sweep:
    """The errors of plain differences in one array, step by step, and the estimate that they are measured by."""

    errors: tuple[StepError, ...]  #: from the largest step to the smallest; empty if no element can be compared
    size: int  #: elements of the array
    sampled: int  #: of these, the number that were differentiated
    unknown: int  #: of these, the number left out because their estimate has no finite error bound
    steps: tuple[float, float, float]  #: least, median and largest of the steps that the estimate rests on
    bound: float  #: the largest error_bound / scale of the estimate, the least error that can be seen
    affine: bool  #: whether the estimate uses the one step of an affine function, so that there is no truncation
    evaluations: int  #: calls of the function for the plain differences
    numeric_dtype: str = "float64"  #: of the array where the estimate was computed

    def at(self, step: float) -> StepError | None:
        """Return the error with this step, or None if it was not tried."""
        return next((found for found in self.errors if found.step == step), None)
