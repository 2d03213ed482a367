"""The convention of a loss: one function that returns a number and its own gradients, (x, y) -> (loss, dx)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.conventions.pair import by_input, spec_of, written_out
from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, call, described, name_of
from gradcheck_cli.layers.framework.problem import fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradcheck_cli.numeric.arrays import Array


def loss_function(function: Callable[..., Any], *, name: str | None = None, spec: str | None = None) -> Implementation:
    """Make an implementation of a function that returns (loss, gradients...).

    The loss is the output, and its cotangent a number, with which the gradients are multiplied here.

    Args:
        function: the loss.
        name: how reports call it; by default by where it was defined.
        spec: what to type to check it; by default the file and its name, if they lead back to it.
    """

    def forward(inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        returned = call(function, *inputs.values(), *([] if parameters is None else [fresh(parameters)]))
        if not isinstance(returned, tuple | list) or len(returned) < 2:
            raise ImplementationError(f"{name_of(function)} returned {described(returned)}, not (loss, gradient)")
        loss, *gradients = returned
        number = isinstance(loss, float | np.number | np.ndarray)
        return np.asarray(loss) if number else loss, gradients

    def backward(cotangent: Array, cache: Any, names: tuple[str, ...]) -> Mapping[str, object]:
        returned = by_input(cache, names, name_of(function))
        return {key: _times(gradient, cotangent) for key, gradient in returned.items()}

    spec = spec or spec_of(function)
    return Implementation(
        name=name or spec or name_of(function),
        spec=spec,
        convention=written_out(function),
        forward=forward,
        backward=backward,
    )


def _times(gradient: object, cotangent: Array) -> object:
    if not isinstance(gradient, np.ndarray) or gradient.dtype.kind != "f":
        return gradient
    return gradient * gradient.dtype.type(cotangent)
