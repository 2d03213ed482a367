"""The methods of a class that are its passes, by their names."""

from __future__ import annotations

import dis
from typing import TYPE_CHECKING

from gradcheck_cli.implementation.conventions.slots import MisfitError

if TYPE_CHECKING:
    from types import CodeType

#: What the passes are called, as methods.
FORWARDS = (
    *("forward", "forward_pass", "fprop", "forward_propagation", "forward_propagate", "forwardprop", "forward_prop"),
    *("feed_forward", "feedforward", "propagate", "activate", "activation", "function"),
    *("loss", "compute_loss", "calculate_loss", "loss_function", "cost", "__call__"),
)
BACKWARDS = (
    *("backward", "backward_pass", "bprop", "backprop", "backward_propagation", "backward_propagate"),
    *("back_propagation", "backpropagation", "backwardprop", "backward_prop", "back_prop", "backpropagate"),
    *("back_propagate", "gradient", "grad", "derivative", "prime", "deriv", "df"),
    *("loss_gradient", "loss_derivative", "compute_gradient", "grads", "calculate_gradient", "dloss"),
)


def has_passes(cls: type) -> bool:
    """Tell whether a class has a method that is called as one of the passes is."""
    return bool(_methods(cls) & {*FORWARDS, *BACKWARDS})


def class_passes(cls: type) -> tuple[str, str]:
    """Return the names of a class's forward and backward methods.

    Raises:
        MisfitError: it lacks one of them.
    """
    # Only what a class has is asked for: for what it lacks a metaclass may raise anything.
    own = _methods(cls)
    forward, backward = (
        next((name for name in names if name in own and callable(getattr(cls, name, None))), None)
        for names in (FORWARDS, BACKWARDS)
    )
    if forward and backward:
        return forward, backward
    has, lacks = ("forward", "backward") if forward else ("backward", "forward")
    has = f"has {has} but no {lacks}" if forward or backward else "has neither forward nor backward"
    raise MisfitError(f"class {cls.__name__} {has}")


def is_written(cls: type) -> bool:
    """Tell whether a class has both passes, and its forward does something: that of a base class does not."""
    try:
        names = class_passes(cls)
    except MisfitError:
        return False
    codes = [getattr(getattr(cls, name), "__code__", None) for name in names]
    return not getattr(cls, "__abstractmethods__", None) and not any(_is_empty(code) for code in codes if code)


def _is_empty(code: CodeType) -> bool:
    """Tell whether code returns nothing and raises nothing but that it is not written."""
    uses_arguments = any("LOAD_FAST" in step.opname for step in dis.get_instructions(code))
    return set(code.co_names) <= {"NotImplementedError"} and not uses_arguments


def _methods(cls: type) -> set[str]:
    """Name what a class defines, without what every class has, such as `type.__call__`."""
    return {name for base in cls.__mro__[:-1] for name in vars(base)}
