"""A file that a report is written to: open before anything runs, and replaced whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from gradcheck_cli.cli.streams import OutputError
from gradcheck_cli.engine.interrupts import interruptible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: How the names of drafts begin, beside the files that they replace.
_MARKER = ".convcheck-draft"

_O_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)


class File:
    """A file, written beside the one that it replaces until it is complete.

    A link stays, and the file that it points to is replaced; a pipe or a device is written to.
    """

    def __init__(self, path: Path, flag: str) -> None:
        """Open it for the flag that names it.

        Raises:
            click.BadParameter: nothing can be written there.
        """
        self._failure = f"{flag} {str(path)!r} cannot be written"
        self._target = Path(os.path.realpath(path))
        self._draft: Path | None = None
        self._replaced: os.stat_result | None = None
        try:
            raw = _RawFile(self._open(path), "wb")
        except OSError as error:
            raise unwritable(path, flag, error) from error
        raw.failure, raw.name = self._failure, str(path)
        self.stream: TextIO = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", newline="")

    def commit(self) -> None:
        """Put the file in its place; if nothing was written, the old one stays.

        Raises:
            OutputError: it cannot be.
        """
        self.stream.flush()
        if self._draft is None or not self.stream.buffer.tell():
            self.discard()
            return
        try:
            if self._replaced is not None and hasattr(os, "fchmod"):  # not on Windows
                with contextlib.suppress(OSError):
                    os.fchown(self.stream.fileno(), self._replaced.st_uid, self._replaced.st_gid)
                os.fchmod(self.stream.fileno(), stat.S_IMODE(self._replaced.st_mode))
            self.stream.close()
            self._draft.replace(self._target)
        except OSError as error:
            raise OutputError(f"{self._failure}: {error.strerror}") from error
        self._draft = None

    def discard(self) -> None:
        """Close it, and leave the old file as it was."""
        with contextlib.suppress(OSError, OutputError):
            self.stream.close()
        draft, self._draft = self._draft, None
        if draft is not None:
            with contextlib.suppress(OSError):
                draft.unlink()

    def _open(self, path: Path) -> int:
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(path)  # noqa: PTH116  # of what a link points to, and of /dev/fd/63
            if not stat.S_ISREG(status.st_mode):
                with interruptible():  # a named pipe waits for its reader
                    return os.open(path, os.O_WRONLY | getattr(os, "O_NOCTTY", 0))
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self._replaced = status
        if not self._target.name:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        from gradcheck_cli.engine.leftovers import fresh_name, remove_leftovers  # 6 ms, and only for a file

        remove_leftovers(self._target.parent, _MARKER)
        self._draft = self._target.with_name(fresh_name(_MARKER))
        # Never open to more people than the file that it replaces.
        mode = 0o666 if self._replaced is None else stat.S_IMODE(self._replaced.st_mode) & 0o777
        return os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_NOFOLLOW, mode)


def unwritable(path: Path | str, flag: str, error: OSError) -> click.BadParameter:
    """Make the error that says why a file cannot be written."""
    instead = "; give a file in a folder that is there" if error.errno in (errno.ENOENT, errno.ENOTDIR) else ""
    return click.BadParameter(f"{str(path)!r} cannot be written: {error.strerror}{instead}.", param_hint=flag)


class _RawFile(io.FileIO):
    """A file on which a full disk is one sentence."""

    failure = ""  #: how that sentence begins

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(f"{self.failure}: {error.strerror}") from error
