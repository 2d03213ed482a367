"""Puts off the import of NumPy until something is computed, so that `--help` and a mistyped flag answer at once."""

from __future__ import annotations

import importlib.util
import sys


def import_later(name: str) -> None:
    """Let `import name` succeed at once and be carried out when the module is first used.

    For programs, not for libraries: it is a change to the whole process. A module that is imported already, or is not
    there to be imported, is left as it is.
    """
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
