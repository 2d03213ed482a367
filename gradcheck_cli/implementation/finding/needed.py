"""What code needs that is not there: a module, an argument in place of a number in its file, an attribute."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

from gradcheck_cli.implementation.calling import quiet
from gradcheck_cli.implementation.conventions.both_passes import class_passes
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import SIZE
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.loading.imports import sources
from gradcheck_cli.implementation.loading.missing import missing_module_of, names_read
from gradcheck_cli.implementation.vocabulary.lookup import probe_problems


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


def attribute_set_elsewhere(reading: Reading, home: str) -> str:
    """Name the attribute for want of which forward of a class raises, if code around it sets that on instances.

    Then the class is not wrong, but a part of a network that prepares it; what nobody sets is a slip.
    """
    problem = probe_problems(reading.layer.name)[0]
    try:
        with quiet():
            implementation_of(reading, "", None).forward(problem.inputs, problem.parameters)
    except (ImplementationError, NotExpressibleError) as error:
        cause = error.__cause__
        if isinstance(cause, AttributeError) and type(cause.obj) is reading.code.cls and isinstance(cause.name, str):
            is_set = re.compile(rf"(?<!self)\.{re.escape(cause.name)}\s*=[^=]".encode()).search
            return cause.name if any(map(is_set, sources(home).values())) else ""
    return ""


def install_first(module: str, spec: str) -> str:
    """Say what to install before code can be checked."""
    return f"it needs {module}, which is not installed; install it, and type gradcheck {spec}"
