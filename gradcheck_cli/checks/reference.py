"""Gradients held against those of the reference, where the derivative of forward alone does not decide."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import Expected, Subject, compare
from gradcheck_cli.numeric.arrays import epsilon, working_dtype
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.checks.gradients import Gradients
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import ArrayResult

#: Roundings of the working dtype that the reference's gradient may be off: sums measured below 2.
_ROUNDINGS = 4.0


def decide_by_reference(
    found: Gradients,
    returned: Mapping[str, object],
    forward: ArrayResult | None,
    layer: Layer,
    problem: Problem,
    dtype: str,
    settings: Settings,
) -> Gradients:
    """Pass gradients that are undecided and equal the reference's, where forward is the reference's too.

    A float32 kernel of a curved layer leaves differences in which too few digits can be seen. What is undecided for
    another reason stays so: noise, a kink, a leak, a step that the user fixed.
    """
    rough = [
        name
        for name, expected in found.derivatives.items()
        if found.results[f"d{name}"].verdict is Verdict.INCONCLUSIVE and not expected.doubt
    ]
    known = problem.reference and not problem.expected_for_draws and settings.step is None
    if not (rough and known and forward and forward.verdict is Verdict.PASS):
        return found
    results, derivatives = dict(found.results), dict(found.derivatives)
    for name, value in reference_gradients(layer, problem, dtype).items():
        if name in rough:
            expected = expected_gradient(value, found.derivatives[name])
            result = compare(subject_of(name, returned, problem, dtype), expected, settings)
            if result.verdict is Verdict.PASS:
                results[f"d{name}"], derivatives[name] = result, expected
    return replace(found, results=results, derivatives=derivatives)


def reference_gradients(layer: Layer, problem: Problem, dtype: str) -> dict[str, Array]:
    """Return the reference's gradients in the working dtype, by the input's name."""
    wide = working_dtype(dtype)
    inputs = {**problem.inputs, **{name: problem.inputs[name].astype(wide) for name in problem.differentiable}}
    with np.errstate(all="ignore"):
        return layer.gradients(problem, inputs, problem.cotangent.astype(wide))


def expected_gradient(value: Array, numeric: Expected) -> Expected:
    """Return the reference's gradient as what is expected, on the scale that forward has shown."""
    scale = np.maximum(np.where(np.isfinite(numeric.scale), numeric.scale, 0), abs(value))
    return replace(
        numeric,
        value=value,
        scale=scale,
        error_bound=np.asarray(_ROUNDINGS * epsilon(value.dtype) * scale),
        method="reference",
        doubt=None,
    )


def subject_of(name: str, returned: Mapping[str, object], problem: Problem, dtype: str) -> Subject:
    """Return the gradient under test of one input."""
    return Subject(
        name=f"d{name}",
        array=returned.get(name),
        dtype=dtype,
        shape=problem.inputs[name].shape,
        axes=problem.axes[name],
    )
