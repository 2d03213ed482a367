"""What a function or a class says that it takes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.calling import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gradcheck_cli.implementation.conventions.slots import Slot


class MisfitError(Exception):
    """Code cannot be understood as the passes of a layer; the message says what about it cannot."""


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


def names_arguments(function: Callable[..., Any]) -> bool:
    """Tell whether a function names its arguments; a compiled one, or one of *args, can only be called in order."""
    signature = signature_of(function)
    kinds = {parameter.kind for parameter in signature.parameters.values()} if signature else set()
    return signature is not None and inspect.Parameter.VAR_POSITIONAL not in kinds


def parameters_of(function: Callable[..., Any], *, skip: int = 0) -> list[inspect.Parameter]:
    """List the arguments of a function or class, without *args and **kwargs, and without the first `skip`.

    Raises:
        MisfitError: it does not say what it takes.
    """
    signature = signature_of(function)
    if signature is None:
        raise MisfitError(f"`{name_of(function)}` does not say what it takes")
    parameters = [*signature.parameters.values()][skip:]
    variable = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [parameter for parameter in parameters if parameter.kind not in variable]


def takes(function: Callable[..., Any], count: int) -> bool:
    """Tell whether a function can be called with so many arguments in order; one that does not say is to be tried."""
    signature = signature_of(function)
    if signature is None:
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def write_call(name: str, arguments: Iterable[Slot | inspect.Parameter]) -> str:
    """Write a call: `conv_forward(x, w, b, stride, pad)`."""
    return f"{name}({', '.join(argument.name for argument in arguments)})"
