"""Tells code that is installed from the user's own."""

from __future__ import annotations

import sysconfig

_INSTALLED = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def in_library(filename: str) -> bool:
    """Tell whether a file belongs to Python or to an installed package."""
    return filename.startswith(_INSTALLED) or filename.startswith("<frozen")
