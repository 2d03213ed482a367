"""Expressions of Python: what they name, call and compute."""

from __future__ import annotations

import ast
from collections.abc import Iterator

#: Calls that make an array of which only the shape matters, or read a number.
_NOTHING_COMPUTED = {
    *("zeros", "zeros_like", "empty", "empty_like", "int", "len", "range", "slice", "copy", "get", "items"),
    *("asarray", "ascontiguousarray", "array", "dict", "list", "tuple", "enumerate", "zip", "ndindex"),
}


#: Calls of which the arguments are only sizes, and methods whose arguments are.
_ONLY_SHAPES = {"zeros", "zeros_like", "empty", "empty_like", "ones", "ones_like", "range", "len"}

_WITH_SHAPES = {"reshape", "transpose", "sum", "mean", "astype", "swapaxes"}


def variable(target: ast.expr) -> str:
    """Name the variable, the attribute of self or the entry of a dictionary that an expression is, or is a part of."""
    match target:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id="self" | "ctx"), attr=attribute):
            return f"self.{attribute}"
        case ast.Subscript(value=value, slice=ast.Constant(value=str(key))):
            return f"{variable(value)}[{key}]"
        case ast.Attribute(value=value) | ast.Subscript(value=value) | ast.Starred(value=value):
            return variable(value)
        case ast.Call(func=ast.Attribute(value=value)):  # dx.reshape(...)
            return variable(value)
        case _:
            return ""


def values_in(expression: ast.expr) -> Iterator[str]:
    """Yield the variables of which the values, and not only the shapes, go into an expression."""
    match expression:
        case ast.Name(id=name):
            yield name
        case ast.Attribute(attr="shape" | "ndim" | "dtype" | "size"):
            return
        case ast.Attribute(value=ast.Name(id="self" | "ctx")):
            yield variable(expression)
        case ast.Subscript(value=value, slice=ast.Constant(value=str())):
            yield variable(expression)
            yield from values_in(value)
        case ast.Subscript(value=value):
            yield from values_in(value)
        case ast.Call():
            yield from _values_in_call(expression)
        case _:
            for child in ast.iter_child_nodes(expression):
                if isinstance(child, ast.expr):
                    yield from values_in(child)
                elif isinstance(child, ast.comprehension):
                    yield from values_in(child.iter)


def _values_in_call(call: ast.Call) -> Iterator[str]:
    called = called_name(call)
    if called in _ONLY_SHAPES:
        return
    is_method = isinstance(call.func, ast.Attribute) and not _is_module(call.func)
    if isinstance(call.func, ast.Attribute):
        yield from values_in(call.func.value)
    for one in () if is_method and called in _WITH_SHAPES else call.args:
        yield from values_in(one)
    for keyword in call.keywords:
        if keyword.arg not in ("axis", "axes", "dtype", "shape", "keepdims"):
            yield from values_in(keyword.value)


def expressions(whole: ast.stmt | ast.expr) -> Iterator[ast.expr]:
    """Yield all expressions within another one, or of a statement without those of the statements within it."""
    pending: list[ast.AST] = [whole]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.expr):
            yield node
        pending += [
            child
            for child in ast.iter_child_nodes(node)
            if not isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)
        ]


def called_name(call: ast.expr | None) -> str:
    """Return the last part of the name of what is called, such as `sum`; empty for what is no call."""
    match call:
        case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)):
            return name
        case _:
            return ""


def _is_module(func: ast.Attribute) -> bool:
    return isinstance(func.value, ast.Name) and func.value.id in ("np", "numpy", "jnp", "torch", "cp", "onp", "xp")


def is_plain(value: ast.expr) -> bool:
    """Tell whether an expression only names, unpacks or copies, or makes an empty array."""
    match value:
        case ast.Name() | ast.Constant():
            return True
        case ast.Attribute(value=inner, attr=attribute):
            return attribute != "T" and is_plain(inner)
        case ast.Subscript(value=inner) | ast.Starred(value=inner):
            return is_plain(inner)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return all(map(is_plain, elements))
        case ast.Dict(values=values):
            return all(map(is_plain, values))
        case ast.IfExp(body=one, orelse=other):
            return is_plain(one) and is_plain(other)
        case ast.Call():
            return called_name(value) in _NOTHING_COMPUTED
        case _:
            return False


def names_in(expression: ast.AST) -> set[str]:
    """Return the names in an expression."""
    return {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
