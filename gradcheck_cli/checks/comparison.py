"""An array compared with its expected value, element by element, in units of roundoff."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck_cli.checks.accumulation import accumulates_in
from gradcheck_cli.checks.form import Subject, dtype_name, share_of
from gradcheck_cli.checks.picture import draw
from gradcheck_cli.checks.settings import TOLERANCE, Settings
from gradcheck_cli.checks.where import where
from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.numeric.rounding import root_mean_square
from gradcheck_cli.results.result import ArrayResult, Arrays, Verdict, WorstElement, WrongElements

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.estimate import Estimate
    from gradcheck_cli.results.result import Diagnosis

#: The scale of an element counts for at least this share of the typical one of its array. An algorithm that spreads its
#: roundoff evenly (FFT, Winograd) is off by as much where an element has few terms, or none, as elsewhere.
SCALE_FLOOR = 0.25

#: How many times the typical error of the others the worst element of a gradient is off where it stands out, and by
#: how many roundings at least, because where most elements are exact, one of half a rounding is no outlier. Of 350
#: right gradients, the worst were at 7.4 times.
_OUTLIER, _LEAST_OUTLIER = 8.0, 2.0


@frozen
class Comparison:
    """The verdicts on the arrays of a run, and what was seen on the way."""

    forward: ArrayResult | None
    gradients: Mapping[str, ArrayResult]  #: by the gradient's name
    expected: Mapping[str, Estimate]  #: what gradients were compared with element by element, by input
    leaks: tuple[Diagnosis, ...] = ()  #: where forward is less local than the layer
    ignored: tuple[str, ...] = ()  #: inputs on which forward does not depend
    remarks: tuple[Diagnosis, ...] = ()  #: what a pass should mention
    causes: tuple[Diagnosis, ...] = ()  #: causes of a failure that are known already

    @property
    def arrays(self) -> tuple[ArrayResult, ...]:
        """All results."""
        return (*([self.forward] if self.forward else []), *self.gradients.values())

    def verdict_on(self, name: str) -> Verdict | None:
        """Return the verdict on the gradient of an input; None if none is expected."""
        return self.gradients[f"d{name}"].verdict if f"d{name}" in self.gradients else None

    def with_results(self, results: Mapping[str, tuple[ArrayResult, Estimate]]) -> Comparison:
        """Return the comparison with other results for some gradients, and what they were compared with, by input."""
        gradients = {f"d{name}": result for name, (result, _) in results.items()}
        expected = {name: estimate for name, (_, estimate) in results.items()}
        return replace(self, gradients={**self.gradients, **gradients}, expected={**self.expected, **expected})


class Elements(NamedTuple):
    """The verdict on each of some elements, and the figures behind it."""

    error: Array  #: |analytic - expected|
    allowed: Array  #: the error beyond which an element is wrong
    wrong: Array
    undecided: Array
    relative: float  #: the largest of the field's usual relative error
    worst: int  #: flat index of the element with the largest error / allowed
    roundings: float  #: how many roundings that one is off


def judge_elements(analytic: Array, expected: Estimate, dtype: str, settings: Settings) -> Elements:
    """Judge element by element.

    With error a - n, tolerance t = tol * eps * scale and the expected value's own error bound e, an element is wrong
    if |a - n| > t + e. It is right if |a - n| <= t + e and e is small enough for that to mean something: at most t,
    or the square root of eps of the scale, by which half of the digits are seen.
    """
    eps, tolerance = epsilon(dtype), settings.tolerance(dtype)
    value, bound, unit = expected.value, expected.error_bound, eps * floored(expected.scale)
    with np.errstate(all="ignore"):
        error = np.asarray(abs(analytic - value))
        allowed = tolerance * unit + bound
        wrong = np.asarray(error > allowed)
        decided = bound <= max(tolerance, eps**-0.5) * unit
        severity = (error / allowed).reshape(-1)
        worst = int(severity.argmax())  # of which a NaN is the largest
        if math.isnan(severity[worst]):  # nothing is off where nothing is allowed, or there is no expected value
            worst = int(np.where(np.isnan(severity), -1.0, severity).argmax())
        # The error bound of the expected value counts as allowed, so that more roundings than the tolerance are wrong,
        # and only those. Where all should be zeros there is no scale, and an error is infinitely many roundings.
        roundings = tolerance * float(severity[worst]) if error.reshape(-1)[worst] != 0 else 0.0
        relative = _largest(error / np.maximum(abs(analytic) + abs(value), 1e-8))
    return Elements(
        error=error,
        allowed=allowed,
        wrong=wrong,
        undecided=~(wrong | (decided & np.isfinite(error))),
        relative=relative,
        worst=worst,
        roundings=roundings,
    )


def compare(subject: Subject, expected: Estimate, settings: Settings) -> ArrayResult:
    """Judge an array: its form first, and if that is right each element."""
    if reason := subject.flaw:
        return uncompared(subject, settings, Verdict.FAIL, reason, expected)
    array = np.asarray(subject.array)
    analytic = array.astype(expected.value.dtype)
    elements = judge_elements(analytic, expected, subject.dtype, settings)
    count = int(np.count_nonzero(elements.wrong))
    place = where(elements.wrong, subject.axes) if count else None
    verdict, reason = _verdict(subject.name, elements, count, place, why_undecided(expected, settings))
    return replace(
        uncompared(subject, settings, verdict, reason, expected),
        **figures(array, expected, elements, unravel(elements.worst, array.shape)),
        floor=_largest(elements.allowed),
        stands_out=not count and _stands_out(elements, expected, settings.tolerance(subject.dtype)),
        accumulates_in=accumulates_in(array, expected, elements.error, elements.roundings) if not count else None,
        wrong=WrongElements(count=count, of=array.size, where=place),
        picture=draw(elements.wrong, elements.error, elements.worst) if count else None,
        arrays=Arrays(analytic=analytic, numeric=expected.value, error_bound=expected.error_bound, wrong=elements.wrong)
        if settings.keep_arrays or (settings.keep_wrong and verdict is Verdict.FAIL)
        else None,
    )


def uncompared(
    subject: Subject, settings: Settings, verdict: Verdict, reason: str | None, expected: Estimate | None = None
) -> ArrayResult:
    """Return the result of an array without any figures."""
    array = subject.array if isinstance(subject.array, np.ndarray | np.generic) else None
    return ArrayResult(
        name=subject.name,
        verdict=verdict,
        reason=reason,
        shape=None if array is None else array.shape,
        expected_shape=subject.shape,
        dtype=None if array is None else dtype_name(array.dtype),
        tolerance=settings.tolerance(subject.dtype),
        method=expected.method if expected else "none",
        evaluations=expected.evaluations if expected else 0,
    )


def figures(array: Array, expected: Estimate, elements: Elements, index: tuple[int, ...]) -> dict[str, Any]:
    """Return the figures of a result of which elements were judged; `index` is where the worst one is in the array."""
    return {
        "shape": array.shape,
        "dtype": dtype_name(array.dtype),
        "max_rel_error": elements.relative,
        "max_abs_error": _largest(elements.error),
        "scaled_error": elements.roundings,
        "worst": WorstElement(
            index=index,
            analytic=float(array[index]),
            numeric=float(expected.value.reshape(-1)[elements.worst]),
            error_bound=float(expected.error_bound.reshape(-1)[elements.worst]),
        ),
    }


def floored(scale: Array) -> Array:
    """Raise the scale of each element to a share of its array's typical one: the mean of those that are not zero."""
    positive = scale if scale.all() else scale[scale > 0]
    return np.maximum(scale, SCALE_FLOOR * (positive.sum() / positive.size)) if positive.size else scale


