"""What a function or a class says that it takes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from gradcheck_cli.guard.clock import pass_on_interrupt

if TYPE_CHECKING:
    from collections.abc import Callable


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """Return the signature of a function or class; None if it does not say what it takes."""
    try:
        return inspect.signature(function)
    except BaseException as error:  # noqa: BLE001  # a `__signature__` or a metaclass of the user's may raise anything
        pass_on_interrupt(error)
        return _of_constructor(function) if isinstance(function, type) else None


def _of_constructor(cls: type) -> inspect.Signature | None:
    """Return the signature of a class whose metaclass does not let it be asked."""
    constructor = next((vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)), None)
    if constructor is object.__init__:
        return inspect.Signature()
    signature = signature_of(constructor) if inspect.isfunction(constructor) else None
    return signature and signature.replace(parameters=[*signature.parameters.values()][1:])
