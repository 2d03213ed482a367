"""Operations of small frameworks, which compute with variables of their own: arrays are put into these, and taken out.

`Square()(Variable(x))` calls forward, and keeps what `backward(gy)` needs; `op.gradient(out_grad, node)` is given the
node that `op(tensor)` made. Both are called as the framework itself calls them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from types import CodeType
from typing import Any

import numpy as np

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.conventions.slots import is_cotangent, parameters_of

#: What the passes of an operation are called, and what a variable calls its array.
OPERATIONS = (("forward", "backward"), ("compute", "gradient"))
_ARRAYS = ("numpy", "cached_data", "data", "value", "array")

#: What is given to a constructor that wants something, such as an exponent.
_NUMBER = 2

_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD


def boxed_passes(cls: type) -> tuple[Any, ...] | None:
    """Return functions of arrays for an operation that is called with variables; None if the class is none."""
    call = inspect.getattr_static(cls, "__call__", None)
    names = next(
        (pair for pair in OPERATIONS if all(inspect.isfunction(getattr(cls, name, None)) for name in pair)), None
    )
    box = _box_of(call) if inspect.isfunction(call) and names else None
    if names is None or box is None:
        return None
    taken = list(inspect.signature(getattr(cls, names[0])).parameters.values())[1:]
    count = sum(parameter.default is parameter.empty for parameter in parameters_of(cls))
    comes_in = [*inspect.signature(getattr(cls, names[1])).parameters][1:]
    by_node = names[1] == "gradient"

    def forward(*arrays: Any) -> Any:
        operation = cls(*[_NUMBER] * count)
        out = operation(*map(box, arrays))
        return _unboxed(out), (operation, out)  # a variable that nobody keeps may be forgotten

    def backward(*arguments: Any) -> Any:
        *cotangents, (operation, out) = arguments
        if by_node:
            return _unboxed(operation.gradient(box(cotangents[0]), out))
        return _unboxed(_called(operation.backward, cotangents, box))

    return (
        signed(forward, cls, [parameter.name for parameter in taken if parameter.kind is _EITHER]),
        signed(backward, getattr(cls, names[1]), [*(comes_in[:1] if by_node else comes_in), "cache"]),
    )


def boxed_operation(function: Callable[..., Any]) -> tuple[Any, ...] | None:
    """Return functions of arrays for one that computes with variables, each of which knows its backward pass; or None.

    `relu(a)` returns `Tensor(out, (a,), back)`, or a method sets `out._backward`: of variables, or of a layer.
    """
    box = _box_of(function) if inspect.isfunction(function) else None
    if box is None or (called := _called_on_layer(function, box)) is None:
        return None
    has_flag = "requires_grad" in inspect.signature(box).parameters
    flag = {"requires_grad": True} if has_flag else {}

    def forward(*arguments: Any) -> Any:
        is_real = [isinstance(one, np.ndarray | np.floating) and one.dtype.kind == "f" for one in arguments]
        given = [box(one, **flag) if real else one for one, real in zip(arguments, is_real, strict=True)]
        out = (_called_on_layer(function, box) or function)(*given)  # one call leaves nothing to another
        return _unboxed(out), (given, out)

    def backward(dout: Any, cache: Any) -> Any:
        given, out = cache
        variables = [*_variables([*given, out], box, {})]
        for one in variables:  # they add up gradients, on purpose
            one.grad = box(_unboxed(one), **flag).grad
        _backpropagate(variables, box, dout)
        return tuple(_unboxed(getattr(one, "grad", None)) for one in given if isinstance(one, box))  # type: ignore[arg-type]

    names = [p.name for p in inspect.signature(called).parameters.values() if p.kind is _EITHER]
    whole = signed(forward, function, names)
    del whole.__wrapped__  # its source looks into variables, and this takes arrays
    return whole, signed(backward, function, ["dout", "cache"], "backward")


def _called_on_layer(function: Callable[..., Any], box: Any) -> Callable[..., Any] | None:
    """Return a method of a class of layers of a new layer, or None if none can be made; any other function as it is."""
    owner = function.__globals__.get(function.__qualname__.rpartition(".")[0])
    if not inspect.isclass(owner) or issubclass(box, owner):
        return function
    try:
        return getattr(owner(), function.__name__)  # type: ignore[no-any-return]
    except BaseException as error:  # noqa: BLE001  # user code may raise anything
        pass_on_interrupt(error)
        return None


def _variables(value: Any, box: Any, found: dict[int, Any]) -> Iterator[Any]:
    """Yield variables, each after those that it was computed from."""
    if isinstance(value, box) and id(value) not in found:
        found[id(value)] = value
        yield from _variables([*vars(value).values()], box, found)
        yield value
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from _variables(one, box, found)


def _backpropagate(variables: list[Any], box: Any, dout: Any) -> None:
    """Call the backward pass of the last variable, or where that cannot be told the cotangent those of all."""
    out = variables[-1]
    taken = parameters_of(out.backward)
    if taken and is_cotangent(taken[0].name):
        _called(out.backward, [dout], box)
        return
    out.grad = dout
    for one in reversed(variables):
        for own in [value for value in vars(one).values() if inspect.isfunction(value)][:1]:
            own(*[one.grad for p in parameters_of(own) if p.default is p.empty])


def _called(backward: Callable[..., Any], cotangents: list[Any], box: Any) -> Any:
    """Call a backward pass with arrays, or with variables where it computes gradients with these as well."""
    try:
        return backward(*cotangents)
    except (AttributeError, TypeError):
        return backward(*map(box, cotangents))


def signed(function: Any, written: Any, arguments: Sequence[str | inspect.Parameter], name: str = "") -> Any:
    """Give a function that was made a signature and a name, and say where it is written."""
    function.__name__, function.__wrapped__ = name or written.__name__, written
    parameters = [inspect.Parameter(one, _EITHER) if isinstance(one, str) else one for one in arguments]
    function.__signature__ = inspect.Signature(parameters)
    return function


def _box_of(call: Callable[..., Any]) -> Callable[[Any], Any] | None:
    """Return the class of variables that a method makes, itself or in a function that it calls."""
    mentioned = _mentioned(call)
    mentioned += [value for one in mentioned if inspect.isfunction(one) for value in _mentioned(one)]
    return next((one for one in mentioned if inspect.isclass(one) and _is_box(one)), None)


def _mentioned(function: Any) -> list[Any]:
    """List what a function takes from its file, the comprehensions in it too."""
    inner = [constant for constant in function.__code__.co_consts if isinstance(constant, CodeType)]
    names = [name for code in (function.__code__, *inner) for name in code.co_names]
    return [function.__globals__[name] for name in names if name in function.__globals__]


def _is_box(cls: Callable[[Any], Any]) -> bool:
    array = np.arange(3.0)
    try:
        return not issubclass(cls, np.ndarray) and np.array_equal(_unboxed(cls(array)), array)  # type: ignore[arg-type]
    except BaseException as error:  # noqa: BLE001  # user code may raise anything
        pass_on_interrupt(error)
        return False


def _unboxed(value: Any) -> Any:
    """Return the array in a variable, those of several in a tuple; what is none as it is."""
    if isinstance(value, tuple | list):
        return tuple(map(_unboxed, value))
    if value is None or isinstance(value, np.ndarray | float | int):
        return value
    inner = next((getattr(value, name) for name in _ARRAYS if hasattr(value, name)), None)
    inner = inner() if callable(inner) else inner
    return None if isinstance(inner, type(value)) else _unboxed(inner)
