"""The methods of a class that are its passes, by their names."""

from __future__ import annotations

import contextlib
import dis
import inspect
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.conventions.slots import MisfitError
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from types import CodeType

#: What the passes are called, as methods.
FORWARDS = (
    *("forward", "forwardpass", "fprop", "forwardpropagation", "forwardpropagate", "forwardprop", "feedforward"),
    *("propagate", "fwd", "fwdprop", "forwards", "forwardstep", "updateoutput", "activate", "activation", "function"),
    *("forwardfct", "forwardfn", "forwardfunction"),
    *("loss", "computeloss", "calculateloss", "lossfunction", "cost", "__call__"),
)
BACKWARDS = (
    *("backward", "backwardpass", "bprop", "backprop", "backwardpropagation", "backwardpropagate", "backpropagation"),
    *("backwardprop", "backpropagate", "bwd", "bwdprop", "backwards", "backwardstep", "back", "updategradinput"),
    *("bptt", "backpropthroughtime", "backpropagationthroughtime"),
    *("gradient", "grad", "derivative", "prime", "deriv", "df", "lossgradient", "lossderivative", "computegradient"),
    *("grads", "calculategradient", "dloss", "vjp", "vjpfct", "vjpfn", "backwardfct", "backwardfn"),
)


def has_passes(cls: type) -> bool:
    """Tell whether a class has a method that is called as one of the passes is."""
    return bool(methods_of(cls).keys() & {*FORWARDS, *BACKWARDS})


def class_passes(cls: type) -> tuple[str, str]:
    """Return the names of a class's forward and backward methods.

    Raises:
        MisfitError: it lacks one of them.
    """
    # Only what a class has is asked for: for what it lacks a metaclass may raise anything.
    own = methods_of(cls)
    forward, backward = (
        next((own[name] for name in names if name in own and callable(getattr(cls, own[name], None))), None)
        for names in (FORWARDS, BACKWARDS)
    )
    if forward and backward:
        return "__call__" if _keeps_arguments(cls, forward) else forward, backward
    has, lacks = ("forward", "backward") if forward else ("backward", "forward")
    has = f"has {has} but no {lacks}" if forward or backward else "has neither forward nor backward"
    raise MisfitError(f"class {cls.__name__} {has}")


def _keeps_arguments(cls: type, forward: str) -> bool:
    """Tell whether a class is to be called itself: that keeps what backward needs, and calls forward with the same."""
    call, own = (getattr(getattr(cls, name, None), "__code__", None) for name in ("__call__", forward))
    if not call or not own or call is own or forward not in call.co_names:
        return False
    same = call.co_varnames[: call.co_argcount] == own.co_varnames[: own.co_argcount]
    stores = any(step.opname in ("STORE_ATTR", "STORE_SUBSCR") for step in dis.get_instructions(call))
    keeps = stores or "update" in call.co_names  # of a dictionary
    return same and keeps and not call.co_flags & inspect.CO_VARARGS


def instance_passes(objects: tuple[Any, ...]) -> tuple[object, str, str] | None:
    """Return an object with both passes, or that of which two methods are given, and the names of these; else None."""
    first = objects[0]
    if len(objects) == 2 and all(inspect.ismethod(one) and one.__self__ is first.__self__ for one in objects):
        is_instance = not inspect.isclass(first.__self__)
        return (first.__self__, first.__name__, objects[1].__name__) if is_instance else None
    if len(objects) == 1 and not (inspect.isclass(first) or inspect.isroutine(first)):
        with contextlib.suppress(MisfitError):
            return (first, *class_passes(type(first)))
    return None


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


def methods_of(cls: type) -> dict[str, str]:
    """Name what a class defines by its reduced name, without what every class has, such as `type.__call__`."""
    names = (name for base in reversed(cls.__mro__[:-1]) for name in vars(base))
    return {name if name.startswith("__") else word(name): name for name in names}
