"""A results file: written as a run proceeds, and read when an interrupted run is resumed.

Its lines are JSON: the first describes the run, each other has a result and a checksum. The last may be cut off by a
kill or a full disk; it is dropped. A file with anything else that is not as it was written is refused and left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.results.encoding import decode, encode
from gradcheck_cli.results.result import CaseResult

_TITLE = "gradcheck_run"
_VERSION = 2

#: Items of a differing list that an error names: a file of a course has twenty layers, and an error has two lines.
_MOST_ITEMS = 3

#: Bytes of a line. Results have some kilobytes, with arrays some megabytes.
_LONGEST = 2**28

_CHECKSUM = b', "crc32": '


class UnusableError(Exception):
    """This run cannot be resumed from the file. The message, the end of a sentence, says why and what to do."""


class Journal:
    """The results of a run in a file. In memory is only where each of them is."""

    def __init__(self, path: Path, run: Mapping[str, Any]) -> None:
        """Open a file, or create it.

        Args:
            path: of the file.
            run: what results depend on besides the case, as JSON, under names that users understand.

        Raises:
            UnusableError: it is of another run, not a results file, damaged, or being written.
            OSError: it cannot be read or written.
        """
        self._file = _open_regular(path)
        self._reader: BinaryIO = os.fdopen(os.dup(self._file), "rb")
        self._positions: dict[bytes, int] = {}  # of the line of each case
        self._end = 0  # of the last complete line
        try:
            self._lock()
            self._read(run)
        except BaseException:
            self.close()
            raise

    def recall(self, number: int, case: Case) -> CaseResult | None:
        """Return the result of a case of the implementation with this number; None if there is none."""
        position = self._positions.get(_key(number, encode(case)))
        if position is None:
            return None
        try:
            self._reader.seek(position)
            return decode(json.loads(self._reader.readline(_LONGEST))["result"])
        except Exception:  # noqa: BLE001  # complete, as its checksum says, but of another program: it is checked again
            return None

    def keep(self, number: int, case: Case, result: CaseResult) -> None:  # noqa: ARG002  # the result has the case
        """Write a result.

        Raises:
            OSError: it cannot be written; the file is as it was before.
        """
        text = json.dumps({"implementation": number, "result": encode(result)}, allow_nan=False).encode()[:-1]
        line = text + _CHECKSUM + b"%d}\n" % zlib.crc32(text)
        if len(line) <= _LONGEST:  # a longer one would not be read again
            self._write(line)

    def close(self) -> None:
        """Close the file; everything was written before."""
        self._reader.close()
        os.close(self._file)

    def _write(self, line: bytes) -> None:
        # In one system call, so that a kill leaves one incomplete line at most. A full disk takes part of a line.
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
        """Compare the first line with this run, and find the results. Write only if nothing is wrong."""
        header = json.dumps({_TITLE: _VERSION, **run}, allow_nan=False).encode() + b"\n"
        first = self._reader.readline(_LONGEST)
        if first.endswith(b"\n"):
            _require_same_run(first, run)
            self._end = len(first)
            self._find_results()
        elif not header.startswith(first):
            raise UnusableError("it is no file of results, and would be written to; name another")
        if os.fstat(self._file).st_size > self._end:
            os.ftruncate(self._file, self._end)
        if not self._end:
            self._write(header)

    def _find_results(self) -> None:
        number = 1
        while line := self._reader.readline(_LONGEST):
            number += 1
            if not line.endswith(b"\n"):
                if len(line) >= _LONGEST:
                    raise UnusableError("it has a line that is longer than any result; name another file")
                return
            entry = _parse(line)
            try:
                self._positions[_key(entry["implementation"], entry["result"]["case"])] = self._end
            except (KeyError, TypeError, RecursionError) as error:
                raise UnusableError(f"line {number} is no result; remove that line, or name another file") from error
            self._end += len(line)


def _open_regular(path: Path) -> int:
    """Open a regular file: a pipe would hang, and a device never end."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0), 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise UnusableError("it is a pipe or a device, of which nothing can be read again; name a file")
    return descriptor


def _parse(line: bytes) -> Any:
    """Return the entry of a line; None if the line is not as it was written."""
    text, _, checksum = line.rpartition(_CHECKSUM)
    try:
        return json.loads(line) if checksum == b"%d}\n" % zlib.crc32(text) else None
    except (ValueError, RecursionError):
        return None


def _require_same_run(first: bytes, run: Mapping[str, Any]) -> None:
    """Refuse a file that is not a results file, or is of another run."""
    if not first.startswith(f'{{"{_TITLE}": '.encode()):
        raise UnusableError("it is no file of results, and would be written to; name another")
    try:
        before = json.loads(first)
    except (ValueError, RecursionError) as error:
        raise UnusableError("line 1 does not say what run it is; name another file") from error
    if (version := before.get(_TITLE)) != _VERSION:
        versions = f"its format is version {_show(version)[:20]}, and this program writes version {_VERSION}"
        raise UnusableError(f"{versions}; name another file")
    if changed := changes(before, run):
        raise UnusableError(f"it is of another run: {', '.join(changed)}; run as before, or name another file")


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Say what two runs depend on differently: `--tol was not given, now 50.0`."""
    changed = [name for name in now if before.get(name) != now[name]]
    return [f"{name} was {_show(before.get(name))}, now {_show(now[name])}" for name in changed]


def _key(number: int, case: Mapping[str, Any]) -> bytes:
    """Identify a case of an implementation in few bytes: there may be a million."""
    return hashlib.blake2b(json.dumps([number, case]).encode(), digest_size=16).digest()


def _show(value: object) -> str:
    if isinstance(value, list) and value:
        more = len(value) - _MOST_ITEMS
        return ", ".join(map(str, value[:_MOST_ITEMS])) + (f" and {more} more" if more > 0 else "")
    return "not given" if value is None or value == [] else str(value)
