"""Richardson extrapolation of central differences: derivatives of curved functions with an error bound."""

from __future__ import annotations

import numpy as np

from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.estimate import Estimate, Scheme
from gradcheck_cli.numeric.rounding import root_mean_square

#: The first step, as a share of the element's size. Larger ones leave the radius within which the power series
#: converges.
FIRST_STEP = 2.0**-2

#: Rows of a tableau, each with half the step of the one before. In float64 the bound of a smooth function is best after
#: five to eight.
MAX_ROWS = 12

#: Rows before the first error bound. Two differences can agree by accident where the error changes its sign: tanh in
#: float32 near 0.667, where h = 1/4 and 1/8 agree to 4e-6 and are both wrong by 4e-5.
MIN_ROWS = 3

#: Factors of the first step with which an element is tried again if its tableau did not settle, or ended on a kink: a
#: kink or the edge of a domain may be near it, or it may be steeper than its size suggests. A tableau has settled when
#: half of the function's digits are known. Softmax losses of scores near 1,000 look kinked at steps of 256: in float16
#: 24 of 160 did, and none with a second tableau.
RESTARTS = (2.0**-10, 2.0**-20)

#: Relative change of the second difference, over h, that a kink may show from one step to the next. A curve beside the
#: kink changes it a little.
_KINK_CHANGE = 0.2


def extrapolate(scheme: Scheme, elements: Array, *, resolution: float, step: float | None = None) -> Estimate:
    """Differentiate at some elements by Richardson extrapolation of central differences (Ridders, 1982).

    Each element takes the tableau entry of least error bound, truncation and roundoff together. It is done when that
    is below `resolution * scale`, or has not improved for two rows.

    Args:
        scheme: takes the differences.
        elements: flat indices of x.
        resolution: the relative error bound that is good enough.
        step: a fixed step. Twice that step is taken too, but only to bound the truncation error.

    Returns:
        Flat arrays, one entry per element: NaN, with an infinite or NaN bound, where nothing finite was found.
    """
    if step is not None:
        return _with_fixed_step(scheme, elements, step)
    x = scheme.box.x.reshape(-1)
    size = np.maximum(abs(x[elements]).astype(np.float64), root_mean_square(x) or 1.0)
    first = FIRST_STEP * np.exp2(np.round(np.log2(size)))
    settled_at = max(resolution, scheme.box.epsilon**0.5)
    best, rounding = _fill_tableau(scheme, elements, first, resolution, np.zeros(elements.size, scheme.box.dtype))
    for factor in RESTARTS:
        settled = best.error_bound <= settled_at * best.scale
        retried = np.flatnonzero((~settled | best.kinks) & (scheme.box.noise == 0))
        if retried.size:
            # Larger steps have shown how much the function rounds. A tiny step may leave outputs as they are, and
            # show nothing of it.
            again, _ = _fill_tableau(scheme, elements[retried], first[retried] * factor, resolution, rounding[retried])
            kink_was_beside = best.kinks[retried] & ~again.kinks & (again.error_bound <= settled_at * again.scale)
            better = (again.error_bound < best.error_bound[retried]) | kink_was_beside
            best = best.with_elements(retried[better], again.take(better))
    return best


def first_points(start: Array, rows: int = MIN_ROWS) -> list[Array]:
    """Return where a function of one number is evaluated first, whatever it is, if it is differentiated at 0."""
    steps = [FIRST_STEP * 2.0**-halvings for halvings in range(rows)]
    return [start + side * step for step in steps for side in (1, -1)]


