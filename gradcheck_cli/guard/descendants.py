"""The processes that a process has started, and theirs."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Container
from pathlib import Path

#: Seconds in which processes are found and those that were killed end, unless the system is stuck; between two looks.
_PATIENCE, _PAUSE = 2.0, 0.001


def end_descendants(pid: int, spared: Container[int] = ()) -> set[int]:
    """Kill what a process has started, on Linux also what has left its session; repeatedly, as it may start more.

    Args:
        pid: of the process.
        spared: children that are left alone, with all that they have started.

    Returns:
        What was killed.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        new = {one for child in children(pid) if child not in spared for one in [child, *_descendants(child)]} - killed
        for one in new:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
        if not new:
            break
        killed |= new
    return killed


def reap(killed: set[int]) -> None:
    """Wait for the end of processes that were killed, of which this one is the parent, or will be when theirs ends."""
    left, deadline = set(killed), time.monotonic() + _PATIENCE
    while left and time.monotonic() < deadline:
        left = {pid for pid in left if not _is_gone(pid)}
        if left:
            time.sleep(_PAUSE)


def _is_gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return not Path(f"/proc/{pid}").exists()


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
