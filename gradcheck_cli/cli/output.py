"""Where reports go: stdout in the right dress, and files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from gradcheck_cli.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gradcheck_cli.result import CaseResult, StepSweep

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
        encoding = getattr(sys.stdout, "encoding", "utf-8")
        try:
            self._stream: TextIO = os.fdopen(os.dup(1), "w", encoding=encoding, errors="replace")
            os.dup2(2, 1)
        except OSError:  # closed by the shell, with `>&-`
            self._stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  # for the whole run
        sys.stdout = sys.stderr
        self.encoding = encoding

    def write(self, text: str) -> int:
        """Write, if anybody reads."""
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


def show_printed(result: CaseResult | StepSweep, *, verbose: bool) -> None:
    """Show on stderr what an implementation printed: beside an error, and on request."""
    if result.output and (verbose or result.verdict is Verdict.ERROR):
        click.echo(f"{result.implementation} printed, in {result.case.label()}:\n{result.output}", err=True)


@contextmanager
def whole_file(path: Path, flag: str, wanted: Callable[[], bool] = lambda: True) -> Iterator[TextIO]:
    """Open a file that replaces `path` when the block ends well, and is gone when it does not, or is not wanted then.

    Raises:
        click.BadParameter: nothing can be written there. It is raised before the block runs.
    """
    path = path.resolve()  # what a link points to is replaced, not the link
    special = path.exists() and not path.is_file()  # a pipe or /dev/null is written to, not replaced
    draft = path if special else path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        stream = draft.open("w", encoding="utf-8")
    except OSError as error:
        why = f"{str(path)!r} cannot be written: {error.strerror}; give a file in a folder that is there."
        raise click.BadParameter(why, param_hint=flag) from error
    try:
        yield stream
        _close(stream, path, flag)
    except BaseException:
        with contextlib.suppress(OSError):
            stream.close()
        if not special:
            draft.unlink()
        raise
    if not special:
        if path.exists():
            shutil.copymode(path, draft)  # who may read it is not ours to change
        draft.replace(path) if wanted() else draft.unlink()


def _close(stream: TextIO, path: Path, flag: str) -> None:
    try:
        stream.close()
    except OSError as error:
        raise click.BadParameter(f"{str(path)!r} cannot be written: {error.strerror}.", param_hint=flag) from error
