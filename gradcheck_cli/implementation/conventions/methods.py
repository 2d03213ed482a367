"""The methods of a class that are its passes, by their names."""

from __future__ import annotations

from gradcheck_cli.implementation.conventions.slots import MisfitError

#: What the passes are called, as methods.
FORWARDS = (
    *("forward", "forward_pass", "fprop", "forward_propagation", "forward_propagate", "forwardprop", "forward_prop"),
    *("feed_forward", "feedforward", "propagate", "activate", "activation", "function", "__call__"),
)
BACKWARDS = (
    *("backward", "backward_pass", "bprop", "backprop", "backward_propagation", "backward_propagate"),
    *("back_propagation", "backpropagation", "backwardprop", "backward_prop", "back_prop", "backpropagate"),
    *("back_propagate", "gradient", "grad", "derivative", "prime", "deriv", "df"),
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


def _methods(cls: type) -> set[str]:
    """Name what a class defines, without what every class has, such as `type.__call__`."""
    return {name for base in cls.__mro__[:-1] for name in vars(base)}
