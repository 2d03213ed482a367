"""From a case to its problem: draw each input, evaluate the reference, scale by absolute values.

Layers declare what differs from that.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.drawing import random_words, signed_uniform
from gradcheck_cli.layers.framework.axes import anonymous, indexed
from gradcheck_cli.layers.framework.coupling import derive_couplings
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import working_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.numeric.arrays import Array


def draw_inputs(case: Case, source: random.Random) -> dict[str, Array]:
    """Draw each input: signs are random, and magnitudes uniform in [0.5, 1.5)."""
    return {name: signed_uniform(source, shape) for name, shape in case.shapes.items()}


def make_problem(layer: Layer, case: Case) -> Problem:
    """Make the problem of a case by the steps that its layer declares."""
    source = case.source()
    inputs, parameters = layer.draw(case, source), layer.parameters(case, source)
    outputs = layer.outputs
    zeros = () if case.geometry.get("shift") else layer.zeros  # a score of 0 among those of 1000 is no shift
    wide, dtype = working_dtype(case.dtype), np.dtype(case.dtype)
    drawn = {name: with_zeros(a, case.seed) if name in zeros and _is_real(a) else a for name, a in inputs.items()}
    given = {name: _as(value, dtype) for name, value in drawn.items()}
    typed = None if parameters is None else {key: _as(value, dtype) for key, value in parameters.items()}
    widened = [_as(value, wide) for value in given.values()]
    settings = [] if typed is None else [{key: _as(value, wide) for key, value in typed.items()}]

    found = layer.returned(widened, *settings)
    scales = layer.scale(*widened, *settings) if layer.scale else layer.returned(map(abs, widened), *settings)
    cotangents = [np.ones(()) if layer.loss else signed_uniform(source, out.shape) for out in found]
    cotangents = [cotangent.astype(dtype) for cotangent in cotangents[: len(outputs)]]
    weights = [_as(cotangent, wide) for cotangent in cotangents]

    output_shapes = {name: out.shape for name, out in zip((*outputs, *layer.state), found, strict=True)}
    shapes = {name: value.shape for name, value in given.items()}
    axes = {name: indexed(own, len((shapes | output_shapes).get(name, own))) for name, own in case.array_axes.items()}
    differentiable = {n: shapes[n] for n, value in given.items() if _is_real(value) and n not in layer.constants}
    relations = layer.relations(case, inputs)
    return Problem(
        inputs=given,
        parameters=typed,
        cotangent=joined([*cotangents, *(np.zeros(out.shape, dtype) for out in found[len(outputs) :])]),
        expected=joined(found),
        expected_scale=joined([np.broadcast_to(s, out.shape) for s, out in zip(scales, found, strict=True)]),
        coupling=derive_couplings(axes, differentiable, output_shapes, relations),
        axes=axes,
        relations=relations,
        outputs=output_shapes if len(output_shapes) > 1 else {},
        cotangents=len(outputs),
        gradient_scale=layer.gradient_scale(*weights, *widened, *settings) if layer.gradient_scale else {},
        skip_reason=case.skip_reason,
        meaning_open=case.meaning_open,
        constants=layer.constants,
        domain=case.domain,
    )


def with_output_shape(problem: Problem, case: Case, shape: tuple[int, ...]) -> Problem:
    """Return the problem of a layer without a reference, with a cotangent for an output of this shape.

    That of a number is 1: gradients are then those that people know, and a function that is linear in one number is
    right for all numbers if it is right for one.
    """
    cotangent = signed_uniform(case.source(), shape) if math.prod(shape) > 1 else np.ones(shape)
    axes = {**problem.axes, "out": anonymous("out", len(shape))}
    return replace(problem, cotangent=cotangent.astype(case.dtype), axes=axes)


def _is_real(value: object) -> bool:
    """Tell whether a value is an array of floating point: labels, indices and masks are left as they are."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _as(value: Any, dtype: np.dtype[Any]) -> Any:
    return value.astype(dtype) if _is_real(value) else value


def joined(arrays: Sequence[Array]) -> Array:
    """Return outputs as one array."""
    return arrays[0] if len(arrays) == 1 else np.concatenate([array.reshape(-1) for array in arrays])


def with_zeros(values: Array, seed: int) -> Array:
    """Put zeros in the places of one element in eight, drawn from the seed; in none of an array of fewer.

    Half of what follows a rectifier is zero, and what recovers a mask or a slope as out / x is wrong there alone.
    """
    count = values.size // 8
    places = np.argsort(random_words(random.Random(f"{seed} zeros"), values.shape), kind="stable")[:count]  # noqa: S311
    found = values.copy()
    found.reshape(-1)[places] = 0
    return found
