"""The arrays inside of an object, at any depth, by the path that leads to each."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck_cli.guard.clock import pass_on_interrupt

#: Names of attributes, keys of dictionaries and numbers in lists.
Path = tuple[str | int, ...]

_DEEPEST = 5
_MOST = 400  #: values that are looked at
_CLOSED = (type, types.ModuleType, types.FunctionType, types.MethodType, types.BuiltinFunctionType, np.random.Generator)


def arrays_in(holder: object) -> dict[Path, Any]:
    """Return the arrays of floating point in an object, and NumPy's numbers; of one in several places, each place."""
    found: dict[Path, Any] = {}
    _gather(holder, (), found, [], set())
    return found


def _gather(value: object, path: Path, found: dict[Path, Any], looked: list[None], above: set[int]) -> None:
    looked.append(None)
    if isinstance(value, np.ndarray | np.floating):
        if value.dtype.kind == "f":
            found[path] = value
    elif len(looked) < _MOST and len(path) < _DEEPEST and id(value) not in above:
        for key, entry in _entries(value):
            _gather(entry, (*path, key), found, looked, above | {id(value)})


def _entries(value: object) -> Iterator[tuple[str | int, object]]:
    """Yield what is one level down: entries, or attributes, those of the class left out."""
    if isinstance(value, dict):
        yield from ((key, entry) for key, entry in value.items() if isinstance(key, str | int))
    elif isinstance(value, list | tuple):
        yield from enumerate(value)
    elif not isinstance(value, _CLOSED):
        yield from attributes(value).items()


def value_at(holder: object, path: Path) -> Any:
    """Return what is at a path; None if nothing is."""
    for key in path:
        if isinstance(holder, dict):
            holder = holder.get(key)
        elif isinstance(holder, list | tuple):
            holder = holder[key] if isinstance(key, int) and key < len(holder) else None
        else:
            holder = attributes(holder).get(str(key))
    return holder


def attributes(holder: object) -> dict[str, Any]:
    """Return what an object keeps in attributes; nothing if it has none, or cannot be asked."""
    try:
        return dict(vars(holder))
    except BaseException as error:  # noqa: BLE001  # `__getattribute__` is the user's code
        pass_on_interrupt(error)
        return {}
