"""Signals, in words."""

from __future__ import annotations

import signal

#: What a signal means for people who do not know its name.
_DEATHS = {
    "SIGSEGV": "a segmentation fault",
    "SIGBUS": "a bus error",
    "SIGFPE": "a floating point exception of the processor",
    "SIGILL": "an illegal instruction",
    "SIGABRT": "an abort",
    "SIGKILL": "SIGKILL, as sent where a machine runs out of memory",
}


def describe_signal(number: int) -> str:
    """Say what a process died of: most real-time signals have no name."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return _DEATHS.get(name, name)
