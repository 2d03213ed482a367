"""Stdout in the right dress, and what implementations print on stderr."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, TextIO

import click

from gradcheck_cli.cli.streams import open_stdout
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.results.result import CaseResult

#: Columns where stdout is no terminal: the same everywhere, and a table needs no more.
_FIXED_WIDTH = 100
_VERBOSE_WIDTH = 140


def wants_color(choice: str, stream: TextIO) -> bool:
    """Decide on colour: the flag, then NO_COLOR, then FORCE_COLOR, then whether `stream` is a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced != "0"
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width(stream: TextIO, *, verbose: bool) -> int:
    """Return the columns to write in: those of the terminal, or the same everywhere."""
    if stream.isatty():
        return os.get_terminal_size(stream.fileno()).columns or _FIXED_WIDTH
    return _VERBOSE_WIDTH if verbose else _FIXED_WIDTH


class Stdout:
    """Stdout until its reader goes away (`convcheck | head`), and nothing from then on: the exit code still counts."""

    def __init__(self) -> None:
        """Take stdout away from everybody else: what an implementation prints, by whatever road, goes to stderr."""
        self._stream = open_stdout(os.dup(1), errors="replace")
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self.encoding = self._stream.encoding
        self.before_write: Callable[[], None] = lambda: None  #: what else is on the terminal makes room

    def write(self, text: str) -> int:
        """Write, if anybody reads."""
        self.before_write()
        try:
            return self._stream.write(
                re.sub(r" +((?:\x1b\[[0-9;]*m)*)(?=\n)", r"\1", text)
            )  # a table's last column is padded
        except BrokenPipeError:
            return self._give_up()

    def flush(self) -> None:
        """Flush, if anybody reads."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._give_up()

    def commit(self) -> None:
        """Flush: what was written cannot be taken back."""
        self.flush()

    def isatty(self) -> bool:
        """Tell whether this is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the descriptor, for the size of the terminal."""
        return self._stream.fileno()

    def _give_up(self) -> int:
        # The interpreter flushes stdout once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        return 0


def show_printed(result: CaseResult, *, verbose: bool) -> None:
    """Show on stderr what an implementation printed: beside an error, and on request."""
    if result.output and (verbose or result.verdict is Verdict.ERROR):
        click.echo(f"{result.implementation} printed, in {result.case.label()}:\n{result.output}", err=True)
