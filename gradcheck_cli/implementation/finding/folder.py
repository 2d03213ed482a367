"""The Python files of a folder, told apart by what they define, without running any."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.finding.candidates import pass_of
from gradcheck_cli.implementation.loading.paths import read_source, why_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

#: How many names are listed before the rest is counted.
_LISTED = 8


@frozen
class Definitions:
    """The names of functions and classes that a file defines, even one that is no Python."""

    outermost: tuple[str, ...]
    inner: tuple[str, ...]  #: methods, and functions inside of others

    @property
    def has_backward(self) -> bool:
        """Whether one of them is called as a backward pass is."""
        return any(pass_of(name)[1] == "backward" for name in (*self.outermost, *self.inner))


@frozen
class Contents:
    """What is done with the Python files of a folder."""

    searched: tuple[Path, ...]
    left_out: tuple[tuple[str, str], ...]  #: names of files, each with the reason

    def note(self) -> str | None:
        """Name the files that are left out, by reason: `data.py, utils.py (no backward pass); x.py (a folder)`."""
        reasons = dict.fromkeys(reason for _, reason in self.left_out)
        by_reason = {why: [name for name, reason in self.left_out if reason == why] for why in reasons}
        return "; ".join(f"{shortened(names)} ({why})" for why, names in by_reason.items()) or None


def definitions(file: Path) -> Definitions:
    """Read which names a file defines.

    Raises:
        OSError: it cannot be read.
    """
    text = "\n".join(read_source(file).decode(errors="replace").splitlines())
    found = re.findall(r"^([ \t]*)(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", text, re.MULTILINE)
    return Definitions(
        outermost=tuple(name for indent, name in found if not indent),
        inner=tuple(name for indent, name in found if indent),
    )


def contents(folder: Path, pattern: str, is_wanted: Callable[[Definitions], bool], otherwise: str) -> Contents:
    """Sort the files of a folder into those to search and those to leave out.

    Args:
        folder: the folder.
        pattern: of its files, such as "*.py".
        is_wanted: tells by its definitions whether a file is to be searched.
        otherwise: the reason to leave out another.
    """
    searched: list[Path] = []
    left_out: list[tuple[str, str]] = []
    for file in sorted(folder.glob(pattern)):
        reason = why_unreadable(file)
        if reason is None and file.name.startswith("test"):
            reason = "a test"
        if reason is None:
            try:
                reason = None if is_wanted(definitions(file)) else otherwise
            except OSError:
                reason = "a file that cannot be read"
        if reason is None:
            searched.append(file)
        else:
            left_out.append((file.name, reason))
    return Contents(searched=tuple(searched), left_out=tuple(left_out))


def shortened(names: Iterable[str]) -> str:
    """List names, and count those that would be too many."""
    names = list(names)
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "") if names else "nothing"
