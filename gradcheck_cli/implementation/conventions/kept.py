"""The arrays that an object keeps: the paths that lead to each, its name, and the places where it is put."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import Place
from gradcheck_cli.implementation.conventions.inside import Path, arrays_in, value_at
from gradcheck_cli.implementation.vocabulary.vocabulary import word


def shared_paths(holder: object) -> list[tuple[Path, ...]]:
    """List the arrays of floating point that can be replaced in an object, each by all paths that lead to it."""
    found: dict[int, list[Path]] = {}
    for path, array in arrays_in(holder).items():
        if isinstance(array, np.ndarray) and array.size and not isinstance(value_at(holder, path[:-1]), tuple):
            found.setdefault(id(array), []).append(path)
    return list(map(tuple, found.values()))


def places_of(holder: object, paths: Iterable[Path]) -> list[Place]:
    """Return the places that paths lead to."""
    return [Place(value_at(holder, path[:-1]), path[-1]) for path in paths]


def short_names(arrays: list[tuple[Path, ...]], taken: set[str]) -> dict[str, tuple[Path, ...]]:
    """Name arrays after their attributes, and those of one name after the whole path."""
    paths = [min(one, key=lambda path: (isinstance(path[-1], int), len(path))) for one in arrays]
    words = [[re.sub(r"^_\w+?__(?=\w)", "", str(key)).strip("_") for key in path] for path in paths]
    words = [one[:-1] if len(one) > 1 and word(one[-1]) in ("value", "data", "val") else one for one in words]
    leaves = [one[-1] for one in words]
    names: dict[str, tuple[Path, ...]] = {}
    for number, one in enumerate(words):
        name = one[-1] if leaves.count(one[-1]) == 1 and one[-1].isidentifier() else "_".join(one)
        names[name if name.isidentifier() and name not in {*taken, *names} else f"parameter_{number}"] = arrays[number]
    return names
