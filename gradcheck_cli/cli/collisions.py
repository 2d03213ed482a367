"""Refuses to write to a file that is something else in the same run."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from gradcheck_cli.report.formats import FORMATS

#: The flags to which - is stdout.
_TO_STDOUT = {f"--{one.name}" for one in FORMATS if one.stdout}


def refuse_collisions(
    written: Mapping[str, str], checked: Sequence[str], read: Mapping[str, str] | None = None
) -> None:
    """Refuse files that are written and are also something else: by their names, by a link or by several names.

    Args:
        written: the files that are written, by the flags that name them.
        checked: the implementations and adapters that are named.
        read: the files that are read, by the flags that name them.

    Raises:
        click.UsageError: a file is named by two flags, is stdout or stderr, or is being checked.
    """
    sources = _sources(written, checked)
    owners = {identity: one for one in (read or {}).items() for identity in _identities(one[1])}
    for flag, path in written.items():
        for identity in _identities(path):
            other, theirs = owners.setdefault(identity, (flag, path))
            if other != flag:
                why = f"{other} {theirs!r} and {flag} {path!r} are the same file"
                raise click.UsageError(f"{why}, and one would overwrite the other; give two.")
            if identity in sources:
                why = f"{flag} {path!r} would overwrite {os.path.relpath(sources[identity])}, which is being checked"
                raise click.UsageError(f"{why}; give another file.")
        for descriptor, stream in (1, "stdout"), (2, "stderr"):
            if _is_stream(path, descriptor):
                instead = "; give - for stdout" if flag in _TO_STDOUT and stream == "stdout" else ""
                raise click.UsageError(f"{flag} {path!r} is the file to which {stream} goes{instead}.")


def _identities(path: str | Path) -> list[object]:
    """Return what all names of a file have in common; nothing for a pipe or a device, which many may write to."""
    real = os.path.realpath(path)
    status = _status(path)
    if status is None:  # there is no such file yet; these systems take upper and lower case for the same
        return [real.casefold() if sys.platform in ("darwin", "win32") else real]
    return [real, (status.st_dev, status.st_ino)] if stat.S_ISREG(status.st_mode) else []


def _is_stream(path: str, descriptor: int) -> bool:
    status, stream = _status(path), _status(descriptor)
    if status is None or stream is None or not os.path.samestat(status, stream):
        return False
    return stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)  # a terminal or /dev/null may be shared


def _sources(written: Mapping[str, str], checked: Sequence[str]) -> dict[object, Path]:
    """Return the files of implementations, those that they import too, by their identities.

    There may be hundreds: they are read only if a file that is written may be one of them.
    """
    from gradcheck_cli.implementation.loading.paths import files_of, split_spec  # only where a file is written

    homes = [home for name in checked for home in files_of(split_spec(name)[0])]
    real_homes = {os.path.realpath(home) for home in homes}

    def may_be_source(path: str) -> bool:
        status, real = _status(path), os.path.realpath(path)
        if status is None or not stat.S_ISREG(status.st_mode):
            return False
        return status.st_nlink > 1 or real.endswith(".py") or real in real_homes

    if not any(map(may_be_source, written.values())):
        return {}
    from gradcheck_cli.implementation.loading.source import sources

    files = [*map(Path, homes), *(file for name in checked for file in sources(name))]
    return {identity: file for file in files for identity in _identities(file)}


def _status(file: str | Path | int) -> os.stat_result | None:
    try:
        return os.stat(file)  # noqa: PTH116
    except OSError:
        return None
