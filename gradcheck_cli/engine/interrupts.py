"""Ctrl-C, SIGTERM and SIGHUP: noted whenever they come, and raised only where nothing that is finished can be lost.

A program goes through three phases. Until its first output is open a signal ends it at once: there is nothing to lose.
From `defer()` on a signal is only noted, except while work in progress is waited for, inside `interruptible()`: there
it raises KeyboardInterrupt. After `ignore()` everything is written, and signals no longer matter.

Imported before anything else by the programs, so that it imports little itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
from contextlib import contextmanager

TYPE_CHECKING = False  # as in `gradcheck_cli`
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

#: SIGHUP is not there on Windows.
_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

_EXIT, _DEFER, _RAISE = "exit", "defer", "raise"


class _Process:
    """What signals mean to this process: there is one, because signal handlers are the process's too."""

    def __init__(self) -> None:
        self.phase: str | None = None  #: None in a process that is none of the programs: nothing here has an effect
        self.received: int | None = None  #: the first signal that came
        self.handled: list[int] = []


_process = _Process()


def install() -> None:
    """Take over the signals that end a program; those that are ignored, as under nohup, stay so."""
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
    """Let signals raise KeyboardInterrupt inside the block, those too that came before it.

    Where code in the block catches every exception, it is raised at the end: such a block has not done what it should.
    A signal that comes while that is handled is only noted, so that a second Ctrl-C does no harm.
    """
    if _process.phase != _DEFER:
        yield
        return
    _process.phase = _RAISE  # before the look at what came: a signal between the two would be missed
    try:
        if _process.received is not None:
            raise KeyboardInterrupt
        yield
        if _process.received is not None:  # what caught it went on with something else than was asked for
            raise KeyboardInterrupt
    finally:
        _process.phase = _DEFER


def _handle(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    _process.received = _process.received or number
    if _process.phase == _EXIT:
        os._exit(exit_code(number))
    if _process.phase == _RAISE:
        _process.phase = _DEFER
        raise KeyboardInterrupt


def exit_code(number: int) -> int:
    """Return the exit code of a program that a signal ended."""
    return 128 + number


def _reset_in_child() -> None:
    """Leave signals to the process that was forked.

    Until it has a session of its own, Ctrl-C in the terminal reaches it too, and is the parent's to answer.
    """
    _process.phase, _process.received = None, None
    while _process.handled:
        number = _process.handled.pop()
        signal.signal(number, signal.SIG_IGN if number == signal.SIGINT else signal.SIG_DFL)
