"""The arrays of a problem: how they are drawn, rounded to a dtype, and joined."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli.data.drawing import random_words, signed_uniform
from gradcheck_cli.layers.framework.axes import anonymous
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array


def draw_inputs(case: Case, source: random.Random) -> dict[str, Array]:
    """Draw each input: signs are random, and magnitudes uniform in [0.5, 1.5)."""
    return {name: signed_uniform(source, shape) for name, shape in case.shapes.items()}


def with_output_shape(problem: Problem, case: Case, shape: tuple[int, ...]) -> Problem:
    """Return the problem of a layer without a reference, with a cotangent for an output of this shape.

    That of a number is 1: gradients are then those that people know, and a function that is linear in one number is
    right for all numbers if it is right for one.
    """
    cotangent = signed_uniform(case.source(), shape) if math.prod(shape) > 1 else np.ones(shape)
    axes = {**problem.axes, "out": anonymous("out", len(shape))}
    return replace(problem, cotangent=cotangent.astype(case.dtype), axes=axes)


def is_real(value: object) -> bool:
    """Tell whether a value is an array of floating point: labels, indices and masks are left as they are."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def as_dtype(value: Any, dtype: np.dtype[Any]) -> Any:
    """Round an array of floating point to a dtype; return another value as it is."""
    return value.astype(dtype) if is_real(value) else value


def joined(arrays: Sequence[Array]) -> Array:
    """Return outputs as one array."""
    return arrays[0] if len(arrays) == 1 else np.concatenate([array.reshape(-1) for array in arrays])


def row_sum(array: Array) -> Array:
    """Sum each row of an array (R, C), (R, 1)."""
    return np.asarray(array.sum(axis=1, keepdims=True))


def with_zeros(values: Array, seed: int) -> Array:
    """Put zeros in the positions of one element in eight, drawn from the seed; in none where all have one sign.

    Half of what follows a rectifier is zero, and what recovers a mask or a slope as out / x is wrong there alone. Among
    probabilities, or scores of 1000, a zero is none of them.
    """
    count = values.size // 8 if values.min() < 0 < values.max() else 0
    positions = np.argsort(random_words(random.Random(f"{seed} zeros"), values.shape), kind="stable")[:count]  # noqa: S311
    found = values.copy()
    found.reshape(-1)[positions] = 0
    return found
