"""The arrays that an object keeps, in attributes, dictionaries, lists and objects inside of it, by their paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import COLLECTIONS, Place, attributes
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Iterator

    Keys = tuple[str, ...]

#: How deep is looked: a network, a list of blocks, a list of layers, a dictionary of parameters.
_DEPTH = 6


def kept_arrays(holder: object) -> dict[str, list[Place]]:
    """Find the arrays of floating point that an object keeps: by its first path, all places of one array.

    The name of a dictionary of all parameters is no part of a path: `W1` is in `params`, or an attribute.
    """
    found: dict[int, tuple[str, list[Place]]] = {}
    for keys, place in _arrays(holder, (), set(), _DEPTH):
        shown = keys[1:] if len(keys) > 1 and word(keys[0]) in COLLECTIONS and not keys[1].isdecimal() else keys
        path = ".".join(key.replace(".", "_") for key in shown)
        found.setdefault(id(place.get()), (path, []))[1].append(place)
    return dict(found.values())


def nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Return values by path as dictionaries in each other."""
    whole: dict[str, Any] = {}
    for path, value in flat.items():
        *above, last = path.split(".")
        inner = whole
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return whole


def _arrays(
    holder: object, above: tuple[str, ...], seen: set[int], depth: int
) -> Iterator[tuple[tuple[str, ...], Place]]:
    if id(holder) in seen or depth == 0:
        return
    seen.add(id(holder))
    if isinstance(holder, dict):
        entries: list[tuple[Any, Any]] = list(holder.items())
    elif isinstance(holder, list):
        entries = list(enumerate(holder))
    else:
        entries = list(attributes(holder).items())
    for key, value in entries:
        if not isinstance(key, str | int):
            continue
        if isinstance(value, np.ndarray):
            if value.dtype.kind == "f" and value.size:
                yield (*above, str(key)), Place(holder, key)
        elif isinstance(value, dict | list) or _is_object(value):
            yield from _arrays(value, (*above, str(key)), seen, depth - 1)


def _is_object(value: object) -> bool:
    """Tell whether a value is an object of a class of the user's, and neither a class nor a function."""
    home = type(value).__module__.partition(".")[0]
    return home not in ("builtins", "functools", "numpy") and not isinstance(value, type) and bool(attributes(value))
