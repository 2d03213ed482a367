"""One array held against what it should be, element by element, in units of roundoff."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck_cli.checks.picture import draw
from gradcheck_cli.checks.where import place, where
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.implementation import Misshapen
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.results.result import MISSING, ArrayResult, Arrays, Verdict, WorstElement, WrongElements

if TYPE_CHECKING:
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import Picture

#: The scale of an element counts for at least this share of the typical one of its array. An algorithm that spreads its
#: roundoff evenly (FFT, Winograd) is off by as much where an element has few terms, or none, as elsewhere.
SCALE_FLOOR = 0.25


#: What an array should be is an estimate too, whether it comes from differences or from a reference.
Expected = Estimate


@frozen
class Subject:
    """The array under test, and what is known of it before its numbers."""

    name: str
    array: object  #: what was returned in its place, whatever that is
    dtype: str  #: the dtype asked for
    shape: tuple[int, ...]  #: the shape owed
    axes: tuple[Axis, ...] = ()  #: what its axes are called, where they have names

    def __post_init__(self) -> None:
        if isinstance(self.array, Misshapen):  # shapes are told as they are in the user's code
            object.__setattr__(self, "shape", self.array.wanted)
            object.__setattr__(self, "array", self.array.array)


class Elements(NamedTuple):
    """The verdict on each of some elements, and the figures behind it."""

    error: Array
    wrong: Array
    undecided: Array
    allowed: Array  #: beyond which an element is wrong
    relative: float  #: the largest of the field's usual relative error
    worst: int  #: flat index of the one furthest beyond what is allowed, or nearest to it
    roundings: float  #: that this one is off


def judge_elements(analytic: Array, expected: Expected, dtype: str, settings: Settings) -> Elements:
    """Judge element by element.

    With error a - n, tolerance t = tol * eps * scale and the expected value's own error bound e, an element is wrong
    if |a - n| > t + e. It is right if |a - n| <= t + e and e is small enough for that to mean something: at most t,
    or the square root of eps of the scale, by which half of the digits are seen.
    """
    eps = epsilon(dtype)
    unit = eps * floored(expected.scale)
    tolerance = settings.tolerance(dtype)
    with np.errstate(all="ignore"):
        error = np.asarray(abs(analytic - expected.value))
        allowed = tolerance * unit + expected.error_bound
        wrong = error > allowed
        decided = expected.error_bound <= max(tolerance, eps**-0.5) * unit
        severity = error / allowed
        worst = int(np.argmax(severity))  # of which a NaN is the largest
        of_worst = float(severity.reshape(-1)[worst])  # `flat` has no more than 32 axes
        if np.isnan(of_worst):  # nothing is off where nothing is allowed, or the numeric side saw nothing
            worst = int(np.argmax(np.where(np.isnan(severity), -1.0, severity)))
            of_worst = float(severity.reshape(-1)[worst])
        # What the expected value may be off itself counts as allowed: more than the tolerance is wrong, and only that.
        # No tolerance is no scale: the whole array is owed zeros, and an error is infinitely many roundings.
        roundings = tolerance * of_worst if error.reshape(-1)[worst] != 0 else 0.0
        size = abs(analytic) + abs(expected.value)
        relative = _largest(error / np.maximum(size, 1e-8))
    return Elements(
        error=error,
        wrong=wrong,
        undecided=~(wrong | (decided & np.isfinite(error))),
        allowed=allowed,
        relative=relative,
        roundings=roundings,
        worst=worst,
    )


def compare(subject: Subject, expected: Expected, settings: Settings) -> ArrayResult:
    """Judge an array: its form first, and if that is right each element."""
    if reason := flaw(subject):
        return without_numbers(subject, expected, settings, Verdict.FAIL, reason)

    array = np.asarray(subject.array)
    analytic = array.astype(expected.value.dtype)
    found = judge_elements(analytic, expected, subject.dtype, settings)
    described = where(found.wrong, subject.axes) if found.wrong.any() else None
    verdict, reason = _verdict(subject.name, found, described, doubt(expected, settings))
    return with_numbers(
        subject,
        expected,
        settings,
        found,
        verdict=verdict,
        reason=reason,
        index=unravel(found.worst, array.shape),
        wrong=WrongElements(count=int(found.wrong.sum()), of=array.size, where=described),
        floor=_largest(found.allowed),
        picture=draw(found, array.shape),
        arrays=Arrays(analytic=analytic, numeric=expected.value, error_bound=expected.error_bound)
        if settings.keep_arrays
        else None,
    )


def with_numbers(
    subject: Subject,
    expected: Expected,
    settings: Settings,
    found: Elements,
    *,
    verdict: Verdict,
    reason: str | None,
    index: tuple[int, ...],
    wrong: WrongElements,
    floor: float,
    picture: Picture | None = None,
    arrays: Arrays | None = None,
) -> ArrayResult:
    """Report an array of which elements were judged; `index` is where the worst of them stands in it."""
    array = np.asarray(subject.array)
    return ArrayResult(
        name=subject.name,
        verdict=verdict,
        reason=reason,
        shape=array.shape,
        expected_shape=subject.shape,
        dtype=dtype_name(array.dtype),
        max_rel_error=found.relative,
        max_abs_error=_largest(found.error),
        scaled_error=found.roundings,
        tolerance=settings.tolerance(subject.dtype),
        floor=floor,
        worst=WorstElement(
            index=index,
            analytic=float(array[index]),
            numeric=float(expected.value.reshape(-1)[found.worst]),
            error_bound=float(expected.error_bound.reshape(-1)[found.worst]),
        ),
        wrong=wrong,
        method=expected.method,
        evaluations=expected.evaluations,
        arrays=arrays,
        picture=picture,
    )


def without_numbers(
    subject: Subject, expected: Expected | None, settings: Settings, verdict: Verdict, reason: str | None
) -> ArrayResult:
    """Report an array that was not compared element by element."""
    array = subject.array if isinstance(subject.array, np.ndarray | np.generic) else None
    return ArrayResult(
        name=subject.name,
        verdict=verdict,
        reason=reason,
        shape=None if array is None else array.shape,
        expected_shape=subject.shape,
        dtype=None if array is None else dtype_name(array.dtype),
        max_rel_error=None,
        max_abs_error=None,
        scaled_error=None,
        tolerance=settings.tolerance(subject.dtype),
        floor=None,
        worst=None,
        wrong=None,
        method=expected.method if expected else "none",
        evaluations=expected.evaluations if expected else 0,
    )


def flaw(subject: Subject) -> str | None:
    """Say why an array cannot be compared element by element (its form, or values that are no numbers), or None."""
    return malformed(subject) or nonfinite(subject.name, np.asarray(subject.array))


def noisy(noise: float) -> str | None:
    """Say of a forward that differs from itself by how much it does, or None."""
    return f"forward is noisy: two calls differ by {noise:.1g}" if noise else None


def malformed(subject: Subject) -> str | None:
    """Say what is wrong with the form of an array (missing, no array, shape, dtype), or None."""
    name, array = subject.name, subject.array
    if array is None:
        return f"{name}{MISSING}"
    if not isinstance(array, np.ndarray | np.generic | float | int):
        return f"{name} is no array but {_article(type(array).__name__)}"
    array = np.asarray(array)
    if array.shape != subject.shape:
        if array.size == 0:
            return f"{name} is empty: shape {array.shape} instead of {subject.shape}"
        return f"{name} has shape {array.shape} instead of {subject.shape}"
    if array.dtype.kind != "f":
        return f"{name} has dtype {array.dtype}: a gradient is owed in floating point"
    if epsilon(array.dtype) > epsilon(subject.dtype):
        return f"{name} has dtype {dtype_name(array.dtype)}, narrower than the {subject.dtype} of the inputs"
    return None


def nonfinite(name: str, array: Array) -> str | None:
    """Say how many elements are NaN or infinite, and where the first is, or None."""
    bad = ~np.isfinite(array)
    count = int(bad.sum())
    if not count:
        return None
    nans = int(np.isnan(array).sum())
    kinds = "NaN" if nans == count else "infinite" if not nans else "NaN or infinite"
    first = f", the first at {place(np.argwhere(bad)[0])}" if array.ndim else ""
    return f"{name} is {kinds}{_share(bad)}{first}"


def floored(scale: Array) -> Array:
    """Raise the scale of each element to a share of its array's typical one: the mean of those that are not zero."""
    positive = scale if scale.all() else scale[scale > 0]
    return np.maximum(scale, SCALE_FLOOR * positive.mean()) if positive.size else scale


