"""A file to which a run writes each result as it comes, and from which it goes on after it was cut.

Its lines are JSON: the first says what run it is, each other holds a result. The last may be torn; it is dropped.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

from gradcheck_cli.result_json import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gradcheck_cli.layers.layer import Case
    from gradcheck_cli.result import CaseResult

_TITLE = "gradcheck_run"
_VERSION = 1

#: Of a list that differs so many are named: a course's file has twenty layers, and an error has two lines.
_SHOWN = 3


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
            UnusableError: it is of another run, is no such file, or is being written.
            OSError: it cannot be read or written.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self._reader = path.open("rb")
        self._places: dict[bytes, int] = {}  # where the line of a case begins
        try:
            self._lock()
            self._drop_what_is_torn()
            self._begin(run)
        except BaseException:
            self.close()
            raise

    def recall(self, number: int, case: Case) -> CaseResult | None:
        """Return what came of a case for the implementation of that number; None if it was not done."""
        place = self._places.get(_key(number, encode(case)))
        if place is None:
            return None
        self._reader.seek(place)
        try:
            return decode(json.loads(self._reader.readline())["result"])
        except (ValueError, KeyError, TypeError) as error:
            where = f"the result of {case.label()} is damaged"
            raise UnusableError(f"{where}; remove its line, or name another file") from error

    def keep(self, number: int, case: Case, result: CaseResult) -> None:  # noqa: ARG002  # the result has it
        """Write a result."""
        self._write({"implementation": number, "result": encode(result)})

    def close(self) -> None:
        """Close the file; all that was written is there already."""
        self._reader.close()
        os.close(self._file)

    def _write(self, line: Mapping[str, Any]) -> None:
        # In one call to the system: Ctrl-C comes before or after it, and a kill leaves one torn line at most.
        os.write(self._file, json.dumps(line, allow_nan=False).encode() + b"\n")

    def _lock(self) -> None:
        with contextlib.suppress(ImportError):
            import fcntl  # not on Windows

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise UnusableError("another run is writing it; wait for that to end, or name another file") from error

    def _drop_what_is_torn(self) -> None:
        end = whole = 0
        title = json.dumps({_TITLE: _VERSION})[:-1].encode()
        for line in self._reader:
            if not end and line[: len(title)] != title[: len(line)]:
                raise UnusableError("it is no file of results, and would be written to; name another")
            end += len(line)
            whole = end if line.endswith(b"\n") else whole
        if whole < end:
            os.ftruncate(self._file, whole)
        self._reader.seek(0)

    def _begin(self, run: Mapping[str, Any]) -> None:
        """Hold the first line against this run, and find the results; or write it."""
        first = self._reader.readline()
        if not first:
            self._write({_TITLE: _VERSION, **run})
            return
        try:
            before = json.loads(first)
        except ValueError as error:
            raise UnusableError("line 1 does not say what run it is; name another file") from error
        if differences := [name for name in run if before.get(name) != run[name]]:
            told = ", ".join(f"{name} was {_shown(before.get(name))}, now {_shown(run[name])}" for name in differences)
            raise UnusableError(f"it is of another run: {told}; run as before, or name another file")
        place = self._reader.tell()
        for number, line in enumerate(self._reader, start=2):
            try:
                found = json.loads(line)
                self._places[_key(found["implementation"], found["result"]["case"])] = place
            except (ValueError, KeyError, TypeError) as error:
                raise UnusableError(f"line {number} is no result; remove that line, or name another file") from error
            place += len(line)


def _key(number: int, case: Mapping[str, Any]) -> bytes:
    """Name a case of an implementation in few bytes: there may be a million."""
    return hashlib.blake2b(json.dumps([number, case]).encode(), digest_size=16).digest()


def _shown(value: object) -> str:
    if isinstance(value, list) and value:
        more = len(value) - _SHOWN
        return ", ".join(map(str, value[:_SHOWN])) + (f" and {more} more" if more > 0 else "")
    return "not given" if value is None else str(value)
