"""Several outputs as one array, and its cotangent as several: the checks and the numeric side know one of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.calling import describe
from gradcheck_cli.implementation.implementation import BackwardStep, Implementation, ImplementationError, Step
from gradcheck_cli.implementation.seeding import seeded
from gradcheck_cli.layers.framework.axes import anonymous
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem, with_output_shape
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names


def pack_outputs(implementation: Implementation, problem: Problem) -> Implementation:
    """Join the outputs of forward as the problem does, and split the cotangent for backward.

    An implementation with one output is returned as it is, unless it may draw numbers: then it is `seeded`. Of several
    outputs, one of the wrong shape cannot be joined: that is an ImplementationError.
    """
    if problem.draws is not None:
        implementation = seeded(implementation, problem.draws)
    if not problem.outputs:
        return implementation

    def forward(inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        out, cache = implementation.forward(inputs, parameters)
        return join_outputs(out, problem, implementation.absent), cache

    def backward(cotangent: Array, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        return implementation.backward(tuple(problem.parts(cotangent).values()), cache, names)

    def expect(steps: Sequence[Step]) -> None:
        assert implementation.expect is not None
        parts = [
            step._replace(cotangent=tuple(problem.parts(step.cotangent).values()))
            if isinstance(step, BackwardStep)
            else step
            for step in steps
        ]
        implementation.expect(parts)

    return replace(implementation, forward=forward, backward=backward, expect=expect if implementation.expect else None)


def is_empty(cache: object) -> bool:
    """Tell whether forward left nothing from which a gradient could be computed: at most shapes, and None."""
    if isinstance(cache, tuple | list | dict):
        return all(map(is_empty, cache.values() if isinstance(cache, dict) else cache))
    return cache is None or isinstance(cache, bool | int | str)


def with_outputs(problem: Problem, case: Case, out: object, names: tuple[str, ...]) -> Problem:
    """Return a problem without a reference, with cotangents for its outputs; as it is if these are no arrays.

    Of several outputs, each has a cotangent.
    """
    outputs = out if isinstance(out, tuple) else (out,)
    arrays = [value for value in outputs if isinstance(value, np.ndarray)]
    if len(arrays) < len(outputs) or len(outputs) != len(names):
        return problem
    if len(arrays) == 1:
        return with_output_shape(problem, case, arrays[0].shape)
    shapes = {name: value.shape for name, value in zip(names, arrays, strict=True)}
    whole = with_output_shape(problem, case, (sum(value.size for value in arrays),))
    axes = {name: anonymous(name, len(shape)) for name, shape in shapes.items()}
    unknown = np.zeros(whole.cotangent.shape)
    return replace(whole, outputs=shapes, cotangents=len(shapes), axes={**problem.axes, **axes}, expected=unknown)


def join_outputs(out: object, problem: Problem, absent: tuple[str, ...] = ()) -> Array:
    """Join outputs; what the implementation has no place for is taken as it is expected."""
    if not problem.outputs and isinstance(out, np.ndarray):
        return out
    if not isinstance(out, tuple) or len(out) != len(problem.outputs):
        raise ImplementationError(f"forward returned {describe(out)}, not {join_names(problem.outputs)}")
    arrays, expected = [], problem.parts(problem.expected)
    for (name, shape), value in zip(problem.outputs.items(), out, strict=True):
        if name in absent:
            arrays.append(expected[name].reshape(-1))
            continue
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
            kind = f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else type(value).__name__
            raise ImplementationError(f"forward must return {name} as an array of floating point, not {kind}")
        if value.shape != shape:
            raise ImplementationError(f"forward's {name} has shape {value.shape} instead of {shape}")
        arrays.append(value.reshape(-1))
    # The first is an output: of state, which may be kept in another dtype, no derivative is taken. Of outputs the
    # narrowest dtype tells how they are rounded.
    narrowest = max((array.dtype for array in arrays[: problem.cotangents]), key=lambda dtype: np.finfo(dtype).eps)
    return np.concatenate([array.astype(narrowest, copy=False) for array in arrays])


def are_finite(arrays: Iterable[Array]) -> bool:
    """Tell whether all arrays are of numbers, and no element of any is infinite or NaN."""
    return all(array.dtype.kind in "fiub" and np.isfinite(array).all() for array in arrays)
