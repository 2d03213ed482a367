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


def signal_name(number: int) -> str:
    """Return the name of a signal, or its number: most real-time signals have no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def describe_signal(number: int) -> str:
    """Say what a process died of."""
    name = signal_name(number)
    return _DEATHS.get(name, name)
