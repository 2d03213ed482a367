"""How a process crashed: the signal, and the stack that Python's fault handler writes, also when its parent asks.

Stacks come through a pipe of their own, so that the output of user code cannot be mistaken for one.
"""

from __future__ import annotations

import itertools
import re
import signal

#: Asks a process for its stack. The fault handler answers in C code, even while Python code does not get to run.
STACK_SIGNAL = getattr(signal, "SIGUSR2", None)

#: What a signal means for people who do not know its name.
_DEATHS = {
    "SIGSEGV": "a segmentation fault",
    "SIGBUS": "a bus error",
    "SIGFPE": "a floating point exception of the processor",
    "SIGILL": "an illegal instruction",
    "SIGABRT": "an abort",
    "SIGKILL": "SIGKILL, as sent where a machine runs out of memory",
}

#: Bytes of a report that are kept: a hundred frames of each of several threads.
MAX_REPORT = 2**16

#: A frame of a stack: file, line, function.
Frame = tuple[str, int, str]


def describe_signal(number: int) -> str:
    """Say what a process died of: most real-time signals have no name."""
    known = {one.value: one.name for one in signal.Signals}
    return _DEATHS.get(known.get(number, ""), known.get(number, f"signal {number}"))


def crash_stack(report: bytes) -> list[Frame]:
    """Return the stack of the thread that crashed, the innermost frame last; nothing if none did."""
    text = report.decode(errors="replace")
    start = text.rfind("Fatal Python error: ")
    if start < 0:
        return []
    blocks = text[start:].split("hread 0x")
    crashed = [block for before, block in itertools.pairwise(blocks) if before.endswith("Current t")]
    return _frames((crashed or blocks)[-1])


def main_stack(report: bytes) -> list[Frame]:
    """Return the stack of the main thread, which is the last in a report that was asked for."""
    return _frames(report.decode(errors="replace").split("hread 0x")[-1])


def _frames(block: str) -> list[Frame]:
    """Parse the block of one thread, which begins with the innermost frame."""
    frames = re.findall(r'^  File "([^"\n]*)", line (\d{1,9}) in (.*)$', block, re.MULTILINE)
    return [(file, int(line), name) for file, line, name in reversed(frames)]
