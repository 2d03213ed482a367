"""Puts off the import of NumPy until something is computed, so that `--help` and a mistyped flag answer at once."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType


class _Later(ModuleType):
    """Stands in for a module until the first attribute of it is asked for."""

    def __getattr__(self, attribute: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        value = getattr(importlib.import_module(self.__name__), attribute)
        setattr(self, attribute, value)  # the next time it is found without coming here
        return value


def import_later(name: str) -> None:
    """Let `import name` succeed at once and be carried out when the module is first used.

    For programs, not for libraries: it is a change to the whole process. A module that is imported already, or that
    is not there to be imported, is left as it is. (The standard library's `LazyLoader` does not serve: up to Python
    3.11 at least, an `import` statement asks the stand-in for its `__spec__`, and that already loads it.)
    """
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is not None:
        stand_in = _Later(name)
        stand_in.__spec__ = spec
        sys.modules[name] = stand_in
