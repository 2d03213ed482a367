"""From functions that are at hand, built in or handed over, to an implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.layer import Layer


def plain(
    functions: tuple[Callable[..., Any], ...], layer: Layer, *, name: str | None = None, spec: str | None = None
) -> Implementation:
    """Make an implementation of a forward and a backward pass, or of the one function of a loss, as the layer has it.

    Raises:
        TypeError: it is the other number of functions, or cannot be told what they take.
    """
    # Each convention is imported where it is needed: a run needs one.
    if not layer.reference and len(functions) < 3:
        from gradcheck_cli.implementation.conventions.gradient import (
            own_gradient,
        )
        from gradcheck_cli.implementation.slots import MisfitError

        try:
            return own_gradient(functions, name=name, spec=spec)
        except MisfitError as miss:
            raise TypeError(str(miss)) from miss
    if len(functions) != (1 if layer.loss else 2):
        raise TypeError(f"{layer.title} is {'one function' if layer.loss else 'two functions'}, not {len(functions)}")
    if layer.loss:
        from gradcheck_cli.implementation.conventions.loss import loss_function

        return loss_function(functions[0], name=name, spec=spec)
    from gradcheck_cli.implementation.conventions.pair import function_pair

    return function_pair(*functions, layer=layer, name=name, spec=spec)
