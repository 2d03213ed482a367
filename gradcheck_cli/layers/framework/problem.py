"""The problem that a case poses: what an implementation is given, and what is expected of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any, TypeGuard

import numpy as np

from gradcheck_cli.data.drawing import random_words, signed_uniform
from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.layers.framework.axes import Axis, anonymous
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import Relations
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.colored import Coupling


@frozen
class Problem:
    """The arrays that a case passes to an implementation, and those that it expects.

    `inputs`, `parameters` and `cotangent` are passed to forward and backward, in the case's dtype. Inputs that are not
    floating point (labels, indices, masks) have no gradient, nor have `constants`.

    `expected` is the right output, computed in the working dtype; `expected_scale` is, for each of its elements, the
    sum of the absolute values of its terms, to which its roundoff is proportional.

    Several outputs are joined here in one array, each raveled, and so are their cotangents; that of state is zero.
    `coupling` is of that array. `outputs` says where in it each output is.
    """

    inputs: Mapping[str, Array]  #: in the order in which forward takes them
    parameters: Mapping[str, object] | None  #: forward's last argument, where the layer has one
    cotangent: Array
    expected: Array
    expected_scale: Array
    coupling: Mapping[str, Coupling]  #: for each input of which many elements can be moved together, which
    axes: Mapping[str, tuple[Axis, ...]]  #: of each input and each output
    #: By the name of an input and one of its axes, how it relates to the output where index notation does not say so.
    relations: Relations = field(default_factory=dict)
    outputs: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  #: shapes of several, by name; {} for one, out
    #: Of a layer that draws random numbers: from the output to the right one for the same draws, or to `expected` if no
    #: right layer would have drawn them.
    expected_for_draws: Callable[[Array], Array] | None = None
    #: Of such a layer, (output, cotangent) -> the gradients for the same draws, NaN where the output does not tell.
    gradients_for_draws: Callable[[Array, Array], Mapping[str, Array]] | None = None
    #: The seed of `random` and `np.random` before each forward, for a layer that may draw numbers; None for others.
    draws: int | None = None
    #: From the output to why this case cannot show a fault, where that depends on what forward drew.
    vacuous: Callable[[Array], str | None] = lambda _out: None
    cotangents: int = 1  #: how many of the outputs have one; what follows them is state
    #: Whether the right output is known. If not, the shape of the output is that which forward returns; before that
    #: (`with_output_shape`) the cotangent is empty, as the expected output always is.
    reference: bool = True
    #: Why the case is skipped where forward raises: not every right layer can do it.
    skip_reason: str | None = None
    #: Whether right layers differ in what they compute in this case: where forward does not reproduce the reference,
    #: the case is skipped for the same reason.
    meaning_open: bool = False
    #: The interval of each input that is restricted to one; forward need not be defined outside of it.
    domain: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    #: Inputs of floating point that have no gradient, such as the targets of a loss.
    constants: tuple[str, ...] = ()
    #: Whether no backward is expected of a forward that returns no cache, as in a mode in which nothing is learned.
    cache_optional: bool = False

    @cached_property  # asked for a dozen times in a case
    def differentiable(self) -> tuple[str, ...]:
        """The inputs that have a gradient."""
        real = (name for name, value in self.inputs.items() if value.dtype.kind == "f")
        return tuple(name for name in real if name not in self.constants)

    @property
    def state(self) -> tuple[str, ...]:
        """The outputs that are state."""
        return tuple(self.outputs)[self.cotangents :]

    @cached_property
    def output_axes(self) -> tuple[Axis, ...]:
        """The axes of the output; () for several outputs in one array, or no axes."""
        return () if self.outputs else self.axes["out"]

    def expected_for(self, out: object) -> Array:
        """Return the right output to hold `out` against: `expected`, or of several that are right the one like it."""
        return self.expected_for_draws(out) if self.expected_for_draws and self._comparable(out) else self.expected

    def why_vacuous(self, out: object) -> str | None:
        """Say why a case in which forward returned `out` could not show a fault, or None if it could."""
        return self.vacuous(out) if self._comparable(out) else None

    def _comparable(self, out: object) -> TypeGuard[Array]:
        return isinstance(out, np.ndarray) and out.shape == self.expected.shape and out.dtype.kind == "f"

    def parts(self, array: Array) -> dict[str, Array]:
        """Split what is one array here into the outputs by name, each in its own shape."""
        if not self.outputs:
            return {"out": array}
        found, start = {}, 0
        for name, shape in self.outputs.items():
            found[name] = array[start : start + math.prod(shape)].reshape(shape)
            start += math.prod(shape)
        return found

    def located(self, flat: int) -> tuple[str, tuple[int, ...]]:
        """Say in which output, and where in it, a flat index of the output is."""
        for name, part in self.parts(np.arange(self.cotangent.size).reshape(self.cotangent.shape)).items():
            if (found := np.argwhere(part == flat)).size or part.shape == ():
                return name, tuple(int(i) for i in found[0])
        raise IndexError(flat)


def fresh(parameters: Mapping[str, object]) -> dict[str, object]:
    """Copy parameters with the arrays among them, for code that may write into either."""
    return {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in parameters.items()}


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
