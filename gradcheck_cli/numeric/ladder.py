"""A ladder of shrinking steps, extrapolated to zero: derivatives of curved functions with an error bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.affine import typical

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.dense import Sampler

#: The longest step, as a share of the element's size. Larger ones leave the radius within which a power series helps.
FIRST_STEP = 2.0**-2

#: Rungs of the ladder, each half as long as the one above. In float64 the bound of a smooth function is best after
#: five to eight of them; noise and kinks are what the rest is for.
RUNGS = 12


def climb(
    sampler: Sampler, elements: Array, *, resolution: float, step: float | None = None
) -> tuple[Array, Array, Array]:
    """Differentiate at `elements` by Richardson's extrapolation of central differences (Ridders, 1982).

    The error of a central difference is a series in h**2, so each column of the tableau
    T[k, j] = T[k, j-1] + (T[k, j-1] - T[k-1, j-1]) / (4**j - 1) removes one power of it. An entry differs from its
    two parents by about the error of the parents, and is itself better: the larger difference bounds its truncation.
    Each element takes the entry of least bound (truncation and roundoff together), and leaves the ladder when that
    is below `resolution * scale` or has not improved for two rungs.

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
    size = np.maximum(abs(sampler.points[elements]).astype(np.float64), typical(sampler.points) or 1.0)
    first = FIRST_STEP * np.exp2(np.round(np.log2(size)))

    value, scale = np.full((2, elements.size), np.nan, sampler.dtype)
    bound = np.full(elements.size, np.inf, sampler.dtype)
    stale = np.zeros(elements.size, int)
    tableau = np.empty((0, elements.size), sampler.dtype)
    active = np.arange(elements.size)
    for rung in range(RUNGS):
        sample = sampler.sample(elements[active], first[active] * 2.0**-rung)
        row = np.full((rung + 1, elements.size), np.nan, sampler.dtype)
        row[0, active] = sample.value
        improved = np.zeros(elements.size, bool)
        for j in range(1, rung + 1):
            with np.errstate(all="ignore"):
                row[j, active] = row[j - 1, active] + (row[j - 1, active] - tableau[j - 1, active]) / (4.0**j - 1)
                parents = abs(row[j, active] - row[j - 1, active]), abs(row[j, active] - tableau[j - 1, active])
                # Extrapolation amplifies rounding by at most prod (4**j + 1) / (4**j - 1) < 2.
                candidate = np.maximum(*parents) + 2 * sample.roundoff
            better = candidate < bound[active]
            chosen = active[better]
            value[chosen], bound[chosen] = row[j, chosen], candidate[better]
            scale[chosen] = sample.scale[better]
            improved[chosen] = True
        tableau = row
        stale[active] = np.where(improved[active] | ~np.isfinite(bound[active]), 0, stale[active] + 1)
        active = active[(stale[active] < 2) & ~(bound[active] <= resolution * scale[active])]
        if not active.size:
            break
    return value, scale, bound


def _fixed(sampler: Sampler, elements: Array, step: float) -> tuple[Array, Array, Array]:
    sample = sampler.sample(elements, np.full(elements.size, step))
    double = sampler.sample(elements, np.full(elements.size, 2 * step))
    return sample.value, sample.scale, sample.roundoff + abs(sample.value - double.value) / 3
