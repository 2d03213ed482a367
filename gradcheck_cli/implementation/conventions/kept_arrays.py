"""The arrays that a network keeps, by their paths, and the places of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import COLLECTIONS, Place
from gradcheck_cli.implementation.conventions.inside import arrays_in, value_at
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Mapping


def kept_arrays(holder: object) -> dict[str, list[Place]]:
    """Find the arrays of floating point that an object keeps: by its first path, all places of one array.

    The name of a dictionary of all parameters is no part of a path: `W1` is in `params`, or an attribute.
    """
    found: dict[int, tuple[str, list[Place]]] = {}
    for keys, array in arrays_in(holder).items():
        owner = value_at(holder, keys[:-1])
        if not isinstance(array, np.ndarray) or not array.size or isinstance(owner, tuple):
            continue
        is_entry = len(keys) > 1 and word(str(keys[0])) in COLLECTIONS and isinstance(keys[1], str)
        path = ".".join(str(key).replace(".", "_") for key in keys[is_entry:])
        found.setdefault(id(array), (path, []))[1].append(Place(owner, keys[-1]))
    return dict(found.values())


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by path as dictionaries in each other."""
    whole: dict[str, Any] = {}
    for path, value in flat.items():
        *above, last = path.split(".")
        inner = whole
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return whole
