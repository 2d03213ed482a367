"""The time at which the running call of user code began: written in the guarded process, read by its parent.

The time limit holds for one call, and there are a hundred in a case of 3 ms. Writing the time to shared memory takes
0.2 us; setting an alarm of the fault handler for each call would take 23 us.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

now, _process_id = time.monotonic, os.getpid  # kept, because user code may replace them

_SINCE, _DEPTH, _CALLS, _STEP = range(4)

#: The size of a clock in memory.
_BYTES = 32


class Clock:
    """The time of the latest event: a call of user code that began or ended.

    User code that finds it may write to it. Whoever reads it has a limit of its own for a whole request.
    """

    def __init__(self, memory: int) -> None:
        """Make a clock of shared memory, of which it takes the first bytes."""
        self._shared = memoryview(mmap.mmap(memory, _BYTES)).cast("d")
        self._owner = 0  # the process that may write

    def start(self) -> None:
        """Note, in this process, that a request begins, and that no call has begun."""
        self._owner = _process_id()
        self._shared[_SINCE], self._shared[_DEPTH], self._shared[_CALLS], self._shared[_STEP] = now(), 0.0, 0.0, 0.0

    def begin(self, *, imports: bool = False) -> None:
        """Note that a call of user code begins, perhaps within another; or that it is imported."""
        self._shared[_CALLS] += not imports
        self._shared[_DEPTH] += 1
        self._shared[_SINCE] = now()

    def end(self) -> None:
        """Note that a call ends. A copy of the process that user code made by `os.fork` ends here."""
        if _process_id() != self._owner:
            os._exit(0)
        self._shared[_DEPTH] -= 1
        self._shared[_SINCE] = now()

    def next_step(self) -> None:
        """Note that the next of several steps of a request begins."""
        self._shared[_STEP] += 1

    @property
    def since(self) -> float:
        """The time of the latest event."""
        return self._shared[_SINCE]

    @property
    def running(self) -> bool:
        """Whether a call of user code is in progress."""
        return self._shared[_DEPTH] > 0

    @property
    def has_called(self) -> bool:
        """Whether a function was called since the request began."""
        return self._shared[_CALLS] > 0

    @property
    def step(self) -> int:
        """The latest step of the request, counted from 1; 0 if it has none."""
        return int(min(max(0.0, self._shared[_STEP]), 1e6))  # user code may have written infinity, or NaN


_clock: Clock | None = None  # of this process, as its only thread is


def install(memory: int) -> Clock:
    """Have a clock in shared memory time all calls of user code in this process."""
    global _clock  # noqa: PLW0603  # set once, at the start of a guarded process
    _clock = Clock(memory)
    return _clock


def in_guarded_process() -> bool:
    """Tell whether this is a guarded process, in which nobody presses Ctrl-C."""
    return _clock is not None


def pass_on_interrupt(error: BaseException) -> None:
    """Raise an exception of user code again if it may be Ctrl-C. Any other, even SystemExit, means that it failed."""
    if isinstance(error, KeyboardInterrupt) and not in_guarded_process():
        raise error


def next_step() -> None:
    """Note that the next of several steps of a request begins."""
    if _clock is not None:
        _clock.next_step()


def begin_call() -> None:
    """Note that a function or method of the user is called; `end_call` must follow."""
    if _clock is not None:
        _clock.begin()


def end_call() -> None:
    """Note that the call has ended."""
    if _clock is not None:
        _clock.end()


@contextmanager
def timed() -> Iterator[None]:
    """Apply the time limit to a block that imports user code, counted from the latest call in it."""
    if _clock is not None:
        _clock.begin(imports=True)
    try:
        yield
    finally:
        end_call()
