"""Why is forward's output no number, where the right one is?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.results.result import Diagnosis

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem


def why_not_finite(out: object, returned: Mapping[str, object], layer: Layer, problem: Problem) -> Diagnosis | None:
    """Name the likeliest reason why the output is infinite or NaN; None where it is finite, or none is known."""
    if not isinstance(out, np.ndarray) or out.dtype.kind != "f" or np.isfinite(out).all():
        return None
    gradients = [array for array in returned.values() if isinstance(array, np.ndarray) and array.dtype.kind == "f"]
    finite = bool(gradients) and all(np.isfinite(array).all() for array in gradients)
    cause = next(iter(layer.overflows(problem, finite)), None)
    return Diagnosis(code=cause.code, text=f"{cause.cause} {cause.remedy}") if cause else None
