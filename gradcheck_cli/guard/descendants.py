"""The processes that a process has started, and theirs."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

#: How often descendants are looked for and killed.
_ROUNDS = 5


def end_descendants(pid: int) -> None:
    """Kill what a process has started, on Linux also what has left its session; repeatedly, as it may start more."""
    killed: set[int] = set()
    for _ in range(_ROUNDS):
        new = set(_descendants(pid)) - killed
        for one in new:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
        if not new:
            return
        killed |= new


def _descendants(pid: int) -> list[int]:
    """Return the ids of the processes that descend from one; none where the system does not tell."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):  # it has ended
            for children in Path(f"/proc/{one}/task").glob("*/children"):
                found += [int(child) for child in children.read_text(encoding="ascii").split()]
    return found[1:]
