"""Stacks that the fault handler writes: when a process crashes, and when its parent asks where it is.

They come through a pipe of their own: what user code prints cannot be taken for one.
"""

from __future__ import annotations

import itertools
import re
import signal

#: Asks a process for its stack, by the fault handler's C code: even while Python code does not get to run.
ASK = getattr(signal, "SIGUSR2", None)

#: Longest report that is kept: a hundred frames of each of some threads.
MOST = 2**16

#: A frame of a stack: file, line, function.
Frame = tuple[str, int, str]


def crash_stack(report: bytes) -> list[Frame]:
    """Return the stack of the thread that crashed, the innermost frame last; nothing if none did."""
    text = report.decode(errors="replace")
    begun = text.rfind("Fatal Python error: ")
    if begun < 0:
        return []
    blocks = text[begun:].split("hread 0x")
    crashed = [block for before, block in itertools.pairwise(blocks) if before.endswith("Current t")]
    return _frames((crashed or blocks)[-1])


def main_stack(report: bytes) -> list[Frame]:
    """Return the stack of the main thread, which is the last in a report that was asked for."""
    return _frames(report.decode(errors="replace").split("hread 0x")[-1])


def _frames(block: str) -> list[Frame]:
    """Read one thread's block, which begins with the innermost frame."""
    frames = re.findall(r'^  File "([^"\n]*)", line (\d{1,9}) in (.*)$', block, re.MULTILINE)
    return [(file, int(line), name) for file, line, name in reversed(frames)]
