"""The files that a run writes: told apart from all it reads, open before anything runs, and replaced whole or not."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

import click

from gradcheck_cli.cli.streams import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from _typeshed import ReadableBuffer

#: How the names of drafts begin, beside the files that they replace.
_MARKER = ".convcheck-draft"

#: Seconds for a reader of a named pipe to turn up, and from one look for it to the next.
_PATIENCE, _PAUSE = 10.0, 0.05

_O_NOFOLLOW: int = getattr(os, "O_NOFOLLOW", 0)
_O_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)


class Output:
    """A file that is written beside the one that it replaces once it is complete.

    A link stays, and the file that it points to is replaced; a pipe or a device is written to.
    """

    def __init__(self, path: Path, flag: str) -> None:
        """Open it.

        Args:
            path: what is replaced; nothing need be there.
            flag: who asked for it, for messages.

        Raises:
            click.BadParameter: nothing can be written there.
        """
        self.path, self.flag = path, flag
        self._target = Path(os.path.realpath(path))
        self._draft: Path | None = None
        self._replaced: os.stat_result | None = None
        try:
            descriptor = self._open()
        except OSError as error:
            raise unwritable(path, flag, error) from error
        raw = _Reported(descriptor, "wb")
        raw.told = f"{flag} {str(path)!r} cannot be written"
        self.stream: TextIO = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")

    @property
    def binary(self) -> BinaryIO:
        """The same stream, for bytes."""
        return self.stream.buffer

    def commit(self) -> None:
        """Put what was written in its place. Where nothing was written, what was there before stays.

        Raises:
            OutputError: it cannot be.
        """
        self.stream.flush()
        if self._draft is None or not self.stream.buffer.tell():
            self.discard()
            return
        try:
            if self._replaced is not None:
                self._inherit(self._replaced)
            self.stream.close()
            self._draft.replace(self._target)
        except OSError as error:
            raise OutputError(f"{self.flag} {str(self.path)!r} cannot be written: {error.strerror}") from error
        self._draft = None

    def discard(self) -> None:
        """Close it, and leave what was there before as it was."""
        with contextlib.suppress(OSError, OutputError):
            self.stream.close()
        draft, self._draft = self._draft, None
        if draft is not None:
            with contextlib.suppress(OSError):
                draft.unlink()

    def _inherit(self, replaced: os.stat_result) -> None:
        """Leave as it is whose file it is, and who may read it."""
        if hasattr(os, "fchmod"):  # not on Windows
            with contextlib.suppress(OSError):
                os.fchown(self.stream.fileno(), replaced.st_uid, replaced.st_gid)
            os.fchmod(self.stream.fileno(), stat.S_IMODE(replaced.st_mode))

    def _open(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(self.path)  # noqa: PTH116  # of what a link points to, and of /dev/fd/63
            if not stat.S_ISREG(status.st_mode):
                return _open_special(self.path, status.st_mode)
            if not os.access(self.path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            self._replaced = status
        if not self._target.name:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        from gradcheck_cli.engine.leftovers import fresh_name, remove_leftovers  # 6 ms, and only for a file

        remove_leftovers(self._target.parent, _MARKER)
        self._draft = self._target.with_name(fresh_name(_MARKER))
        # Never open to more people than what it replaces.
        mode = 0o666 if self._replaced is None else stat.S_IMODE(self._replaced.st_mode) & 0o777
        return os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_NOFOLLOW, mode)


def unwritable(path: Path | str, flag: str, error: OSError) -> click.BadParameter:
    """Make the error that says why a file cannot be written."""
    instead = "; give a file in a folder that is there" if error.errno in (errno.ENOENT, errno.ENOTDIR) else ""
    return click.BadParameter(f"{str(path)!r} cannot be written: {error.strerror}{instead}.", param_hint=flag)


@contextmanager
def opened(paths: Mapping[str, str | None]) -> Iterator[dict[str, Output]]:
    """Open the files that flags name; those that are not committed within the block stay as they were.

    Args:
        paths: of each flag the path, or None where it was not given.

    Raises:
        click.BadParameter: one cannot be written. Raised before the block runs.
    """
    outputs: dict[str, Output] = {}
    try:
        for flag, path in paths.items():
            if path is not None:
                outputs[flag] = Output(Path(path), flag)
        yield outputs
    finally:
        for output in outputs.values():
            output.discard()


def refuse_collisions(written: Mapping[str, str | None], kept: str | None, checked: Sequence[str]) -> None:
    """Refuse to write to a file that is something else in this run as well.

    Args:
        written: of each flag the file that it names, or None.
        kept: the results file that --resume names, if it does.
        checked: the implementations and adapters that are named.

    Raises:
        click.UsageError: two of them are the same file: by their names, by a link or by several names of one file.
    """
    named = {flag: path for flag, path in {**written, "--resume": kept}.items() if path is not None}
    places: dict[object, tuple[str, str]] = {}
    for flag, path in named.items():
        for identity in _identities(path):
            if (other := places.get(identity)) and other[0] != flag:
                why = f"{other[0]} {other[1]!r} and {flag} {path!r} are the same file"
                raise click.UsageError(f"{why}, and one would overwrite the other; give two.")
            places[identity] = flag, path
        for descriptor, stream in (1, "stdout"), (2, "stderr"):
            if _is_stream(path, descriptor):
                instead = "; give - for stdout" if (flag, stream) == ("--json", "stdout") else ""
                raise click.UsageError(f"{flag} {path!r} is the file to which {stream} goes{instead}.")
    there = {flag: path for flag, path in named.items() if _may_be_source(path, checked)}
    if there:
        sources = {identity: str(file) for file in _sources(checked) for identity in _identities(str(file))}
        for flag, path in there.items():
            if source := next((sources[one] for one in _identities(path) if one in sources), None):
                why = f"{flag} {path!r} would overwrite {os.path.relpath(source)}, which is being checked"
                raise click.UsageError(f"{why}; give another file.")


def _identities(path: str) -> list[object]:
    """Return what two names of one file have in common; nothing for a pipe or a device, which many may write to."""
    real = os.path.realpath(path)
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        # There is nothing there yet. These systems take upper and lower case for the same.
        return [real.casefold() if sys.platform in ("darwin", "win32") else real]
    return [real, (status.st_dev, status.st_ino)] if stat.S_ISREG(status.st_mode) else []


def _is_stream(path: str, descriptor: int) -> bool:
    try:
        there, stream = os.stat(path), os.fstat(descriptor)  # noqa: PTH116
    except OSError:
        return False
    # A terminal and /dev/null can be written to from several sides.
    mixed = stat.S_ISREG(there.st_mode) or stat.S_ISFIFO(there.st_mode)
    return mixed and os.path.samestat(there, stream)


def _may_be_source(path: str, checked: Sequence[str]) -> bool:
    """Tell whether a file may be one that is checked, without reading those: there may be hundreds."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    homes = {os.path.realpath(_home(name)) for name in checked}
    real = os.path.realpath(path)
    return stat.S_ISREG(status.st_mode) and (status.st_nlink > 1 or real.endswith(".py") or real in homes)


