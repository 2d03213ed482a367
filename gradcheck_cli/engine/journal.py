"""A file of results: written as a run goes, and from which it goes on after it was cut.

Its lines are JSON: the first says what run it is, each other holds a result and a checksum. The last may be torn, by a
kill or a full disk; it is dropped. Anything else that is not as it was written is refused, and left alone.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO

from gradcheck_cli.results.encoding import decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult

_TITLE = "gradcheck_run"
_VERSION = 2

#: Of a list that differs so many are named: a course's file has twenty layers, and an error has two lines.
_SHOWN = 3

#: Bytes of a line. Results are some kilobytes, with arrays some megabytes.
_LONGEST = 2**28

_CHECKSUM = b', "crc32": '


class UnusableError(Exception):
    """The file is not one that this run can go on with: why, and what to do. The message is the end of a sentence."""


class Journal:
    """The results of a run, in a file; in memory there is only where each is."""

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        """Open a file, or begin it.

        Args:
            path: where it is; nothing need be there.
            run: what results depend on beside the case, as JSON holds it, under names that people understand.

        Raises:
            UnusableError: it is of another run, is no such file, is damaged, or is being written.
            OSError: it cannot be read or written.
        """
        self._file = _open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        self._reader: BinaryIO = os.fdopen(_open_regular(path, os.O_RDONLY), "rb")
        self._places: dict[bytes, int] = {}  # where the line of a case begins
        self._end = 0  # of the last line that is whole
        try:
            self._lock()
            self._read(run)
        except BaseException:
            self.close()
            raise

    def recall(self, number: int, case: Case) -> CaseResult | None:
        """Return what came of a case for the implementation of that number; None if it was not done."""
        place = self._places.get(_key(number, encode(case)))
        if place is None:
            return None
        try:
            self._reader.seek(place)
            return decode(json.loads(self._reader.readline(_LONGEST))["result"])
        except Exception:  # noqa: BLE001  # whole, as its checksum says, and of another program: done again
            return None

    def keep(self, number: int, case: Case, result: CaseResult) -> None:  # noqa: ARG002  # the result has it
        """Write a result.

        Raises:
            OSError: it cannot be written; the file is as it was before.
        """
        line = _line({"implementation": number, "result": encode(result)})
        if len(line) <= _LONGEST:  # or it would not be read again
            self._write(line)

    def close(self) -> None:
        """Close the file; all that was written is there already."""
        self._reader.close()
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        # In one call to the system: a kill leaves one torn line at most. A disk that fills up takes a part of it.
        try:
            written = os.write(self._file, line)
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            raise
        self._end += len(line)

    def _lock(self) -> None:
        with contextlib.suppress(ImportError):
            import fcntl  # not on Windows

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UnusableError("another run is writing it; wait for that to end, or name another file") from error
            except OSError:  # a file system without locks
                pass

    def _read(self, run: Mapping[str, Any]) -> None:
        """Hold the first line against this run, and find the results; write only if all is well."""
        header = json.dumps({_TITLE: _VERSION, **run}, allow_nan=False).encode() + b"\n"
        first = self._reader.readline(_LONGEST)
        if first.endswith(b"\n"):
            _compare(first, run)
            self._end = len(first)
            lines = self._results()
        elif not header.startswith(first):
            raise UnusableError("it is no file of results, and would be written to; name another")
        else:
            lines = iter(())
        for number, (line, place) in enumerate(lines, start=2):
            found = _parsed(line)
            try:
                self._places[_key(found["implementation"], found["result"]["case"])] = place
            except (KeyError, TypeError, RecursionError) as error:
                raise UnusableError(f"line {number} is no result; remove that line, or name another file") from error
        if os.fstat(self._file).st_size > self._end:
            os.ftruncate(self._file, self._end)
        if not self._end:
            self._write(header)

    def _results(self) -> Iterator[tuple[bytes, int]]:
        """Go through the lines behind the first, with where they begin; the last may be torn."""
        while line := self._reader.readline(_LONGEST):
            if not line.endswith(b"\n"):
                if len(line) >= _LONGEST:
                    raise UnusableError("it has a line that is longer than any result; name another file")
                return
            yield line, self._end
            self._end += len(line)


def _open_regular(path: Path, flags: int) -> int:
    """Open a file, and nothing else: a pipe would hang, a device never end."""
    with contextlib.suppress(FileNotFoundError):
        _demand_regular(path.stat())
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0), 0o666)
    try:
        _demand_regular(os.fstat(descriptor))  # again: it may have been replaced
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _demand_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise UnusableError("it is a pipe or a device, of which nothing can be read again; name a file")


def _line(result: Mapping[str, Any]) -> bytes:
    """Write a result and the checksum of what stands before that, as one object."""
    text = json.dumps(result, allow_nan=False).encode()[:-1]
    return text + _CHECKSUM + b"%d}\n" % zlib.crc32(text)


def _parsed(line: bytes) -> Any:
    """Read a line; what is not as it was written has no result in it."""
    text, _, checksum = line.rpartition(_CHECKSUM)
    if checksum != b"%d}\n" % zlib.crc32(text):
        return None
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _compare(first: bytes, run: Mapping[str, Any]) -> None:
    """Refuse what is no file of results, or one of another run."""
    if not first.startswith(f'{{"{_TITLE}": '.encode()):
        raise UnusableError("it is no file of results, and would be written to; name another")
    try:
        before = json.loads(first)
    except (ValueError, RecursionError) as error:
        raise UnusableError("line 1 does not say what run it is; name another file") from error
    if (version := before.get(_TITLE)) != _VERSION:
        told = f"its format is version {_shown(version)[:20]}, and this program writes version {_VERSION}"
        raise UnusableError(f"{told}; name another file")
    if differences := [name for name in run if before.get(name) != run[name]]:
        told = ", ".join(f"{name} was {_shown(before.get(name))}, now {_shown(run[name])}" for name in differences)
        raise UnusableError(f"it is of another run: {told}; run as before, or name another file")


def _key(number: int, case: Mapping[str, Any]) -> bytes:
    """Name a case of an implementation in few bytes: there may be a million."""
    return hashlib.blake2b(json.dumps([number, case]).encode(), digest_size=16).digest()


def _shown(value: object) -> str:
    if isinstance(value, list) and value:
        more = len(value) - _SHOWN
        return ", ".join(map(str, value[:_SHOWN])) + (f" and {more} more" if more > 0 else "")
    return "not given" if value is None else str(value)
