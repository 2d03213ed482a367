"""Whether the gradients of two calls agree, which differ by roundings at most."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.cancellation import has_reference, largest_term, with_cancellation

if TYPE_CHECKING:
    from gradcheck_cli.checks.run import CaseRun
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.estimate import Estimate

    #: Gradients by input, in float64 or wider.
    Gradients = dict[str, Array]

#: Roundings by which the same gradient may differ between two calls.
_TWO = 2


class Agreement:
    """By how much each gradient of a case may differ from one call to another."""

    def __init__(self, run: CaseRun, expected: Mapping[str, Estimate], rounding_dtype: str) -> None:
        """Compare nothing yet.

        Args:
            run: the first calls.
            expected: derivatives, of which the largest scale is the unit of a gradient's roundings.
            rounding_dtype: the dtype whose roundings results may differ by.
        """
        self._run, self._expected, self._dtype = run, expected, rounding_dtype
        self._rounding = run.settings.share(rounding_dtype)
        least = 0.0 if run.problem.reference else largest_term(run)
        self._scales = {name: max(float(each.scale.max(initial=0)), least) for name, each in expected.items()}

    def apart(self, one: Gradients, other: Gradients, times: float = _TWO) -> list[str]:
        """List the gradients in `one` that are further from the other than `times` their rounding."""
        return [name for name in one if name not in other or not self._are_close(name, one[name], other[name], times)]

    def _are_close(self, name: str, one: Array, other: Array, times: float) -> bool:
        if one.shape != other.shape:
            return False
        if (one == other).all():
            return True
        scale = self._scales.get(name, np.nan)
        if not np.isfinite(scale):
            scale = float(abs(one[np.isfinite(one)]).max(initial=0))
        with np.errstate(all="ignore"):
            distance = np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, abs(one - other))
        is_close = bool((distance <= times * self._rounding * scale).all())
        return is_close or bool((distance <= times * self._lost.get(name, 0.0)).all())

    @cached_property
    def _lost(self) -> dict[str, float]:
        """How far off a gradient may be because digits cancel within the layer, as in the reference."""
        if not has_reference(self._run):
            return {}
        unit = self._run.settings.share(self._run.dtype)
        lenient = with_cancellation(self._run, self._expected, self._dtype)
        return {name: unit * float(each.scale.max(initial=0)) for name, each in lenient.items()}
