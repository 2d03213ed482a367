"""Is the output of forward what the layer's reference makes of the same inputs?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.arrays import epsilon
from gradcheck_cli.checks.comparison import Expected, Subject, compare

if TYPE_CHECKING:
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.layer import Problem
    from gradcheck_cli.result import ArrayResult


def check_forward(out: object, problem: Problem, dtype: str, settings: Settings) -> ArrayResult:
    """Hold forward's output against the reference, computed in the working dtype."""
    subject = Subject(name="out", array=out, dtype=dtype, shape=problem.expected.shape, axes=problem.axes["out"])
    return compare(subject, expected_output(problem), settings)


def expected_output(problem: Problem) -> Expected:
    """Return what forward should return."""
    return Expected(
        value=problem.expected,
        scale=problem.expected_scale,
        # What the reference itself rounds: of a sum in the working dtype, about one eps of its scale.
        error_bound=np.asarray(epsilon(problem.expected.dtype) * problem.expected_scale),
        method="reference",
        evaluations=1,
    )