def _stands_out(elements: Elements, expected: Estimate, tolerance: float) -> bool:
    """Tell whether the worst element, which is not wrong, is off by far more than the others."""
    if elements.roundings <= _LEAST_OUTLIER * max(1.0, tolerance / TOLERANCE):
        return False
    with np.errstate(all="ignore"):  # what is not finite does not stand out
        share = (elements.error / floored(expected.scale)).reshape(-1)
        others = np.delete(share, elements.worst)
        return bool(others.size and share[elements.worst] > _OUTLIER * root_mean_square(others))


def why_undecided(expected: Estimate, settings: Settings) -> str:
    """Say why an error bound may be too large to decide by."""
    fixed = None if settings.step is None else f"the step is fixed at {settings.step:g}"
    return expected.doubt or fixed or "forward is too rough there"


def unravel(flat: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Turn a flat index into one of an array of `shape`."""
    return tuple(int(i) for i in np.unravel_index(flat, shape))


def _verdict(name: str, elements: Elements, wrong: int, place: str | None, doubt: str) -> tuple[Verdict, str | None]:
    if wrong:
        return Verdict.FAIL, f"{name} is wrong{share_of(elements.wrong)}" + (f": {place}" if place else "")
    if elements.undecided.any():
        return Verdict.INCONCLUSIVE, f"{name} could not be decided{share_of(elements.undecided)}: {doubt}"
    return Verdict.PASS, None


def _largest(values: Array) -> float:
    largest = float(values.max())
    if math.isnan(largest) and not np.isnan(values).all():
        largest = float(np.nanmax(values))
    return largest
