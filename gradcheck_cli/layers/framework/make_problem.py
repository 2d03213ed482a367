"""From a case to its problem: draw each input, evaluate the reference, scale by absolute values.

Layers pass what differs from that.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.drawing import random_words, signed_uniform
from gradcheck_cli.layers.framework.axes import anonymous, indexed
from gradcheck_cli.layers.framework.coupling import derive_couplings
from gradcheck_cli.layers.framework.problem import Problem, fresh
from gradcheck_cli.numeric.arrays import working_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.coupling import Relations
    from gradcheck_cli.numeric.arrays import Array


def draw_inputs(case: Case, source: random.Random) -> dict[str, Array]:
    """Draw each input: signs are random, and magnitudes uniform in [0.5, 1.5)."""
    return {name: signed_uniform(source, shape) for name, shape in case.shapes.items()}


def make_problem(
    case: Case,
    *,
    axes: Mapping[str, tuple[Axis, ...]],
    reference: tuple[Callable[..., Any], ...],
    inputs: Mapping[str, Array],
    source: random.Random,
    parameters: Mapping[str, object] | None = None,
    outputs: tuple[str, ...] = ("out",),
    state: tuple[str, ...] = (),
    relations: Relations = MappingProxyType({}),
    scale: Callable[..., tuple[Array, ...]] | None = None,
    gradient_scale: Callable[..., Mapping[str, Array]] | None = None,
    zeros: tuple[str, ...] = ("x",),
    skip_reason: str | None = None,
    meaning_open: bool = False,
    constants: tuple[str, ...] = (),
    domain: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> Problem:
    """Make the problem of a case.

    Args:
        case: its dtype is that of inputs and cotangents, its seed says which elements are zeros.
        axes: of inputs, outputs and state.
        reference: forward and backward, or of a loss the one function.
        inputs: float64 arrays, rounded here to the case's dtype, or of other kinds.
        source: of random numbers, from which `inputs` have been drawn, and cotangents are.
        parameters: the dictionary that forward takes, its arrays in float64.
        outputs: what forward returns before its cache; a loss has one, and 1 is its cotangent.
        state: entries of the parameters that forward writes.
        relations: how axes of inputs relate to the outputs, where that is not as index notation has it.
        scale: (inputs, parameters) -> for each output and state the sum of the absolute values of its terms; what
            forward returns for absolute values, if not given.
        gradient_scale: (cotangents of the outputs, inputs, parameters) -> of gradients in which terms cancel that
            their Jacobian does not show, the sum of the absolute values of these terms.
        zeros: inputs of which some elements are made 0: those in which forward is smooth there.
        skip_reason: why the case is skipped where forward raises, if not every right layer can do it.
        meaning_open: whether it is skipped too where forward does not reproduce the reference.
        constants: inputs of floating point that have no gradient.
        domain: the interval of each input outside of which forward need not be defined.
    """
    wide, dtype = working_dtype(case.dtype), np.dtype(case.dtype)
    drawn = {name: with_zeros(a, case.seed) if name in zeros and _is_real(a) else a for name, a in inputs.items()}
    given = {name: _as(value, dtype) for name, value in drawn.items()}
    typed = None if parameters is None else {key: _as(value, dtype) for key, value in parameters.items()}
    widened = [_as(value, wide) for value in given.values()]
    settings = [] if typed is None else [{key: _as(value, wide) for key, value in typed.items()}]

    written: list[Any] = [fresh(settings[0])] if settings else []
    returned = reference[0](*widened, *written)
    found = [np.asarray(out) for out in returned[: len(outputs)]] + [written[0][name] for name in state]
    scales = scale(*widened, *settings) if scale else reference[0](*map(abs, widened), *settings)[: len(outputs)]
    cotangents = [np.ones(()) if len(reference) == 1 else signed_uniform(source, out.shape) for out in found]
    cotangents = [cotangent.astype(dtype) for cotangent in cotangents[: len(outputs)]]
    weights = [_as(cotangent, wide) for cotangent in cotangents]

    output_shapes = {name: out.shape for name, out in zip((*outputs, *state), found, strict=True)}
    shapes = {name: value.shape for name, value in given.items()}
    axes = {name: indexed(own, len((shapes | output_shapes).get(name, own))) for name, own in axes.items()}
    differentiable = {name: shape for name, shape in shapes.items() if _is_real(given[name]) and name not in constants}
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
        gradient_scale=gradient_scale(*weights, *widened, *settings) if gradient_scale else {},
        skip_reason=skip_reason,
        meaning_open=meaning_open,
        constants=constants,
        domain=domain,
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
