"""The convention of two functions: forward(x, w, b, param) -> (out, cache), backward(dout, cache) -> (dx, dw, db)."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.implementation import (
    Implementation,
    ImplementationError,
    Written,
    call,
    described,
    name_of,
)
from gradcheck_cli.implementation.signature import signature_of
from gradcheck_cli.layers.framework.layer import fresh
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.numeric.arrays import Array


def function_pair(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    *,
    layer: Layer | None = None,
    name: str | None = None,
    spec: str | None = None,
) -> Implementation:
    """Make an implementation of two functions in the convention of the literature's course code.

    `forward` takes the inputs in order and then, where the layer has any, its parameters as a dictionary; it returns
    the output and a cache. `backward` takes the cotangent and the cache; it returns the gradients in the same order.
    Of a layer with several outputs, forward returns each before the cache, and backward takes a cotangent for each.
    State is what forward leaves in its dictionary. Outputs and state are then returned as a tuple, for `packed`.

    Args:
        forward: the forward pass.
        backward: the backward pass.
        layer: what they are to compute; by default something with one output and no state.
        name: how reports call the pair; by default by where it was defined.
        spec: what to type to check it; by default the file and names, if they lead back to these functions.
    """
    outputs: tuple[str, ...] = layer.outputs if layer else ("out",)
    state: tuple[str, ...] = layer.state if layer else ()

    def run_forward(inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> tuple[object, object]:
        dictionary = None if parameters is None else Written(fresh(parameters))
        returned = call(forward, *inputs.values(), *([] if dictionary is None else [dictionary]))
        if not isinstance(returned, tuple | list) or len(returned) != len(outputs) + 1:
            wanted = ", ".join([*outputs, "cache"])
            raise ImplementationError(f"{name_of(forward)} returned {described(returned)}, not ({wanted})")
        *out, cache = returned
        if dictionary is not None:
            out += [dictionary.get(name) for name in state]
        return out[0] if len(out) == 1 else tuple(out), cache

    def run_backward(cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        cotangents = cotangent[: len(outputs)] if isinstance(cotangent, tuple) else (cotangent,)
        returned = call(backward, *cotangents, cache)
        return by_input(returned, names, backward_name)

    backward_name = name_of(backward)
    spec = spec or spec_of(forward, backward)
    return Implementation(
        name=name or spec or f"{name_of(forward)},{name_of(backward)}",
        spec=spec,
        convention=f"{written_out(forward)} and {written_out(backward)}",
        forward=run_forward,
        backward=run_backward,
        cotangents=_first_arguments(backward, len(outputs)),
    )


def by_input(returned: object, names: tuple[str, ...], who: str) -> dict[str, object]:
    """Tell which of the returned gradients is whose: they come in the order of the inputs.

    Raises:
        ImplementationError: it is no tuple or list of gradients, or too long a one.
    """
    if returned is None or (len(names) == 1 and isinstance(returned, np.ndarray)):
        returned = (returned,)
    if isinstance(returned, tuple | list):
        returned = without_nones(returned, len(names))
    if not isinstance(returned, tuple | list) or len(returned) > len(names):
        owed = join_names(f"d{name}" for name in names)
        raise ImplementationError(f"{who} returned {described(returned)}, where it owes {owed}")
    return dict(zip(names, returned, strict=False))


def without_nones(returned: Sequence[object], owed: int) -> Sequence[object]:
    """Leave out what is None for arguments without a gradient, where more values are returned than are owed.

    Static passes return a value for each argument of forward: `dx, dw, db, None, None` with a stride and a pad, or
    `None, dW` where the first argument is labels or indices.
    """
    kept = list(returned)
    while len(kept) > owed and kept[-1] is None:
        kept.pop()
    gradients = [value for value in kept if value is not None]
    return gradients if len(kept) > owed == len(gradients) else kept


def _first_arguments(function: Callable[..., Any], count: int) -> tuple[str, ...]:
    """Return the names of the first arguments, where the function has as many and says so."""
    signature = signature_of(function)
    parameters = [*signature.parameters.values()][:count] if signature else []
    named = [p.name for p in parameters if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}]
    return tuple(named) if len(named) == count else ()


def spec_of(*functions: Callable[..., Any]) -> str | None:
    """Name functions as the command line does, if all are found under their names at the top of one file."""
    home = inspect.getmodule(functions[0])
    file = getattr(home, "__file__", None)
    names = [name_of(function) for function in functions]
    if not file or [getattr(home, name, None) for name in names] != list(functions):
        return None
    path = Path(file)
    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return f"{path}:{','.join(names)}"


def written_out(function: Callable[..., Any]) -> str:
    """Write a function with the names of its arguments."""
    signature = signature_of(function)  # a compiled function may have none
    return f"{name_of(function)}({', '.join(signature.parameters) if signature else '...'})"
