"""What the checker uses, as it was before user code could replace it; and put back, to report what came of that.

Builtins may be gone when something is put back, so that this does with methods of dictionaries.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import cast

#: Modules whose functions the checker uses, beside its own.
_USED = {
    *("builtins", "math", "os", "random", "time", "numpy", "numpy.random", "numpy.linalg"),
    *("contextlib", "copyreg", "inspect", "json", "linecache", "pickle", "re", "traceback", "types"),
}

_OWN = "gradcheck_cli."


@dataclass(frozen=True)
class _Original:
    """What a module has that can be called, or the table of modules."""

    name: str
    now: dict[str, object]
    before: dict[str, object]


_originals: list[_Original] = []


def remember_originals() -> None:
    """Note what is in the modules that the checker uses, before user code is run."""
    used = {name: module for name, module in sys.modules.items() if name in _USED or f"{name}.".startswith(_OWN)}
    _originals[:] = [
        _Original(name, vars(module), {key: value for key, value in vars(module).items() if callable(value)})
        for name, module in used.items()
    ]
    _originals.append(_Original("sys.modules", cast("dict[str, object]", sys.modules), {**sys.modules}))


def put_back() -> str | None:
    """Put back what user code has replaced or removed, and name the first of it; None if it is all there."""
    found = None
    for one in _originals:
        for name in one.before:
            if found is None and one.now.get(name) is not one.before[name]:
                found = f"{one.name}.{name}"
        one.now.update(one.before)
    return found
