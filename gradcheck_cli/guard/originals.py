"""The functions that the checker uses, as they were before user code could replace them.

They are restored to report what user code has done. Builtins may be missing then, so that this is done by methods of
dictionaries.
"""

from __future__ import annotations

import sys
from typing import NamedTuple, cast

#: Modules whose functions the checker uses, besides its own.
_USED = {
    *("builtins", "math", "os", "random", "time", "numpy", "numpy.random", "numpy.linalg"),
    *("contextlib", "copyreg", "inspect", "json", "linecache", "pickle", "re", "traceback", "types"),
}

_OWN = "gradcheck_cli."


class _Original(NamedTuple):
    """The functions and classes of a module, or the table of modules."""

    name: str
    current: dict[str, object]
    before: dict[str, object]


_originals: list[_Original] = []  # of this process, as its modules are


def remember_originals() -> None:
    """Note the functions of the modules that the checker uses, before user code runs in this process."""
    used = {name: module for name, module in sys.modules.items() if name in _USED or f"{name}.".startswith(_OWN)}
    _originals[:] = [
        _Original(name, vars(module), {key: value for key, value in vars(module).items() if callable(value)})
        for name, module in used.items()
    ]
    _originals.append(_Original("sys.modules", cast("dict[str, object]", sys.modules), {**sys.modules}))


def restore_originals() -> str | None:
    """Restore what user code has replaced or removed; return the name of the first such function, if there is one."""
    replaced = None
    for module in _originals:
        for name in module.before:
            if replaced is None and module.current.get(name) is not module.before[name]:
                replaced = f"{module.name}.{name}"
        module.current.update(module.before)
    return replaced
