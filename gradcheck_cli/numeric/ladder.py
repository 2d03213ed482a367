"""A ladder of shrinking steps, extrapolated to zero: derivatives of curved functions with an error bound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.numeric.rounding import typical

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.numeric.point import Sample, Sampler

#: The longest step, as a share of the element's size. Larger ones leave the radius within which a power series helps.
FIRST_STEP = 2.0**-2

#: Rungs of a ladder, each half as long as the one above. In float64 the bound of a smooth function is best after five
#: to eight of them.
RUNGS = 12

#: Rungs before the first verdict. Two differences can agree by accident where the error changes its sign: tanh in
#: float32 near 0.667, where h = 1/4 and 1/8 agree to 4e-6 and are both wrong by 4e-5.
FEWEST_RUNGS = 3

#: Where a ladder that did not settle, or ended on a kink, is tried again: the element may have a kink or the edge of a
#: domain near it, or be steeper than its size suggests. A ladder has settled when it sees half of the function's
#: digits. Softmax losses of scores near 1,000 look kinked at steps of 256: in float16 24 of 160 did, none then.
SECOND_STARTS = (2.0**-10, 2.0**-20)

#: How nearly what is left of f+ - 2 f + f- must stay the same for a kink. Beside a kink there may be a curve.
_STAYS = 0.2


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Central differences in the limit of h to 0, one entry for each element; NaN where nothing finite was given."""

    value: Array
    scale: Array
    error_bound: Array
    step: Array  #: the smallest step that `value` rests on
    kinked: Array  #: where the differences to both sides disagree, however small the step
    rounding: Array  #: rounding error of a difference times its step, at the last step taken


def climb(sampler: Sampler, elements: Array, *, resolution: float, step: float | None = None) -> Limits:
    """Differentiate at `elements` by Richardson's extrapolation of central differences (Ridders, 1982).

    Each element takes the entry of least error bound (truncation and roundoff together) that any rung offers, and
    leaves the ladder when that is below `resolution * scale` or has not improved for two rungs.

    Args:
        sampler: takes the differences.
        elements: flat indices.
        resolution: the relative error bound that is good enough.
        step: fixes the step; its double is taken beside it, only to bound the truncation error.
    """
    if step is not None:
        return _fixed(sampler, elements, step)
    x = sampler.point.x.reshape(-1)
    size = np.maximum(abs(x[elements]).astype(np.float64), typical(x) or 1.0)
    first = FIRST_STEP * np.exp2(np.round(np.log2(size)))
    enough = max(resolution, sampler.point.epsilon**0.5)
    found = _ladder(sampler, elements, first, resolution)
    for start in SECOND_STARTS:
        unsettled = ~(found.error_bound <= enough * found.scale) | found.kinked
        rough = np.flatnonzero(unsettled & (sampler.point.noise == 0))
        if rough.size:
            again = _ladder(sampler, elements[rough], first[rough] * start, resolution, found.rounding[rough])
            beside = found.kinked[rough] & ~again.kinked & (again.error_bound <= enough * again.scale)
            better = (again.error_bound < found.error_bound[rough]) | beside
            for name in ("value", "scale", "error_bound", "step", "kinked"):
                getattr(found, name)[rough[better]] = getattr(again, name)[better]
    return found


def _ladder(
    sampler: Sampler, elements: Array, first: Array, resolution: float, rounding: Array | float = 0.0
) -> Limits:
    """Climb one ladder. `rounding` is what larger steps have shown: outputs that a tiny step leaves alone round too."""
    dtype = sampler.point.dtype
    rounding = np.zeros(elements.size, dtype) + rounding
    value, scale, smallest = np.full((3, elements.size), np.nan, dtype)
    bound, bent = np.full((2, elements.size), np.inf, dtype)
    kinked = np.zeros(elements.size, bool)
    column, stale = np.zeros((2, elements.size), int)  # where in the tableau `value` stood, and how many rungs ago
    active = np.arange(elements.size)
    above = np.empty((0, active.size), dtype)
    for rung in range(RUNGS):
        steps = first[active] * 2.0**-rung
        sample = sampler.sample(elements[active], steps)
        roundoff = np.fmax(sample.roundoff, rounding[active] / steps)
        kinked[active] = _kinks(sample, bent[active], roundoff, sampler.point.epsilon)
        bent[active] = sample.bending
        row = extrapolate(above, sample.value)
        if rung >= FEWEST_RUNGS - 1:
            stale[active] += 1
            # What noise made look settled does not come again: noise doubles from rung to rung.
            again = np.take_along_axis(row, column[active][np.newaxis], 0)[0]
            bound[active] = np.fmax(bound[active], abs(again - value[active]) / 2.0 ** stale[active])
            best, truncation = _most_settled(row, above)
            settled = np.take_along_axis(row, best[np.newaxis], 0)[0]
            # Extrapolation amplifies rounding by at most prod (4**j + 1) / (4**j - 1) < 2.
            candidate = truncation + 2 * roundoff
            better = candidate < bound[active]
            chosen = active[better]
            value[chosen], scale[chosen], bound[chosen] = settled[better], sample.scale[better], candidate[better]
            smallest[chosen] = steps[better]
            column[chosen], stale[chosen] = best[better], 0
            stale[~np.isfinite(bound)] = 0
        rounding[active] = np.where(np.isfinite(roundoff), roundoff * steps, rounding[active])
        climbing = (stale[active] < 2) & ~(bound[active] <= resolution * scale[active])
        active, above = active[climbing], row[:, climbing]
        if not active.size:
            break
    return Limits(value=value, scale=scale, error_bound=bound, step=smallest, kinked=kinked, rounding=rounding)


def _kinks(sample: Sample, before: Array, roundoff: Array, epsilon: float) -> Array:
    """Tell where differences to both sides disagree by as much as they did with twice the step.

    f+ - 2 f + f- over 2 h shrinks with h where there is a derivative, by a half or more, and stays where there is none.
    """
    visible = sample.bending > np.maximum(8 * roundoff, epsilon**0.5 * sample.scale)
    return np.asarray(visible & (abs(sample.bending / before - 1) < _STAYS))


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
    truncation = abs(entry - row[:-2])
    for neighbour in (above[:-1], above[1:]):
        truncation = np.maximum(truncation, abs(entry - neighbour))
    truncation = np.where(np.isnan(truncation), np.inf, truncation)
    return truncation.argmin(axis=0) + 1, truncation.min(axis=0)


def _fixed(sampler: Sampler, elements: Array, step: float) -> Limits:
    sample = sampler.sample(elements, np.full(elements.size, step))
    double = sampler.sample(elements, np.full(elements.size, 2 * step))
    return Limits(
        value=sample.value,
        scale=sample.scale,
        error_bound=sample.roundoff + abs(sample.value - double.value),
        step=np.full(elements.size, step, sample.value.dtype),
        kinked=_kinks(sample, double.bending, sample.roundoff, sampler.point.epsilon),
        rounding=sample.roundoff * step,
    )
