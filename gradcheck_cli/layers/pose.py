"""From the arrays of a case to its problem: dtypes, cotangents, and what the reference makes of it."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.arrays import signed_uniform, with_zeros, working_dtype
from gradcheck_cli.layers.layer import Axis, Problem, fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.layers.layer import Case
    from gradcheck_cli.numeric.colored import Coupling

    #: From the shapes of an input and of all outputs
    Couples = Callable[[tuple[int, ...], Sequence[tuple[int, ...]]], Coupling]


#: What axes of which nothing is known are called, and an index along them: from the last one back, and of the only one.
_AXES = (("block", "l"), ("plane", "k"), ("row", "i"), ("column", "j"))
_ONE = (("element", "i"),)


def pose(
    case: Case,
    source: random.Random,
    inputs: Mapping[str, Array],
    *,
    reference: tuple[Callable[..., Any], ...],
    scale: Callable[..., tuple[Array, ...]],
    axes: Mapping[str, tuple[Axis, ...]],
    couples: Mapping[str, Couples],
    parameters: Mapping[str, object] | None = None,
    outputs: tuple[str, ...] = ("out",),
    state: tuple[str, ...] = (),
    gradient_scale: Callable[..., Mapping[str, Array]] | None = None,
    zeros: tuple[str, ...] = ("x",),
) -> Problem:
    """Pose a problem.

    Args:
        case: of which the dtype is taken.
        source: from which cotangents are drawn.
        inputs: float64 arrays, rounded here to the case's dtype; those of other kinds are left as they are.
        reference: forward and backward, or of a loss the one function.
        scale: (inputs, parameters) -> for each output and state the sum of the absolute values of its terms.
        axes: of inputs, outputs and state.
        couples: for each input of which many elements can be moved together, which.
        parameters: the dictionary that forward takes, its arrays in float64.
        outputs: what forward returns before its cache; a loss has one, and 1 is its cotangent.
        state: entries of the parameters that forward writes.
        gradient_scale: (cotangents of the outputs, inputs, parameters) -> of gradients in which terms cancel that
            their Jacobian does not show, the sum of the absolute values of these terms.
        zeros: inputs of which some elements are made 0: those in which forward is smooth there.
    """
    drawn = dict(inputs)
    for name in zeros:
        if drawn[name].dtype.kind == "f":  # no indices
            drawn[name] = with_zeros(drawn[name], case.seed)
    wide, dtype = working_dtype(case.dtype), np.dtype(case.dtype)
    given = {name: _as(value, dtype) for name, value in drawn.items()}
    typed = None if parameters is None else {key: _as(value, dtype) for key, value in parameters.items()}
    widened = [_as(value, wide) for value in given.values()]
    settings = [] if typed is None else [{key: _as(value, wide) for key, value in typed.items()}]
    written: list[Any] = [fresh(settings[0])] if settings else []
    returned = reference[0](*widened, *written)
    found = [np.asarray(out) for out in returned[: len(outputs)]] + [written[0][name] for name in state]
    scales = scale(*widened, *settings)
    cotangents = [np.ones(()) if len(reference) == 1 else signed_uniform(source, out.shape) for out in found]
    cotangents[len(outputs) :] = [np.zeros(out.shape) for out in found[len(outputs) :]]
    cotangents = [cotangent.astype(dtype) for cotangent in cotangents]
    shapes = [out.shape for out in found]
    weights = [_as(cotangent, wide) for cotangent in cotangents[: len(outputs)]]
    return Problem(
        inputs=given,
        parameters=typed,
        cotangent=_joined(cotangents),
        expected=_joined(found),
        expected_scale=_joined([np.broadcast_to(s, shape) for s, shape in zip(scales, shapes, strict=True)]),
        coupling={name: couple(given[name].shape, shapes) for name, couple in couples.items()},
        axes=axes,
        outputs=dict(zip((*outputs, *state), shapes, strict=True)) if len(shapes) > 1 else {},
        cotangents=len(outputs),
        gradient_scale=gradient_scale(*weights, *widened, *settings) if gradient_scale else {},
    )


def answered(problem: Problem, case: Case, shape: tuple[int, ...]) -> Problem:
    """Return the problem with a cotangent for an output of this shape, which no reference has said before.

    That of a number is 1: gradients are then those that people know, and what is linear in one number is right for
    all if it is right for one.
    """
    source = random.Random(case.seed)  # noqa: S311  # arrays to compute with, not secrets
    cotangent = signed_uniform(source, shape) if math.prod(shape) > 1 else np.ones(shape)
    axes = {**problem.axes, "out": anonymous("out", len(shape))}
    return replace(problem, cotangent=cotangent.astype(case.dtype), axes=axes)


def anonymous(name: str, count: int) -> tuple[Axis, ...]:
    """Name the axes of an array of which nothing is known: by how it is printed."""
    called = _ONE if count == 1 else [_AXES[max(k, 0)] for k in range(len(_AXES) - count, len(_AXES))]
    return tuple(
        Axis(name=axis, index=index, size=f"{name}.shape[{k}]", spatial=True) for k, (axis, index) in enumerate(called)
    )


def _as(value: Any, dtype: np.dtype[Any]) -> Any:
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _joined(arrays: Sequence[Array]) -> Array:
    return arrays[0] if len(arrays) == 1 else np.concatenate([array.reshape(-1) for array in arrays])
