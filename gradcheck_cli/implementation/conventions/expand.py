"""Both passes of what makes or holds them: functions that return their backward pass, classes of static passes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import CodeType
from typing import Any

from gradcheck_cli.implementation.calling import call, name_of
from gradcheck_cli.implementation.conventions.boxes import OPERATIONS, boxed_operation, boxed_passes, signed
from gradcheck_cli.implementation.conventions.methods import class_passes
from gradcheck_cli.implementation.conventions.slots import MisfitError, is_cotangent, parameters_of
from gradcheck_cli.implementation.conventions.source import takes_variables
from gradcheck_cli.implementation.conventions.tensors import is_of_torch, uses_tensors
from gradcheck_cli.implementation.vocabulary.vocabulary import word

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
