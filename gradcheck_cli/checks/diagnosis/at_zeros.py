"""Is a gradient wrong where its input is 0, and nowhere else?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import judge_elements
from gradcheck_cli.results.result import Diagnosis, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.checks.gradients import Gradients
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.framework.problem import Problem


def at_zero(name: str) -> Diagnosis:
    """Say of the gradient of an input that it is wrong where that is 0."""
    return Diagnosis(
        code="wrong-at-zero",
        text=(
            f"d{name} is wrong only where {name} is 0: there out / {name}, out != 0 and {name} > 0 tell no mask and no "
            "slope. Keep the mask or the slope in the cache."
        ),
    )


def wrong_at_zeros(
    returned: Mapping[str, object], found: Gradients, problem: Problem, dtype: str, settings: Settings
) -> Diagnosis | None:
    """Name the one gradient that fails, if its wrong elements are those of an input of 0; else None."""
    failing = [name for name in problem.differentiable if _fails(found, name)]
    if len(failing) != 1:
        return None
    (name,) = failing
    array, zeros = returned.get(name), problem.inputs[name] == 0
    if not isinstance(array, np.ndarray) or array.shape != zeros.shape or array.dtype.kind != "f" or not zeros.any():
        return None
    wrong = ~np.isfinite(array)
    if name in found.derivatives:
        expected = found.derivatives[name]
        wrong |= judge_elements(array.astype(expected.value.dtype), expected, dtype, settings).wrong
    return at_zero(name) if wrong.any() and not (wrong & ~zeros).any() else None


def _fails(found: Gradients, name: str) -> bool:
    """Tell whether a gradient is wrong; none is owed where nothing is learned."""
    result = found.results.get(f"d{name}")
    return result is not None and result.verdict is Verdict.FAIL
