"""What code needs that is not there."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.conventions.methods import class_passes
from gradcheck_cli.implementation.loading.missing import missing_of as missing_of_functions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradcheck_cli.implementation.finding.inventory import Offer


def missing_of(objects: Iterable[Any]) -> str:
    """Name the module that is not there which the passes need; "" for none."""
    parts = []
    for value in objects:
        names = ("__init__", *class_passes(value)) if inspect.isclass(value) else ()
        parts += [value, *(getattr(value, name, None) for name in names)]
    return missing_of_functions(parts)


def install_first(module: str, offer: Offer) -> str:
    """Say what to install before an offer can be checked."""
    return f"it needs {module}, which is not installed; install it, and type gradcheck {offer.spec}"
