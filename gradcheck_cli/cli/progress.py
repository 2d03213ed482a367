"""Progress: one line at the bottom of a terminal, gone when the run is over."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from gradcheck_cli.cli.streams import terminal_width, wants_color
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.text.clean import clean

#: Seconds before the line is shown for the first time: most runs are over by then.
_PATIENCE = 0.5

#: Seconds before the line for the next file is shown: a timer of none would never ring.
_SOON = 0.001

#: Seconds from one drawing to the next.
_INTERVAL = 0.1

_BAR = 20  #: columns
_ERASE = "\r\x1b[K"


@contextmanager
def progress(
    total: int, upcoming: Iterator[tuple[str, Case]], share_done: Callable[[], float]
) -> Iterator[ProgressLine]:
    """Show the progress of a run while the block runs, if stderr is a terminal on which a line can be erased.

    Args:
        total: the number of results.
        upcoming: the implementation and the case of each result, in order.
        share_done: which share of the running case is done, as far as that is known.
    """
    line = ProgressLine(sys.stderr, total, upcoming, share_done)
    with _drawn(line):
        yield line


@contextmanager
def _drawn(line: _Line, *, unless: bool = False, patience: float = _PATIENCE) -> Iterator[None]:
    """Draw a line again and again while the block runs, and erase it, if stderr is such a terminal."""
    able = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb" and hasattr(signal, "setitimer")
    if unless or not able:
        yield
        return
    # A timer of this process, which forks do not inherit; a thread that draws would not survive them.
    before = signal.signal(signal.SIGALRM, lambda *_: line.draw())
    signal.setitimer(signal.ITIMER_REAL, patience, _INTERVAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        line.clear()


class _Line:
    """A line at the bottom of a terminal; it appears when it is drawn."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = self._hidden = False

    def clear(self) -> None:
        """Erase the line until there is something new: something else is printed."""
        self._hidden = True
        if self._shown:
            self._shown = False
            self._send(_ERASE)

    def draw(self) -> None:
        """Write the line over itself, unless something else is being printed."""
        if self._hidden:
            return
        self._shown = True
        # In the last column some terminals go on to the next line, and before that there must be room for a ^C.
        self._send(_ERASE + self.text(terminal_width(self._stream, 80) - 3))

    def text(self, columns: int) -> str:
        """Return the line, of which what does not fit into the columns is left out from the right."""
        raise NotImplementedError

    def _send(self, text: str) -> None:
        # Straight to the terminal: this may come in the midst of a write to the stream. A terminal may be gone.
        with contextlib.suppress(OSError):
            os.write(self._stream.fileno(), text.encode(self._stream.encoding or "ascii", "replace"))


class SearchLine(_Line):
    """The file that is searched, and how many were."""

    def __init__(self, stream: TextIO, files: int) -> None:
        super().__init__(stream)
        self._files, self._number, self._file = files, 0, ""
        self._started = time.monotonic()

    @contextmanager
    def showing(self, file: str) -> Iterator[None]:
        """Show that a file is searched while the block runs, if there are several and stderr is such a terminal."""
        self._number, self._file, self._hidden = self._number + 1, clean(file), False
        patience = max(_SOON, _PATIENCE - (time.monotonic() - self._started))
        with _drawn(self, unless=self._files == 1, patience=patience):
            yield

    def text(self, columns: int) -> str:
        """Return the line: `searching 3/120  ada/layers.py`."""
        return f"searching {self._number:,}/{self._files:,}  {self._file}"[: max(0, columns)]


class ProgressLine(_Line):
    """The results so far, and the time that the others may take."""

    def __init__(
        self,
        stream: TextIO,
        total: int,
        upcoming: Iterator[tuple[str, Case]],
        share_done: Callable[[], float] = lambda: 0.0,
    ) -> None:
        super().__init__(stream)
        self._share_done = share_done
        self._color = wants_color("auto", stream)
        self._filled, self._empty = ("━", "─") if "utf" in (stream.encoding or "").lower() else ("#", "-")
        self._total = total
        self._upcoming = upcoming
        self._next = next(upcoming, None)
        self._done = self._failed = 0
        self._started = time.monotonic()

    def add(self, result: CaseResult) -> None:
        """Count a result that has been reported, and let the line come back."""
        if result.smallest is None:
            self._done += 1
            self._failed += result.verdict in (Verdict.FAIL, Verdict.ERROR)
            self._next = next(self._upcoming, None)
        self._hidden = False

    def text(self, columns: int) -> str:
        """Return the line, of which what does not fit into the columns is left out from the right."""
        failed, done = f"{self._failed} failed", self._done + self._share_done()
        parts = [f"{self._done:,}/{self._total:,}", failed, self._pace(done)]
        if self._next is not None:
            name, case = self._next
            parts.append(clean(f"{name}  {case.label()} {case.dtype}"))
        if columns >= 3 * _BAR:
            filled = min(_BAR, int(_BAR * done / self._total))
            parts.insert(0, self._filled * filled + self._empty * (_BAR - filled))
        line = "  ".join(filter(None, parts))[: max(0, columns)]
        return line.replace(failed, f"\x1b[1;31m{failed}\x1b[0m", 1) if self._color and self._failed else line

    def _pace(self, done: float) -> str:
        """Return the rate so far, and the time that the rest takes at that rate; empty before the first result."""
        if not done:
            return ""
        rate = done / max(time.monotonic() - self._started, 1e-3)
        minutes, seconds = divmod(round((self._total - done) / rate), 60)
        hours, minutes = divmod(minutes, 60)
        left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
        return f"{rate:.3g}/s  {left} left"
