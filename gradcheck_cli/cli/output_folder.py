"""A folder that a report writes several files to."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import click

from gradcheck_cli.cli.output_file import File, unwritable
from gradcheck_cli.cli.streams import OutputError


class OutputFolder:
    """A folder, made if it is missing. Each file is written beside the one that it replaces until it is complete."""

    def __init__(self, path: Path, flag: str) -> None:
        """Make it for the flag that names it.

        Raises:
            click.BadParameter: nothing can be written there.
        """
        self._path, self._flag = path, flag
        self._error: OutputError | None = None
        self._made = not path.exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not os.access(path, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except FileExistsError:
            error = NotADirectoryError(errno.EEXIST, "it is a file; give a folder")
            raise unwritable(path, flag, error) from None
        except OSError as error:
            raise unwritable(path, flag, error) from error

    @property
    def stream(self) -> OutputFolder:
        """What the report writes to."""
        return self

    def write(self, name: str, text: str, mark: str) -> None:
        """Write a file, if there is none that begins otherwise than with the mark; what prevents it is raised later."""
        try:
            self._write(self._path / name, text, mark)
        except OutputError as error:
            self._error = self._error or error
        except click.BadParameter as error:
            self._error = self._error or OutputError(f"{self._flag} {error.message.removesuffix('.')}")

    def commit(self) -> None:
        """Do nothing: each file is in its place.

        Raises:
            OutputError: one could not be written.
        """
        if self._error is not None:
            raise self._error

    def discard(self) -> None:
        """Remove the folder if nothing was written to it."""
        if self._made:
            with contextlib.suppress(OSError):
                self._path.rmdir()

    def _write(self, path: Path, text: str, mark: str) -> None:
        if os.path.lexists(path) and not _begins(path, mark):
            why = f"it is there, and begins otherwise than {mark.strip()!r}; move it, or give another folder"
            raise OutputError(f"{self._flag} {str(path)!r} cannot be written: {why}")
        file = File(path, self._flag)
        try:
            file.stream.write(text)
            file.commit()
        finally:
            file.discard()


def _begins(path: Path, mark: str) -> bool:
    """Tell whether a path is that of a regular file that begins with a mark."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(mark.encode())) == mark.encode()
    except OSError:
        return False
