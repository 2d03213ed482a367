"""Standard streams that are always there, and whose failures are one sentence or nothing.

Imported before anything else by the programs, so that it imports little itself.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO, cast

from gradcheck_cli.text.workflow_commands import DefusedStream, in_actions

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Digits of a width in columns, and a height in lines, that somebody may mean.
_MOST_DIGITS = 4

#: Columns with which words still fit.
_LEAST_WIDTH = 20


class OutputError(Exception):
    """An output cannot be written. The message is a sentence without its full stop: which output, and why."""


def settle() -> None:
    """Replace streams that are closed, and let failures to write be one sentence.

    The number of a closed descriptor would be taken by the next file that is opened, and what is printed would go
    there. Its place is taken by an input from /dev/null, to which nothing can be written.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)  # noqa: FBT003  # the lowest that is free
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # for the whole run
    sys.stdout = _text(raw_stdout(1), sys.stdout)
    sys.stderr = _text(_RawStderr(2, "wb", closefd=False), sys.stderr)
    if in_actions():
        sys.stderr = cast("TextIO", DefusedStream(sys.stderr))


def forget_odd_sizes() -> None:
    """Forget COLUMNS and LINES unless they are numbers in which a table can be laid out."""
    for name in "COLUMNS", "LINES":
        value = os.environ.get(name, "")
        if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
            os.environ.pop(name, None)


def wants_color(choice: str, stream: TextIO) -> bool:
    """Decide on colour: the flag, then NO_COLOR, then FORCE_COLOR, then whether `stream` is a terminal."""
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if forced := os.environ.get("FORCE_COLOR"):
        return forced != "0"
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def terminal_width(stream: TextIO, otherwise: int) -> int:
    """Return the columns of a terminal; where there is none COLUMNS, if that is set, or what stands in for it."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except OSError:
        columns = 0
    asked_for = int(os.environ.get("COLUMNS") or 0)
    return columns or (max(_LEAST_WIDTH, asked_for) if asked_for else otherwise)


def raw_stdout(descriptor: int) -> io.FileIO:
    """Open a descriptor that stands for stdout.

    A failure to write to it is an OutputError, once; a reader that has left is a BrokenPipeError, as usual.
    """
    return _RawStdout(descriptor, "wb", closefd=False)


def _text(raw: io.FileIO, like: TextIO | None) -> TextIO:
    encoding, errors = getattr(like, "encoding", None) or "utf-8", getattr(like, "errors", None) or "strict"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=raw.isatty() or raw.fileno() == 2)


class _RawStdout(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or say in one sentence why that cannot be."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            # What is buffered is written once more at the end, and the interpreter would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            reason = "it is closed" if error.errno == errno.EBADF else error.strerror
            raise OutputError(f"cannot write to stdout: {reason}") from error


class _RawStderr(io.FileIO):
    def write(self, data: ReadableBuffer, /) -> int:
        """Write what can be written: a message that cannot be shown spoils no result."""
        try:
            return super().write(data)
        except OSError:
            return len(bytes(data))
