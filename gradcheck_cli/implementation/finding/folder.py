"""The Python files of a folder, classified by what they define, without running any."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.finding.names import is_backward, layers_called, pass_of
from gradcheck_cli.implementation.loading.notebook import python_source
from gradcheck_cli.implementation.loading.paths import SUFFIXES, is_folder, why_unreadable

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

    searched: tuple[Path, ...]
    left_out: tuple[tuple[str, str], ...]  #: names of files, each with the reason

    def note(self) -> str | None:
        """Name the files that are left out, by reason: `data.py, utils.py (no backward pass); x.py (a folder)`."""
        reasons = dict.fromkeys(reason for _, reason in self.left_out)
        by_reason = {why: [name for name, reason in self.left_out if reason == why] for why in reasons}
        return "; ".join(f"{shorten(names)} ({why})" for why, names in by_reason.items()) or None


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
    for file in sorted(file for suffix in SUFFIXES for file in folder.glob(pattern.removesuffix(".py") + suffix)):
        reason = why_unreadable(file) or ("a test" if file.name.startswith("test") else None)
        if reason is None:
            try:
                reason = None if is_wanted(definitions(file)) else otherwise
            except (OSError, SyntaxError):
                reason = "a file that cannot be read"
        if reason is None:
            searched.append(file)
        else:
            left_out.append((file.name, reason))
    return Contents(searched=tuple(searched), left_out=tuple(left_out))


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


def files_in(spec: str) -> list[str]:
    """List the files of a folder that may have passes, without running any; of anything else, itself."""
    if not is_folder(Path(spec)):
        return [spec]
    files = [Path(spec, file.name) for file in _with_passes(spec).searched]
    return [f"./{file}" if str(file).startswith("-") else str(file) for file in files]


def left_out_of(spec: str) -> str | None:
    """Name the Python files of a folder that are not searched, each with the reason; None if there are none."""
    return _with_passes(spec).note() if is_folder(Path(spec)) else None


def unsearched(spec: str, searched: Iterable[str]) -> str | None:
    """Return a pattern for files that may have passes, are in the folders of a folder and were not searched, if any."""
    if not is_folder(Path(spec)):
        return None
    known = {Path(file) for file in searched}
    names = {file.name for file in _with_passes(spec, "[!.]*/*.py").searched if file not in known}
    return str(Path(spec, "*", names.pop() if len(names) == 1 else "*.py")) if names else None


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


def _with_passes(folder: str, pattern: str = "*.py") -> Contents:
    stems: set[str] = set()  # of backward passes, of which the forward pass may be in another file

    def is_wanted(defined: Definitions) -> bool:
        stems.update(pass_of(name)[0] for name in defined.outermost if is_backward(name))
        return _names_passes(defined) or any(pass_of(name)[0] in stems for name in defined.outermost)

    why = "nothing is called after a layer or a backward pass"
    contents(Path(folder), pattern, is_wanted, why)  # to know all stems
    return contents(Path(folder), pattern, is_wanted, why)
