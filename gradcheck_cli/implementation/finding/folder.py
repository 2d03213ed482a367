"""The Python files of a folder, classified by what they define, without running any."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.finding.names import is_backward, layers_called, pass_of
from gradcheck_cli.implementation.loading.notebook import python_source
from gradcheck_cli.implementation.loading.paths import SUFFIXES, why_unreadable

#: How many names are listed before the rest is counted.
_LISTED = 8


@frozen
class Definitions:
    """The names of functions and classes that a file defines, even one that is no Python."""

    outermost: tuple[str, ...]
    inner: tuple[str, ...]  #: methods, and functions inside of others


@frozen
class Contents:
    """The Python files of a folder: those to search, and those to leave out."""

    searched: Mapping[Path, Definitions]
    left_out: Mapping[str, list[str]]  #: the names of files by the reason

    def only(self, is_wanted: Callable[[Definitions], bool], otherwise: str) -> Contents:
        """Leave out what is not wanted, too, for the reason `otherwise`."""
        searched = {file: defined for file, defined in self.searched.items() if is_wanted(defined)}
        others = [file.name for file in self.searched if file not in searched]
        return Contents(searched=searched, left_out={**self.left_out, **({otherwise: others} if others else {})})

    def note(self) -> str | None:
        """Name the files that are left out, by reason: `data.py, utils.py (no backward pass); x.py (a folder)`."""
        return "; ".join(f"{shorten(names)} ({why})" for why, names in self.left_out.items()) or None


def contents(folder: Path, pattern: str = "*") -> Contents:
    """Read what the files of a folder define whose names, without the suffix, match a pattern."""
    searched: dict[Path, Definitions] = {}
    left_out: dict[str, list[str]] = {}
    for file in sorted(file for suffix in SUFFIXES for file in folder.glob(pattern + suffix)):
        reason = why_unreadable(file) or ("a test" if file.name.startswith("test") else None)
        try:
            if reason is None:
                searched[file] = definitions(file)
        except (OSError, SyntaxError):
            reason = "a file that cannot be read"
        if reason:
            left_out.setdefault(reason, []).append(file.name)
    return Contents(searched=searched, left_out=left_out)


def definitions(file: Path) -> Definitions:
    """Read the names of what a file defines.

    Raises:
        OSError: it cannot be read.
        SyntaxError: it is no notebook.
    """
    text = "\n".join(python_source(file).decode(errors="replace").splitlines())
    found = re.findall(r"^([ \t]*)(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)", text, re.MULTILINE)
    outermost, inner = ([name for indent, name in found if bool(indent) is within] for within in (False, True))
    return Definitions(outermost=tuple(outermost), inner=tuple(inner))


def shorten(names: Iterable[str]) -> str:
    """List names, and count those that would be too many."""
    names = list(names)
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "") if names else "nothing"


def with_passes(folder: Path, pattern: str = "*") -> Contents:
    """Return the files of a folder that may have passes, or one of which the backward pass is in another file."""
    found = contents(folder, pattern)
    stems = {pass_of(n)[0] for defined in found.searched.values() for n in defined.outermost if is_backward(n)}

    def is_wanted(defined: Definitions) -> bool:
        return _names_passes(defined) or any(pass_of(name)[0] in stems for name in defined.outermost)

    return found.only(is_wanted, "nothing is called after a layer or a backward pass")


def pattern_below(folder: str, searched: Iterable[str]) -> str | None:
    """Return a pattern for files that may have passes, in the folders of a folder, and were not searched, if any."""
    known = {Path(file) for file in searched}
    names = {file.name for file in with_passes(Path(folder), "[!.]*/*").searched if file not in known}
    return str(Path(folder, "*", names.pop() if len(names) == 1 else "*.py")) if names else None


def may_have_passes(file: Path) -> bool:
    """Tell whether something in a file is called like a layer or a backward pass, without running it."""
    try:
        return why_unreadable(file) is None and _names_passes(definitions(file))
    except (OSError, SyntaxError):
        return False


def _names_passes(defined: Definitions) -> bool:
    return (
        any(map(is_backward, defined.inner))
        or any(pass_of(name)[1] for name in defined.outermost)
        or any(layers_called([name], loss=loss) for name in defined.outermost for loss in (False, True))
    )
