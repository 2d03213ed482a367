"""The processes that a process has started, and theirs."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

#: How often descendants are looked for and killed.
_ROUNDS = 5


def end_descendants(pid: int, spared: Container[int] = ()) -> None:
    """Kill what a process has started, on Linux also what has left its session; repeatedly, as it may start more.

    Args:
        pid: of the process.
        spared: children that are left alone, with all that they have started.
    """
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        new = {one for child in children(pid) if child not in spared for one in [child, *_descendants(child)]} - killed
        for one in new:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
        if not new:
            return
        killed |= new


def children(pid: int) -> list[int]:
    """Return the ids of the processes that a process has started; none where the system does not tell."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # it has ended
        for listed in Path(f"/proc/{pid}/task").glob("*/children"):
            found += [int(child) for child in listed.read_text(encoding="ascii").split()]
    return found


def _descendants(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        found += children(one)
    return found[1:]
