"""What the source of a function says of its arguments: sizes that must be equal, and entries that they must have."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from gradcheck_cli.implementation.conventions.tensors import is_of_torch

#: What is around the name of a value that is returned: `float(np.mean(loss))`.
_NO_VALUES = ("np", "numpy", "torch", "float", "sum", "len")


def sets_on_context(function: object) -> bool:
    """Tell whether a method beside a static pass sets settings as attributes of its context, by `setattr`."""
    space, called = getattr(function, "__globals__", {}), getattr(function, "__qualname__", "")
    bases = getattr(space.get(called.partition(".")[0]), "__mro__", ())
    methods = [getattr(one, "__func__", one) for base in bases for one in vars(base).values()]
    own = [one for one in methods if inspect.isfunction(one) and not is_of_torch(one)]
    return any("setattr" in one.__code__.co_names for one in own)


@lru_cache(maxsize=32)  # asked for in each call of forward
def equal_sizes(function: Callable[..., object]) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    """List what a function says of its arguments by `(f, f, channels, filters) = W.shape`: for square kernels only.

    Returns:
        the argument, the places of its axes that must be equal, and the statement that says so.
    """
    found = []
    for node in ast.walk(_tree(function)):
        match node:
            case ast.Assign(
                targets=[ast.Tuple(elts=parts) | ast.List(elts=parts)],
                value=ast.Attribute(value=ast.Name(id=argument), attr="shape"),
            ):
                names = [part.id if isinstance(part, ast.Name) else "" for part in parts]
                for name in dict.fromkeys(names):
                    places = tuple(k for k, other in enumerate(names) if other == name)
                    if len(places) > 1 and name.strip("_") and all(names):
                        found.append((argument, places, ast.unparse(node)))
    return tuple(found)


def entries_of(function: Callable[..., object], argument: str) -> tuple[str | int, ...]:
    """List what a function looks up in an argument, in its order: `p["W"]`, `p.W`, or `W, b = p` and `p[0]`.

    Places are given only if there are at least two, from 0 on: of one array one element may be looked up.
    """
    found: dict[object, None] = {}
    for node in ast.walk(_tree(function)):
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=key)) if name == argument:
                found[key] = None
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[ast.Constant(value=key), *_]
            ) if name == argument:
                found[key] = None
            case ast.Compare(left=ast.Constant(value=key), comparators=[ast.Name(id=name)]) if name == argument:
                found[key] = None
            case ast.Attribute(value=ast.Name(id=name), attr=key) if name == argument:
                found |= {} if hasattr(np.ndarray, key) or hasattr(dict, key) else {key: None}
            case ast.Assign(targets=[ast.Tuple(elts=parts) | ast.List(elts=parts)], value=ast.Name(id=name)) if (
                name == argument
            ):
                found |= dict.fromkeys(range(len(parts)))
    places = sorted(key for key in found if isinstance(key, int))
    if len(places) > 1 and places == [*range(len(places))]:
        return tuple(places)
    return tuple(key for key in found if isinstance(key, str))


def looks_up_names(function: Callable[..., object], argument: str) -> bool:
    """Tell whether a function looks up entries in an argument by names, also by those that it puts together."""
    keys = (
        node.slice
        for node in ast.walk(_tree(function))
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == argument
    )
    return any(isinstance(part, ast.Constant) and isinstance(part.value, str) for key in keys for part in ast.walk(key))


def takes_variables(function: Callable[..., object]) -> bool:
    """Tell whether a function takes objects that hold an array, as a framework's variables do: it says `x.data.T`."""
    tree = _tree(function)
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return any(
        isinstance(node, ast.Attribute)
        and node.attr in ("data", "grad")
        and isinstance(node.value, ast.Name)
        and node.value.id in arguments - {"self", "cls", "ctx"}
        for node in ast.walk(tree)
    )


def only_looks_up(function: Callable[..., object], argument: str) -> bool:
    """Tell whether a function does nothing with an argument but look up entries under names that are written out."""
    nodes = [*ast.walk(_tree(function))]
    uses = sum(isinstance(node, ast.Name) and node.id == argument for node in nodes)
    for node in nodes:
        match node:
            case (
                ast.Subscript(value=ast.Name(id=name), slice=ast.Constant())
                | ast.Attribute(value=ast.Name(id=name), attr="get" | "setdefault")
                | ast.Compare(left=ast.Constant(), comparators=[ast.Name(id=name)])
                | ast.Compare(left=ast.Name(id=name), comparators=[ast.Constant(value=None)])
            ):
                uses -= name == argument
    return uses == 0


def returned_names(function: Callable[..., object]) -> tuple[str, ...]:
    """Name what the last `return` of a function returns, also in tuples, "" for what has no name; () for nothing."""
    returns = [node.value for node in ast.walk(_tree(function)) if isinstance(node, ast.Return) and node.value]
    last = max(returns, key=lambda value: value.lineno, default=None)
    return tuple(_names_in(last)) if last is not None else ()


def returns_one_value(function: Callable[..., object]) -> bool:
    """Tell whether a function returns one value by its source: an expression, or what a library computes."""
    nodes = [*ast.walk(_tree(function))]
    returned = [node.value for node in nodes if isinstance(node, ast.Return) and node.value]
    assigned = {
        target.id: node.value
        for node in nodes
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    values = [assigned.get(value.id, value) if isinstance(value, ast.Name) else value for value in returned]
    computed = (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) for value in values)
    return bool(values) and all(
        one or isinstance(value, ast.BinOp | ast.UnaryOp) for one, value in zip(computed, values, strict=True)
    )


def _names_in(returned: ast.expr) -> Iterator[str]:
    if isinstance(returned, ast.Tuple | ast.List):
        for part in returned.elts:
            yield from _names_in(part)
    else:
        names = (node.id for node in ast.walk(returned) if isinstance(node, ast.Name))
        yield next((name for name in names if name not in _NO_VALUES), "")


@lru_cache(maxsize=64)
def _tree(function: Callable[..., object]) -> ast.AST:
    """Parse the source of a function; nothing if it cannot be found."""
    try:
        return ast.parse(textwrap.dedent(source_of(function)))
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module(body=[], type_ignores=[])


def source_of(function: object) -> str:
    """Return the source of a function; "" if it cannot be found."""
    try:
        return inspect.getsource(function)  # type: ignore[arg-type]  # of anything else it raises TypeError
    except (OSError, TypeError):
        return ""
