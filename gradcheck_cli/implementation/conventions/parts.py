"""The parts of an object: objects that it keeps with a pass of the same name, such as the layers of a recurrent one."""

from __future__ import annotations

import contextlib
import copy
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import Path, arrays_in, attributes, is_equal, put, value_at
from gradcheck_cli.numeric.arrays import Array


@contextlib.contextmanager
def last_calls(holder: object, method: object) -> Iterator[dict[Path, Array]]:
    """Gather in a block what parts keep of the last of several calls of a method, and of that alone, by where it is."""
    calls: Counter[Path] = Counter()
    kept: dict[Path, Array] = {}
    parts = _parts_of(holder, method) if isinstance(method, str) else {}

    def watch(path: Path, part: Any) -> None:
        function = getattr(part, str(method))

        def call(*args: Any, **kwargs: Any) -> Any:
            calls[path] += 1
            if calls[path] > 1:
                written = _written_anew(part, str(method), args, kwargs)
                kept.update({(*path, *rest): array for rest, array in written.items()})
            return function(*args, **kwargs)

        vars(part)[method] = call

    for path, part in parts.items():
        watch(path, part)
    try:
        yield kept
    finally:
        for part in parts.values():
            vars(part).pop(method, None)


def _parts_of(holder: object, method: str) -> dict[Path, Any]:
    found: dict[Path, Any] = {}
    for name, value in attributes(holder).items():
        several = enumerate(value) if isinstance(value, list | tuple) else ()
        found |= {(name, number): one for number, one in several} | {(name,): value}
    return {path: one for path, one in found.items() if callable(getattr(type(one), method, None)) and attributes(one)}


def _written_anew(part: object, method: str, args: Any, kwargs: Any) -> dict[Path, Array]:
    """Return the arrays that a call would write without regard to what was there: they are not sums of all calls."""

    def after(spoilt: list[Path]) -> dict[Path, Array]:
        twin = copy.copy(part)
        vars(twin).pop(method, None)
        twin = copy.deepcopy(twin)
        for path in spoilt:
            put(twin, path, np.full_like(value_at(twin, path), np.nan))
        getattr(twin, method)(*copy.deepcopy(args), **copy.deepcopy(kwargs))
        return {path: np.array(value) for path, value in arrays_in(twin).items()}

    try:
        found, before = after([]), arrays_in(part)
        changed = [path for path, array in found.items() if path in before and not is_equal(array, before[path])]
        again = after(changed)
    except Exception:  # noqa: BLE001  # it has no copies, or reads what was spoilt
        return {}
    return {path: found[path] for path in changed if is_equal(found[path], again.get(path))}
