"""Refuses to write to a file that is something else in the same run, or Python code."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence

import click

from gradcheck_cli.report.formats import FORMATS

#: The flags to which - is stdout.
_TO_STDOUT = {f"--{one.name}" for one in FORMATS if one.stdout}

#: How the names of files end that a report never replaces.
_CODE = (".py", ".ipynb")


def refuse_collisions(
    written: Mapping[str, str], checked: Sequence[str], read: Mapping[str, str] | None = None
) -> None:
    """Refuse files that are written and are also something else, by their names or by a link.

    Args:
        written: the files that are written, by the flags that name them.
        checked: the implementations and adapters that are named.
        read: the files that are read, by the flags that name them.

    Raises:
        click.UsageError: a file is named by two flags, is stdout or stderr, is being checked, or is Python code.
    """
    owners = {_identity(path): (flag, path) for flag, path in (read or {}).items()}
    sources = _sources(checked)
    for flag, path in written.items():
        identity = _identity(path)
        other, theirs = owners.setdefault(identity, (flag, path))
        if identity and other != flag:
            why = f"{other} {theirs!r} and {flag} {path!r} are the same file"
            raise click.UsageError(f"{why}, and one would overwrite the other; give two.")
        if identity and (identity in sources or (identity.endswith(_CODE) and _status(path))):
            of_what = "being checked" if identity in sources else "Python code"
            why = f"{flag} {path!r} would overwrite {os.path.relpath(identity)}, which is {of_what}"
            raise click.UsageError(f"{why}; give another file.")
        for descriptor, stream in (1, "stdout"), (2, "stderr"):
            if _is_stream(path, descriptor):
                instead = "; give - for stdout" if flag in _TO_STDOUT and stream == "stdout" else ""
                raise click.UsageError(f"{flag} {path!r} is the file to which {stream} goes{instead}.")


def _identity(path: str) -> str | None:
    """Return what all names of a file have in common; None of a pipe or a device, which many may write to."""
    status = _status(path)
    if status is not None and not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        return None
    real = os.path.realpath(path)
    return real.casefold() if sys.platform in ("darwin", "win32") else real  # which take both cases for the same


def _is_stream(path: str, descriptor: int) -> bool:
    status, stream = _status(path), _status(descriptor)
    if status is None or stream is None or not os.path.samestat(status, stream):
        return False
    return stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)  # a terminal or /dev/null may be shared


def _sources(checked: Sequence[str]) -> set[str | None]:
    """Return the identities of the files of implementations; what these import is Python code, too."""
    from gradcheck_cli.implementation.loading.paths import files_of, split_spec  # only where a file is written

    return {_identity(str(home)) for name in checked for home in files_of(split_spec(name)[0])} - {None}


def _status(file: str | int) -> os.stat_result | None:
    try:
        return os.stat(file)  # noqa: PTH116
    except OSError:
        return None
