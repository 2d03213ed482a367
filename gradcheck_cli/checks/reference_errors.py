"""How far off the gradients of a layer's reference are in a dtype, by roundings of what they are computed from."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.data.drawing import random_words
from gradcheck_cli.numeric.arrays import epsilon, working_dtype

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

#: Calls of the reference, and the roundings by which its arguments are moved, so that each of them rounds differently.
_CALLS, _MOVED = 4, 4


@np.errstate(all="ignore")  # overflow shows in the values
def reference_errors(problem: Problem, layer: Layer, dtype: str) -> dict[str, Array]:
    """Return how far off the reference's gradients are in a dtype, by input, at the worst of some calls of it.

    They are compared with those in a wider dtype.
    """
    wide = np.longdouble if dtype == "float64" else working_dtype(dtype)
    errors: dict[str, Array] = {}
    source = random.Random(7)  # noqa: S311  # to compute with, not secrets

    def moved(array: Array) -> Array:
        steps = random_words(source, array.shape).reshape(array.shape) % (2 * _MOVED + 1) - float(_MOVED)
        return (array * (1 + epsilon(dtype) * steps)).astype(dtype)

    for _ in range(_CALLS):
        inputs = {n: moved(x) if n in problem.differentiable else x for n, x in problem.inputs.items()}
        cotangent = moved(problem.cotangent) if problem.cotangent.size > 1 else problem.cotangent.astype(dtype)
        widened = {n: x.astype(wide) if n in problem.differentiable else x for n, x in inputs.items()}
        here = layer.gradients(problem, inputs, cotangent)
        there = layer.gradients(problem, widened, cotangent.astype(wide))
        for name, gradient in here.items():
            errors[name] = np.fmax(errors.get(name, 0.0), abs(gradient - there[name]))
    return errors
