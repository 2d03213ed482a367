"""The convention of two functions: forward(x, w, b, param) -> (out, cache), backward(dout, cache) -> (dx, dw, db)."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, call, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradcheck_cli.arrays import Array


def function_pair(
    forward: Callable[..., Any], backward: Callable[..., Any], *, name: str | None = None, spec: str | None = None
) -> Implementation:
    """Make an implementation of two functions in the convention of the literature's course code.

    `forward` takes the inputs in order and then, where the layer has any, its parameters as a dictionary; it returns
    the output and a cache. `backward` takes the cotangent and the cache; it returns the gradients in the same order.

    Args:
        forward: the forward pass.
        backward: the backward pass.
        name: how reports call the pair; by default by where it was defined.
        spec: what to type to check it; by default the file and names, if they lead back to these functions.
    """

    def run_forward(inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        returned = call(forward, *inputs.values(), *([] if parameters is None else [dict(parameters)]))
        if not isinstance(returned, tuple | list) or len(returned) != 2:
            raise ImplementationError(f"{_name(forward)} returned {_described(returned)}, not (out, cache)")
        return returned[0], returned[1]

    def run_backward(cotangent: Array, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        returned = call(backward, cotangent, cache)
        if returned is None or (len(names) == 1 and isinstance(returned, np.ndarray)):
            returned = (returned,)
        if not isinstance(returned, tuple | list) or len(returned) > len(names):
            owed = listed(f"d{name}" for name in names)
            raise ImplementationError(f"{_name(backward)} returned {_described(returned)}, where it owes {owed}")
        return dict(zip(names, returned, strict=False))

    spec = spec or _spec(forward, backward)
    return Implementation(
        name=name or spec or f"{_name(forward)},{_name(backward)}",
        spec=spec,
        convention=f"{_signature(forward)} and {_signature(backward)}",
        forward=run_forward,
        backward=run_backward,
    )


def _spec(forward: Callable[..., Any], backward: Callable[..., Any]) -> str | None:
    """Name functions as the command line does, if both are found under their names at the top of one file."""
    home = inspect.getmodule(forward)
    file = getattr(home, "__file__", None)
    names = _name(forward), _name(backward)
    if not file or [getattr(home, name, None) for name in names] != [forward, backward]:
        return None
    path = Path(file)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{','.join(names)}"


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _signature(function: Callable[..., Any]) -> str:
    try:
        return f"{_name(function)}({', '.join(inspect.signature(function).parameters)})"
    except (TypeError, ValueError):  # a compiled function may not say
        return f"{_name(function)}(...)"


def _described(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"{len(value)} values"
    if isinstance(value, np.ndarray):
        return f"one array of shape {value.shape}"
    return f"a value of type {type(value).__name__}"