def _fill_tableau(
    scheme: Scheme, elements: Array, first: Array, resolution: float, rounding: Array
) -> tuple[Estimate, Array]:
    """Halve the step row by row until every element is done.

    Args:
        scheme: takes the differences.
        elements: flat indices of x.
        first: the first step of each element.
        resolution: the relative error bound that is good enough.
        rounding: a lower bound on the rounding error of f+ - f-, one entry per element.

    Returns:
        The best estimate of each element, and its rounding error of f+ - f- with the last step.
    """
    dtype = scheme.box.dtype
    value, scale, step = np.full((3, elements.size), np.nan, dtype)
    bound, second = np.full((2, elements.size), np.inf, dtype)
    kinks = np.zeros(elements.size, bool)
    # The tableau column that `value` comes from, and the rows added since.
    column, age = np.zeros((2, elements.size), int)
    active = np.arange(elements.size)
    previous = np.empty((0, active.size), dtype)
    for halvings in range(MAX_ROWS):
        steps = first[active] * 2.0**-halvings
        difference = scheme.central_differences(elements[active], steps)
        roundoff = np.fmax(difference.error_bound, rounding[active] / steps)
        kinks[active] = _is_kink(difference, second[active], roundoff, scheme.box.epsilon)
        second[active] = difference.second_difference
        row = tableau_row(previous, difference.value)
        if halvings >= MIN_ROWS - 1:
            age[active] += 1
            # An entry that settled by accident of noise does not recur: noise doubles from row to row.
            recurred = np.take_along_axis(row, column[active][np.newaxis], 0)[0]
            bound[active] = np.fmax(bound[active], abs(recurred - value[active]) / 2.0 ** age[active])
            settled, truncation = _most_settled_column(row, previous)
            entry = np.take_along_axis(row, settled[np.newaxis], 0)[0]
            # Extrapolation amplifies rounding by at most prod (4**j + 1) / (4**j - 1) < 2.
            candidate = truncation + 2 * roundoff
            better = candidate < bound[active]
            improved = active[better]
            value[improved], scale[improved] = entry[better], difference.scale[better]
            bound[improved], step[improved] = candidate[better], steps[better]
            column[improved], age[improved] = settled[better], 0
            age[~np.isfinite(bound)] = 0
        rounding[active] = np.where(np.isfinite(roundoff), roundoff * steps, rounding[active])
        unfinished = (age[active] < 2) & ~(bound[active] <= resolution * scale[active])
        active, previous = active[unfinished], row[:, unfinished]
        if not active.size:
            break
    best = Estimate(value=value, scale=scale, error_bound=bound, step=step, second_difference=second, kinks=kinks)
    return best, rounding


def _is_kink(difference: Estimate, before: Array, roundoff: Array, epsilon: float) -> Array:
    """Tell where differences to both sides disagree by as much as they did with twice the step.

    (f+ - 2 f + f-) / 2h shrinks with h where there is a derivative, by half or more, and stays where there is none.
    """
    second = difference.second_difference
    visible = second > np.maximum(8 * roundoff, epsilon**0.5 * difference.scale)
    return np.asarray(visible & (abs(second / before - 1) < _KINK_CHANGE))


def tableau_row(previous: Array, difference: Array) -> Array:
    """Return the next row of Richardson's tableau.

    The error of a central difference is a series in h**2, so each column of
    T[k, j] = T[k, j-1] + (T[k, j-1] - T[k-1, j-1]) / (4**j - 1) removes one power of it when steps are halved.

    Args:
        previous: row k - 1, of shape (k, elements).
        difference: central differences with half the step of that row, of shape (elements,).

    Returns:
        Row k, of shape (k + 1, elements).
    """
    row = [difference]
    for j, parent in enumerate(previous, start=1):
        row.append(row[-1] + (row[-1] - parent) / (4.0**j - 1))
    return np.array(row)


def _most_settled_column(row: Array, previous: Array) -> tuple[Array, Array]:
    """Return, for each element, the column whose entry differs least from its neighbours, and by how much.

    The neighbours of T[k, j] are its parents T[k, j-1] and T[k-1, j-1], and T[k-1, j], its own value one row before.
    The differences are about the errors of the neighbours, which are worse than the entry, and so bound its own. (By
    the two parents alone, one in 250 elements of sin(10 x) in float32 missed its bound: they can agree by accident.)
    """
    entry = row[1:-1]
    truncation = abs(entry - row[:-2])
    for neighbour in (previous[:-1], previous[1:]):
        truncation = np.maximum(truncation, abs(entry - neighbour))
    truncation = np.where(np.isnan(truncation), np.inf, truncation)
    return truncation.argmin(axis=0) + 1, truncation.min(axis=0)


def _with_fixed_step(scheme: Scheme, elements: Array, step: float) -> Estimate:
    single = scheme.central_differences(elements, np.full(elements.size, step))
    double = scheme.central_differences(elements, np.full(elements.size, 2 * step))
    return Estimate(
        value=single.value,
        scale=single.scale,
        error_bound=single.error_bound + abs(single.value - double.value),
        step=np.full(elements.size, step, single.value.dtype),
        second_difference=single.second_difference,
        kinks=_is_kink(single, double.second_difference, single.error_bound, scheme.box.epsilon),
    )
