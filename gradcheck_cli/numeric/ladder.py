"""A ladder of shrinking steps, extrapolated to zero: derivatives of curved functions with an error bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.rounding import typical

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Sampler

#: The longest step, as a share of the element's size. Larger ones leave the radius within which a power series helps.
FIRST_STEP = 2.0**-2

#: Rungs of the ladder, each half as long as the one above. In float64 the bound of a smooth function is best after
#: five to eight of them; noise and kinks are what the rest is for.
RUNGS = 12

#: Rungs before the first verdict. Two differences can agree by accident where the error changes its sign: tanh in
#: float32 near 0.667, where h = 1/4 and 1/8 agree to 4e-6 and are both wrong by 4e-5.
FEWEST_RUNGS = 3


def climb(
    sampler: Sampler, elements: Array, *, resolution: float, step: float | None = None
) -> tuple[Array, Array, Array]:
    """Differentiate at `elements` by Richardson's extrapolation of central differences (Ridders, 1982).

    Each element takes the entry of least error bound (truncation and roundoff together) that any rung offers, and
    leaves the ladder when that is below `resolution * scale` or has not improved for two rungs.

    Args:
        sampler: takes the differences.
        elements: flat indices.
        resolution: the relative error bound that is good enough.
        step: fixes the step; its double is taken beside it, only to bound the truncation error.

    Returns:
        value, scale and error bound for each element; NaN, NaN, inf where the function gave nothing finite.
    """
    if step is not None:
        return _fixed(sampler, elements, step)
    x, dtype = sampler.point.x.reshape(-1), sampler.point.dtype
    size = np.maximum(abs(x[elements]).astype(np.float64), typical(x) or 1.0)
    first = FIRST_STEP * np.exp2(np.round(np.log2(size)))

    value, scale = np.full((2, elements.size), np.nan, dtype)
    bound = np.full(elements.size, np.inf, dtype)
    column, stale = np.zeros((2, elements.size), int)  # where in the tableau `value` stood, and how many rungs ago
    active = np.arange(elements.size)
    above = np.empty((0, active.size), dtype)
    for rung in range(RUNGS):
        sample = sampler.sample(elements[active], first[active] * 2.0**-rung)
        row = extrapolate(above, sample.value)
        if rung >= FEWEST_RUNGS - 1:
            stale[active] += 1
            # What noise made look settled does not come again: noise doubles from rung to rung.
            again = np.take_along_axis(row, column[active][np.newaxis], 0)[0]
            bound[active] = np.fmax(bound[active], abs(again - value[active]) / 2.0 ** stale[active])
            best, truncation = _most_settled(row, above)
            settled = np.take_along_axis(row, best[np.newaxis], 0)[0]
            # Extrapolation amplifies rounding by at most prod (4**j + 1) / (4**j - 1) < 2.
            candidate = truncation + 2 * sample.roundoff
            better = candidate < bound[active]
            chosen = active[better]
            value[chosen], scale[chosen], bound[chosen] = settled[better], sample.scale[better], candidate[better]
            column[chosen], stale[chosen] = best[better], 0
            stale[~np.isfinite(bound)] = 0
        climbing = (stale[active] < 2) & ~(bound[active] <= resolution * scale[active])
        active, above = active[climbing], row[:, climbing]
        if not active.size:
            break
    return value, scale, bound


def extrapolate(above: Array, difference: Array) -> Array:
    """Add a row to Richardson's tableau.

    The error of a central difference is a series in h**2, so each column of
    T[k, j] = T[k, j-1] + (T[k, j-1] - T[k-1, j-1]) / (4**j - 1) removes one power of it when steps are halved.

    Args:
        above: the row before, (k, elements).
        difference: central differences with half the step, (elements,).

    Returns:
        The row, (k + 1, elements).
    """
    row = [difference]
    with np.errstate(all="ignore"):
        for j, parent in enumerate(above, start=1):
            row.append(row[-1] + (row[-1] - parent) / (4.0**j - 1))
    return np.array(row)


def _most_settled(row: Array, above: Array) -> tuple[Array, Array]:
    """Find the column in which each element's entry differs least from its neighbours, and by how much.

    The neighbours are the two parents from which T[k, j] came and T[k-1, j], its own value one rung before. Their
    differences are about the errors of entries that are worse than it, and so a bound. (Of the two parents alone, one
    in 250 elements of sin(10 x) in float32 was outside of it: they can agree by accident.)
    """
    entry = row[1:-1]
    with np.errstate(all="ignore"):
        truncation = abs(entry - row[:-2])
        for neighbour in (above[:-1], above[1:]):
            truncation = np.maximum(truncation, abs(entry - neighbour))
    truncation = np.where(np.isnan(truncation), np.inf, truncation)
    return truncation.argmin(axis=0) + 1, truncation.min(axis=0)


def _fixed(sampler: Sampler, elements: Array, step: float) -> tuple[Array, Array, Array]:
    sample = sampler.sample(elements, np.full(elements.size, step))
    double = sampler.sample(elements, np.full(elements.size, 2 * step))
    return sample.value, sample.scale, sample.roundoff + abs(sample.value - double.value)
