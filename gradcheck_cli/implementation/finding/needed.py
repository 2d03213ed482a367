"""What code needs that is not there."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

from gradcheck_cli.implementation.conventions.methods import class_passes
from gradcheck_cli.implementation.conventions.slots import SIZE
from gradcheck_cli.implementation.finding.inventory import Offer
from gradcheck_cli.implementation.loading.missing import missing_module_of, names_read


def module_needed_by(objects: Iterable[Any]) -> str:
    """Name the module that is not there which functions, or the passes of classes, need; "" for none."""
    for value in objects:
        names = ("__init__", *class_passes(value)) if inspect.isclass(value) else ()
        functions = filter(inspect.isfunction, (value, *(getattr(value, name, None) for name in names)))
        read = (function.__globals__.get(name) for function in functions for name in names_read(function))
        if found := next(filter(None, map(missing_module_of, (*getattr(value, "__orig_bases__", ()), *read))), ""):
            return found
    return ""


def size_read(objects: Iterable[Any]) -> str:
    """Write the length that a function reads from its file in place of an argument, such as `N = 1000`; "" for none."""
    for function in filter(inspect.isfunction, objects):
        for name in names_read(function):
            value = function.__globals__.get(name)
            if SIZE.match(name) and isinstance(value, int) and value > 1:
                return f"{name} = {value}"
    return ""


def install_first(module: str, offer: Offer) -> str:
    """Say what to install before an offer can be checked."""
    return f"it needs {module}, which is not installed; install it, and type gradcheck {offer.spec}"
