"""Ctrl-C, SIGTERM and SIGHUP: noted whenever they come, and raised only where nothing finished can be lost.

A program has three phases. Until its first output is open, a signal ends it at once: there is nothing to lose. After
`defer()` a signal is only noted, except inside `interruptible()`, where unfinished work is waited for: there it raises
KeyboardInterrupt. After `ignore()` everything is written, and signals no longer matter.

The programs import this before anything else, so it imports little itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

TYPE_CHECKING = False  # as in `gradcheck_cli`
if TYPE_CHECKING:
    from types import FrameType

#: Windows has no SIGHUP.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

_EXIT, _DEFER, _RAISE = "exit", "defer", "raise"


class _Process:
    """The signal handling of this process. There is one, because a process has one set of handlers."""

    def __init__(self) -> None:
        self.phase: str | None = None  #: None in a process that is not one of the programs, where nothing here acts
        self.received: int | None = None  #: the first signal that came
        self.handled: list[int] = []


_process = _Process()


def install() -> None:
    """Handle the signals that end a program, other than those that are ignored, as under nohup."""
    for number in _SIGNALS:
        with contextlib.suppress(ValueError):  # not in the main thread
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _handle)
                _process.handled.append(number)
                _process.phase = _EXIT
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_reset_in_child)


def defer() -> None:
    """Only note signals from now on: there is something to lose."""
    if _process.phase is not None:
        _process.phase = _DEFER


def ignore() -> None:
    """Ignore signals from now on: everything is written, and the exit code is decided."""
    for number in _process.handled:
        signal.signal(number, signal.SIG_IGN)


def received() -> int | None:
    """Return the first signal that came, if any did."""
    return _process.received


@contextmanager
def interruptible() -> Iterator[None]:
    """Let signals raise KeyboardInterrupt inside the block, also those that came before it.

    If code in the block catches it, it is raised at the end, because the block may not have done its work. A signal
    that comes while the exception is handled is only noted, so that a second Ctrl-C does no harm.
    """
    if _process.phase != _DEFER:
        yield
        return
    _process.phase = _RAISE  # before `received` is read: a signal between the two would be missed
    try:
        if _process.received is not None:
            raise KeyboardInterrupt
        yield
        if _process.received is not None:
            raise KeyboardInterrupt
    finally:
        _process.phase = _DEFER


def exit_code(number: int) -> int:
    """Return the exit code of a program that a signal ended."""
    return 128 + number


def _handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    _process.received = _process.received or number
    if _process.phase == _EXIT:
        os._exit(exit_code(number))
    if _process.phase == _RAISE:
        _process.phase = _DEFER
        raise KeyboardInterrupt


def _reset_in_child() -> None:
    """Leave signals to the parent of a fork.

    Until the fork has a session of its own, Ctrl-C in the terminal reaches it too, and is for its parent.
    """
    _process.phase, _process.received = None, None
    while _process.handled:
        number = _process.handled.pop()
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
