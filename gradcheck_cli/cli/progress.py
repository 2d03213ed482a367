"""How far a run has come: one line at the bottom of a terminal, gone when the run is over."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

from gradcheck_cli.cli.output import wants_color
from gradcheck_cli.results.result import Verdict
from gradcheck_cli.text.clean import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult

#: Seconds before the line is shown for the first time: most runs are over by then.
_PATIENCE = 0.5

#: Seconds from one drawing to the next.
_INTERVAL = 0.1

#: Seconds over which the rate is taken.
_RATED = 10.0

_BAR = 20  #: columns
_ERASE = "\r\x1b[K"


class Progress(Protocol):
    """Is told of each result, and keeps out of the way of what is printed."""

    def told(self, result: CaseResult) -> None:
        """Take in one result."""

    def clear(self) -> None:
        """Take the line away: something is about to be printed. It comes back by itself."""


class NoProgress:
    """Shows nothing."""

    def told(self, result: CaseResult) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""


@contextmanager
def progress(total: int | None, upcoming: Iterator[tuple[str, Case]]) -> Iterator[Progress]:
    """Show how far a run has come while the block runs, if stderr is a terminal on which a line can be erased.

    Args:
        total: how many results there will be; None if that is not known.
        upcoming: whose result comes next, in order: the implementation and the case.
    """
    able = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    if total == 1 or not able or not hasattr(signal, "setitimer"):
        yield NoProgress()
        return
    line = Line(sys.stderr, total, upcoming)
    # A timer of this process, which forks do not inherit: a thread that draws would be one too many for them.
    before = signal.signal(signal.SIGALRM, lambda *_: line.draw())
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE, _INTERVAL)
    try:
        yield line
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        line.clear()


class Line:
    """The line, drawn when asked for."""

    def __init__(self, stream: TextIO, total: int | None, upcoming: Iterator[tuple[str, Case]]) -> None:
        self._stream = stream
        self._color = wants_color("auto", stream)
        self._filled, self._empty = ("━", "─") if "utf" in (stream.encoding or "").lower() else ("#", "-")
        self._total = total
        self._upcoming = upcoming
        self._next = next(upcoming, None)
        self._done = self._failed = 0
        self._past = deque([(time.monotonic(), 0)])  # when how much was done
        self._shown = self._held = False

    def told(self, result: CaseResult) -> None:
        """Count one result; what is printed of it has been printed."""
        self._done += 1
        self._failed += result.verdict in (Verdict.FAIL, Verdict.ERROR)
        self._next = next(self._upcoming, None)
        self._held = False

    def clear(self) -> None:
        """Erase the line until the next result is counted."""
        self._held = True
        if self._shown:
            self._shown = False
            self._send(_ERASE)

    def draw(self) -> None:
        """Write the line over itself, unless something else is being printed."""
        if self._held:
            return
        now = time.monotonic()
        self._past.append((now, self._done))
        while len(self._past) > 2 and self._past[0][0] < now - _RATED:
            self._past.popleft()
        self._shown = True
        columns = 80
        with contextlib.suppress(OSError):
            columns = os.get_terminal_size(self._stream.fileno()).columns or columns
        # In the last column some terminals go on to the next line, and before that there must be room for a ^C.
        self._send(_ERASE + self.text(columns - 3))

    def _send(self, text: str) -> None:
        # Straight to the terminal: this may come in the midst of a write to the stream. A terminal may be gone.
        with contextlib.suppress(OSError):
            os.write(self._stream.fileno(), text.encode(self._stream.encoding or "ascii", "replace"))

    def text(self, room: int) -> str:
        """Say how far the run has come, in so many columns; what does not fit is left out from the right."""
        failed = f"{self._failed} failed"
        parts = [f"{self._done:,}/{self._total:,}" if self._total else f"{self._done:,} done", failed, self._pace()]
        if self._next is not None:
            name, case = self._next
            parts.append(clean(f"{name}  {case.label()} {case.dtype}"))
        if self._total and room >= 3 * _BAR:
            filled = min(_BAR, _BAR * self._done // self._total)
            parts.insert(0, self._filled * filled + self._empty * (_BAR - filled))
        line = "  ".join(parts)[: max(0, room)]
        return line.replace(failed, f"\x1b[1;31m{failed}\x1b[0m", 1) if self._color and self._failed else line

    def _pace(self) -> str:
        (start, before), (now, done) = self._past[0], self._past[-1]
        rate = (done - before) / (now - start) if now > start else 0.0
        if not rate:
            return "-/s"
        pace = f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
        return pace if self._total is None else f"{pace}  {_clock((self._total - self._done) / rate)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
