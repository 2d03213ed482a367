"""Standard streams that are always there, and that fail in one sentence or not at all.

Imported before anything else by the programs, so that it imports little itself.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

#: Digits of a width in columns, and a height in lines, that somebody may mean.
_MOST_DIGITS = 4

_closed: set[int] = set()  # of descriptors 0 to 2, those that a shell had closed, with `>&-`


class OutputError(Exception):
    """An output cannot be written. The message is a sentence without its full stop: which output, and why."""


def settle() -> None:
    """Put something in the place of streams that are closed, and have a full disk told in one sentence.

    A descriptor that is free would be taken by the next file that is opened, and what is printed would go there.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003  # the lowest that is free
            _closed.add(descriptor)
    if sys.stdin is None or 0 in _closed:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # for the whole run
    sys.stdout = open_stdout(1)
    sys.stderr = _text(_Lenient(2, "wb", closefd=False), sys.stderr)


def forget_odd_sizes() -> None:
    """Forget COLUMNS and LINES where they are no numbers that a table can be laid out in."""
    for name in "COLUMNS", "LINES":
        value = os.environ.get(name, "")
        if not (value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS):
            os.environ.pop(name, None)


def open_stdout(descriptor: int, errors: str | None = None) -> TextIO:
    """Open a descriptor that stands for stdout, in the encoding of stdout; `errors` as for `open`.

    What cannot be written to it is an OutputError, once; a reader that has left is a BrokenPipeError, as ever.
    """
    raw = _Stdout(descriptor, "wb", closefd=False)
    raw.closed_by_shell = 1 in _closed
    return _text(raw, sys.stdout, errors)


def _text(raw: io.FileIO, like: TextIO | None, errors: str | None = None) -> TextIO:
    encoding = getattr(like, "encoding", None) or "utf-8"
    errors = errors or getattr(like, "errors", None) or "strict"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=raw.isatty() or raw.fileno() == 2)


class _Stdout(io.FileIO):
    closed_by_shell = False

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, or say in one sentence why that cannot be."""
        if self.closed_by_shell:
            self.closed_by_shell = False
            raise OutputError("cannot write to stdout: it is closed")
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            # What is buffered is written once more at the end, and the interpreter would complain.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            raise OutputError(f"cannot write to stdout: {error.strerror}") from error


class _Lenient(io.FileIO):
    """What cannot be told on stderr cannot be told: that spoils no result."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write what can be written."""
        try:
            return super().write(data)
        except OSError:
            return len(bytes(data))
