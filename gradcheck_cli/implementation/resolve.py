"""Turn whatever `check` is given in Python into an implementation."""

from __future__ import annotations

from gradcheck_cli.implementation.built_in import built_in
from gradcheck_cli.implementation.implementation import Implementation
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer


def resolve(given: object, layer: Layer, case: Case | None = None) -> Implementation:
    """Return the implementation that is meant in Python.

    Args:
        given: an implementation, what the command line takes, or functions or a class; None for the built-in one.
        layer: what it computes.
        case: of a layer without a reference, the case on which readings are tried.

    Raises:
        ImplementationNotFoundError: there is none, or several.
        TypeError: functions do not say what they take, or are too many.
    """
    if isinstance(given, Implementation):
        return given
    given = next(iter(layer.builtin)) if given is None else given
    if isinstance(given, str) and given in layer.builtin:
        return built_in(layer, given)
    if isinstance(given, str):
        from gradcheck_cli.implementation.finding.find import find  # 30 ms, and only for code that is named

        return find(given, layer, case=case)
    from gradcheck_cli.implementation.from_python import from_functions

    return from_functions(given if isinstance(given, tuple) else (given,), layer, case=case)
