"""What some classes want before their first forward: the shape of their input, and an optimizer.

`set_input_shape((3, 8, 8))`, `initialize(optimizer)`, `build(input_shape)`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.calling import call
from gradcheck_cli.implementation.conventions.slots import INDIFFERENT, MisfitError, parameters_of
from gradcheck_cli.implementation.conventions.stand_ins import OPTIMIZERS, Optimizer
from gradcheck_cli.implementation.conventions.tensors import is_of_torch
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    import inspect

#: Names of such methods, in the order in which they are called.
_METHODS = (
    *("set_input_shape", "build", "initialize", "initialise", "init_weights", "initialize_weights", "init_params"),
    *("initialize_parameters", "initialize_params", "setup", "compile"),
)
_SIZES = (
    "inputdim",
    "inputsize",
    "infeatures",
    "nin",
    "ninputs",
    "ninput",
    "nfeatures",
    "indim",
    "fanin",
    "inputnodes",
)


def set_up(instance: object, shape: tuple[int, ...]) -> None:
    """Call the methods of an instance that prepare it for an input of a shape with a batch axis, if it has any.

    Raises:
        NotExpressibleError: one of them raised.
    """
    own = {name for base in type(instance).__mro__[:-1] if not is_of_torch(base) for name in vars(base)}
    for name in _METHODS:
        with contextlib.suppress(MisfitError):
            if name in own and callable(method := getattr(instance, name)):
                required = [p for p in parameters_of(method) if p.default is p.empty]
                _call(method, [_given(p, shape if name == "build" else shape[1:]) for p in required])


def _call(method: Any, arguments: list[object]) -> None:
    """Call a method that may be meant to be called otherwise, so that the code is not wrong where it raises."""
    try:
        call(method, *arguments)
    except ImplementationError as error:
        raise NotExpressibleError(f"{error}; what it needs before that is not known") from error


def _given(parameter: inspect.Parameter, shape: tuple[int, ...]) -> object:
    name = word(parameter.name)
    if name.endswith("shape") and shape:
        return shape
    if name in _SIZES and shape:
        return shape[-1]
    if name in OPTIMIZERS:
        return Optimizer()
    if name in INDIFFERENT:
        return INDIFFERENT[name]
    raise MisfitError(f"`{parameter.name}` is of unknown meaning")