def _sources(checked: Sequence[str]) -> Iterable[Path]:
    """List the files that implementations are made of: what is named, and what it imports from around it."""
    from gradcheck_cli.implementation.loading.source import sources  # only where an output may be one of them

    for name in checked:
        yield Path(_home(name))
        yield from sources(name)


def _home(name: str) -> str:
    """Return the file, folder or module in what a user has typed for an implementation."""
    from gradcheck_cli.implementation.finding.find import split

    return split(name)[0]


def _open_special(path: Path, mode: int) -> int:
    """Open a pipe or a device. A named pipe that nobody reads is waited for, but not for ever."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not (stat.S_ISCHR(mode) or stat.S_ISFIFO(mode)):
        raise OSError(errno.EINVAL, "it is no file, pipe or character device")
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            descriptor = os.open(path, os.O_WRONLY | _O_NONBLOCK | getattr(os, "O_NOCTTY", 0))
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(mode):
                raise
            if time.monotonic() > deadline:
                raise OSError(errno.ENXIO, "nobody reads from this pipe") from error
            time.sleep(_PAUSE)
        else:
            os.set_blocking(descriptor, True)
            return descriptor


class _Reported(io.FileIO):
    """A file of which a full disk is told in one sentence."""

    told = ""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputError(f"{self.told}: {error.strerror}") from error
