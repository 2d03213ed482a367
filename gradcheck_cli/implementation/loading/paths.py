"""Files and folders that a user has typed, which are never opened unless they are regular."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

#: Of files of Python, and notebooks.
SUFFIXES = (".py", ".ipynb")

#: Between the files of passes that are in two of them.
_AND = "+"

#: Bytes of a file that is taken for source code.
_LARGEST = 2**26


def split_spec(spec: str) -> tuple[str, list[str]]:
    """Split `layers.py:forward,backward` into the file and the names; `C:/layers.py` has none."""
    if spec.endswith(SUFFIXES):
        return spec, []
    home, colon, names = spec.rpartition(":")
    if not colon or "/" in names or "\\" in names:
        return spec, []
    return home, [name.strip() for name in names.split(",")]


def shown_home(home: str) -> str:
    """Return a file or folder as results name it: without a slash at the end, and not like a flag when it is typed."""
    home = home.rstrip("/") or home
    return f"./{home}" if home.startswith("-") else home


def join_homes(homes: Iterable[str]) -> str:
    """Name several files as one place: `conv_forward.py+conv_backward.py`."""
    return _AND.join(dict.fromkeys(homes))


def files_of(home: str) -> list[str]:
    """Return the files of a place that is made of several; any other place as it is."""
    parts = home.split(_AND)
    return parts if len(parts) > 1 and all(part.endswith(SUFFIXES) for part in parts) else [home]


def is_file(path: Path) -> bool:
    """Tell whether a path is one of a regular file; a name that no file can have is none."""
    return _has_mode(path, stat.S_ISREG)


def is_folder(path: Path) -> bool:
    """Tell whether a path is one of a folder."""
    return _has_mode(path, stat.S_ISDIR)


def why_unreadable(path: Path) -> str | None:
    """Say what a path is instead of a file that can be read; None if it is one, or if nothing is there."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return "a link that leads nowhere" if _has_mode(path, stat.S_ISLNK, follow=False) else None
    if stat.S_ISDIR(mode):
        return "a folder"
    if not stat.S_ISREG(mode):
        return "no regular file"
    return None if os.access(path, os.R_OK) else "a file that cannot be read"


def read_source(path: Path) -> bytes:
    """Read a file that may be source code. Of the system's own files some have no end, and others wait for one.

    Raises:
        OSError: it cannot be read, or is too large for source code.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        text: bytes | None = file.read(_LARGEST + 1)  # None where there is nothing yet
    if text is None:
        raise BlockingIOError(errno.EAGAIN, "nothing can be read from it now")
    if len(text) > _LARGEST:
        raise OSError(errno.EFBIG, "it is too large for source code")
    return text


def _has_mode(path: Path, is_mode: Callable[[int], bool], *, follow: bool = True) -> bool:
    try:
        return is_mode(path.stat(follow_symlinks=follow).st_mode)
    except (OSError, ValueError):  # too long a name, a loop of links; a null character
        return False
