"""A forward and a backward pass in what has both: methods of a class, static passes, functions that return backward."""

from __future__ import annotations

import contextlib
import dis
import inspect
from collections.abc import Callable
from types import CodeType
from typing import Any

from gradcheck_cli.implementation.calling import call, name_of
from gradcheck_cli.implementation.conventions.slots import MisfitError, is_cotangent, parameters_of
from gradcheck_cli.implementation.conventions.source import takes_variables
from gradcheck_cli.implementation.conventions.tensors import is_of_torch, uses_tensors
from gradcheck_cli.implementation.conventions.variables import OPERATIONS, boxed_operation, boxed_passes, signed
from gradcheck_cli.implementation.vocabulary.vocabulary import word

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


#: What a backward pass is called that is defined within the forward pass.
_INNER = ("backward", "back", "bwd", "bw", "bprop", "backprop", "vjp", "vjpfun", "pullback", "pb", "grad", "gradient")


def expanded(objects: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a forward and a backward pass for what makes or holds them: closures, and classes of static passes.

    Of more than two functions the first is forward, and each other has the gradient of one input.
    """
    if len(objects) > 2:
        return objects[0], _joined(objects[1:])
    if inspect.isclass(objects[0]):
        return static_passes(objects[0]) or boxed_passes(objects[0]) or objects
    return _with_backward(objects) if len(objects) == 1 else (objects[0], _called_twice(objects[1]))


def _called_twice(maker: Any) -> Any:
    """Return one backward pass for a function that returns one, given what forward is given; any other as it is."""
    inner = None if hasattr(maker, "__wrapped__") else _inner_backward(maker)
    cotangents = inner.co_varnames[: inner.co_argcount] if inner else ()
    if inner is None or any(is_cotangent(p.name) or p.name in cotangents for p in parameters_of(maker)):
        return maker

    def backward(*arguments: Any) -> Any:
        return call(call(maker, *arguments[len(cotangents) :]), *arguments[: len(cotangents)])

    return signed(backward, maker, [*cotangents, *parameters_of(maker)])


def _joined(functions: tuple[Any, ...]) -> Any:
    """Return one backward pass for functions of one gradient each, which it returns in a dictionary by their parts."""
    taken = {function: parameters_of(function) for function in functions}
    union = {p.name: p for parameters in taken.values() for p in reversed(parameters)}

    def backward(**named: Any) -> Any:
        return {
            part_of(name_of(function)): call(function, **{p.name: named[p.name] for p in parameters if p.name in named})
            for function, parameters in taken.items()
        }

    ordered = sorted(union.values(), key=lambda p: not is_cotangent(p.name))
    arguments = [p.replace(kind=p.KEYWORD_ONLY) for p in ordered]
    return signed(backward, functions[0], arguments, " and ".join(map(name_of, functions)))


#: Words for the inputs in the names of functions of one gradient.
_PARTS = {
    *("x", "w", "b", "input", "inputs", "data", "weight", "weights", "kernel", "kernels", "filter", "filters", "bias"),
    *("gamma", "beta", "q", "k", "v", "query", "key", "value", "scale", "shift", "table", "embedding"),
}


def part_of(name: str) -> str:
    """Return the input of which a function has the gradient by its name, `conv_dw` or `conv_backward_input`; or ""."""
    last = next((w for w in reversed(name.lower().split("_")) if w and not w.isdecimal()), "")
    return next((part for part in (last, last[1:] if last.startswith("d") else "") if part in _PARTS), "")


def static_passes(cls: type) -> tuple[Any, ...] | None:
    """Return the passes of a class that are called without an instance, as those of `autograd.Function`; or None.

    Where forward takes no context, `setup_context(ctx, inputs, output)` fills it.
    """
    static = staticmethod, classmethod
    try:
        passes = class_passes(cls)
    except MisfitError:
        return None
    if not all(isinstance(inspect.getattr_static(cls, name, None), static) for name in passes):
        return None
    forward, backward = (getattr(cls, name) for name in passes)
    fills = next((vars(base)["setup_context"] for base in cls.__mro__ if "setup_context" in vars(base)), None)
    if not isinstance(fills, static) or is_of_torch(fills.__func__):
        return forward, backward

    def with_context(ctx: Any, *arguments: Any) -> Any:
        output = forward(*arguments)
        cls.setup_context(ctx, arguments, output)  # type: ignore[attr-defined]
        return output

    return signed(with_context, forward, ["ctx", *inspect.signature(forward).parameters.values()]), backward


def _with_backward(objects: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a forward and a backward pass for a function that makes its backward pass, or the function as it is.

    What it returns beside its output is the cache, and backward calls that.
    """
    inner = _inner_backward(objects[0])
    if inner is None or "cache" in inner.co_varnames[: inner.co_argcount]:  # such as what makes both passes
        return objects
    if boxed := boxed_operation(objects[0]):
        return boxed

    def backward(*arguments: Any) -> Any:
        *cotangents, made = arguments
        return call(made, *cotangents)

    name = "backward" if inner.co_name == "<lambda>" else inner.co_name
    return objects[0], signed(backward, objects[0], [*inner.co_varnames[: inner.co_argcount], "cache"], name)


def needs_adapter(cls: Any) -> bool:
    """Tell whether a class has passes that only its framework can call, or a function takes its variables.

    They are those of an operation on unknown variables, or of variables of which each operator has its own backward.
    """
    if not inspect.isclass(cls):
        return takes_variables(cls) and not uses_tensors(cls)
    # Only what is there is looked at: for what a class lacks a metaclass may raise anything.
    forward, compute, gradient = (inspect.getattr_static(cls, name, None) for name in ("forward", *OPERATIONS[1]))
    if inspect.isfunction(forward) and takes_variables(forward) and not uses_tensors(cls):
        return not boxed_passes(cls)
    code = getattr(compute, "__code__", None)
    if code and gradient:
        return set(code.co_names) != {"NotImplementedError"}  # that of a base class is not written
    return "backward" in vars(cls) and any(map(makes_backward, vars(cls).values()))


def operations_in(cls: type) -> dict[str, Any]:
    """Return the methods of a class of variables that define their own backward pass, by `Class.method`."""
    found = {name: value for name, value in vars(cls).items() if inspect.isfunction(value) and makes_backward(value)}
    return {f"{cls.__name__}.{name}": one for name, one in found.items() if boxed_operation(one)}


def makes_backward(function: Callable[..., Any]) -> bool:
    """Tell whether a function has a function in it that may be its backward pass."""
    return _inner_backward(function) is not None


def _inner_backward(function: Callable[..., Any]) -> CodeType | None:
    """Return the code of the inner function that is called like a backward pass, or else takes a cotangent."""
    if not inspect.isfunction(function):
        return None
    code = getattr(inspect.unwrap(function), "__code__", None)  # what is wrapped may be compiled
    codes = [
        one
        for one in (code.co_consts if code else ())
        if isinstance(one, CodeType) and not one.co_name.startswith("<gen")
    ]
    named = [one for one in codes if word(one.co_name) in _INNER]
    taking = [one for one in codes if one.co_argcount and is_cotangent(one.co_varnames[0])]
    return next(iter(named or taking), None)
