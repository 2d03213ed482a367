"""Code that is written for equal sizes alone: it unpacks the shape of an argument into one name twice."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    #: The argument, the places of its axes that must be equal, and the statement that says so.
    Demand = tuple[str, tuple[int, ...], str]


@lru_cache(maxsize=32)
def equal_sizes(function: Callable[..., object]) -> tuple[Demand, ...]:
    """List what a function says of its arguments by `(f, f, channels, filters) = W.shape`: for square kernels only."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError, RecursionError):
        return ()
    return tuple(_demands(tree))


def _demands(tree: ast.AST) -> Iterator[Demand]:
    for node in ast.walk(tree):
        match node:
            case ast.Assign(
                targets=[ast.Tuple(elts=parts) | ast.List(elts=parts)],
                value=ast.Attribute(value=ast.Name(id=argument), attr="shape"),
            ):
                names = [part.id if isinstance(part, ast.Name) else "" for part in parts]
                for name in dict.fromkeys(names):
                    places = tuple(k for k, other in enumerate(names) if other == name)
                    if len(places) > 1 and name.strip("_") and all(names):
                        yield argument, places, ast.unparse(node)
