"""Names in sentences."""

from __future__ import annotations

from collections.abc import Iterable


def join_names(names: Iterable[str]) -> str:
    """Join names as in a sentence: `dx, dw and db`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
