"""Refuses to write to a file that is something else in the same run."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def refuse_collisions(written: Mapping[str, str], checked: Sequence[str]) -> None:
    """Refuse files that are written and are also something else: by their names, by a link or by several names.

    Args:
        written: the files that are written, by the flags that name them.
        checked: the implementations and adapters that are named.

    Raises:
        click.UsageError: a file is named by two flags, is stdout or stderr, or is being checked.
    """
    owners: dict[object, tuple[str, str]] = {}
    for flag, path in written.items():
        for identity in _identities(path):
            other, theirs = owners.setdefault(identity, (flag, path))
            if other != flag:
                why = f"{other} {theirs!r} and {flag} {path!r} are the same file"
                raise click.UsageError(f"{why}, and one would overwrite the other; give two.")
        for descriptor, stream in (1, "stdout"), (2, "stderr"):
            if _is_stream(path, descriptor):
                instead = "; give - for stdout" if (flag, stream) == ("--json", "stdout") else ""
                raise click.UsageError(f"{flag} {path!r} is the file to which {stream} goes{instead}.")
    suspects = {flag: path for flag, path in written.items() if _may_be_source(path, checked)}
    if not suspects:  # as nearly always: the sources, of which there may be hundreds, are not read
        return
    sources = {identity: file for file in _sources(checked) for identity in _identities(file)}
    for flag, path in suspects.items():
        if source := next((sources[one] for one in _identities(path) if one in sources), None):
            why = f"{flag} {path!r} would overwrite {os.path.relpath(source)}, which is being checked"
            raise click.UsageError(f"{why}; give another file.")


def _identities(path: str | Path) -> list[object]:
    """Return what all names of a file have in common; nothing for a pipe or a device, which many may write to."""
    real = os.path.realpath(path)
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:  # there is no such file yet; these systems take upper and lower case for the same
        return [real.casefold() if sys.platform in ("darwin", "win32") else real]
    return [real, (status.st_dev, status.st_ino)] if stat.S_ISREG(status.st_mode) else []


def _is_stream(path: str, descriptor: int) -> bool:
    try:
        status, stream = os.stat(path), os.fstat(descriptor)  # noqa: PTH116
    except OSError:
        return False
    # A terminal and /dev/null can be written to from several sides.
    mixed = stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)
    return mixed and os.path.samestat(status, stream)


def _may_be_source(path: str, checked: Sequence[str]) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    real = os.path.realpath(path)
    named = real.endswith(".py") or real in {os.path.realpath(_home(name)) for name in checked}
    return stat.S_ISREG(status.st_mode) and (status.st_nlink > 1 or named)


def _sources(checked: Sequence[str]) -> Iterator[Path]:
    """Yield the files of implementations: those that are named, and what they import from around them."""
    from gradcheck_cli.implementation.loading.source import sources  # only where an output may be one of them

    for name in checked:
        yield Path(_home(name))
        yield from sources(name)


def _home(name: str) -> str:
    """Return the file, folder or module in the name of an implementation."""
    from gradcheck_cli.implementation.loading.paths import split_spec  # 30 ms

    return split_spec(name)[0]