@functools.cache  # NumPy writes its name in Python: a hundredth of a small case
def dtype_name(dtype: np.dtype[Any]) -> str:
    """Name a dtype as `--dtype` does: NumPy calls the long double float128 or float96, by its padding."""
    return "longdouble" if dtype == np.longdouble and dtype != np.float64 else str(dtype)


def _verdict(name: str, found: Elements, described: str | None, doubt: str) -> tuple[Verdict, str | None]:
    if found.wrong.any():
        return Verdict.FAIL, f"{name} is wrong{_share(found.wrong)}" + (f": {described}" if described else "")
    if found.undecided.any():
        return Verdict.INCONCLUSIVE, f"{name} could not be decided{_share(found.undecided)}: {doubt}"
    return Verdict.PASS, None


def unravel(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Turn a flat index into one of an array of `shape`."""
    return tuple(int(i) for i in np.unravel_index(flat, shape))


def doubt(expected: Expected, settings: Settings) -> str:
    """Say why an error bound may be too large to decide by."""
    fixed = None if settings.step is None else f"the step is fixed at {settings.step:g}"
    return expected.doubt or fixed or "forward is too rough there"


def _share(mask: Array) -> str:
    """Say in how many elements, of an array that has any axes."""
    return f" in {int(mask.sum())} of {mask.size} elements" if mask.ndim else ""


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _largest(values: Array) -> float:
    largest = float(values.max())
    if math.isnan(largest) and not np.isnan(values).all():
        largest = float(np.nanmax(values))
    return largest
