"""The convention for everything else: a function of the user's makes a (forward, backward) pair of what was named."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck_cli.implementation.conventions.gradient import own_gradient
from gradcheck_cli.implementation.conventions.loss import loss_function
from gradcheck_cli.implementation.conventions.pair import function_pair
from gradcheck_cli.implementation.implementation import (
    ImplementationError,
    ImplementationNotFoundError,
    call,
    described,
)
from gradcheck_cli.implementation.slots import MisfitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.layer import Layer


def adapted(
    adapt: Callable[..., Any], objects: tuple[object, ...], spec: str, adapter: str, layer: Layer
) -> Implementation:
    """Call an adapter with what the user named, and take the two functions that it returns as the implementation.

    Args:
        adapt: the adapter.
        objects: the module, or the functions or the class that were named in it.
        spec: what was typed as the implementation.
        adapter: what was typed as the adapter.
        layer: what they are to compute. Of a loss, the adapter makes one function.

    Raises:
        ImplementationNotFoundError: it raised, or did not return two functions.
    """
    try:
        returned = call(adapt, *objects)
    except ImplementationError as error:
        raise ImplementationNotFoundError(f"--adapter {adapter}: {error}") from error
    if layer.loss and callable(returned):
        return replace(loss_function(returned, name=spec, spec=spec), convention=f"adapted by {adapter}")
    if not isinstance(returned, tuple | list) or len(returned) != 2 or not all(map(callable, returned)):
        said = described(returned)
        raise ImplementationNotFoundError(f"--adapter {adapter} returned {said}, not (forward, backward)")
    try:
        pair = (
            function_pair(*returned, layer=layer, name=spec, spec=spec)
            if layer.reference
            else own_gradient(tuple(returned), name=spec, spec=spec)
        )
    except MisfitError as miss:
        raise ImplementationNotFoundError(f"--adapter {adapter}: {miss}") from miss
    return replace(pair, convention=f"adapted by {adapter}")
