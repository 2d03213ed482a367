"""What may stand at the cursor: words, files, and the functions in files, which are read and not run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from gradcheck_cli.implementation.finding.folder import definitions
from gradcheck_cli.implementation.finding.names import matching_pairs
from gradcheck_cli.implementation.loading.paths import SUFFIXES, is_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Items = list[CompletionItem]

#: The type of an item that is a file or a folder: a shell quotes it, and goes on after the `/` of a folder.
PATH = "path"

#: More files than this in a folder are no help.
_MOST_FILES = 1000


def complete_words(incomplete: str, words: Iterable[str], *, listed: bool = False) -> Items:
    """Offer words; in a list those that are not in it yet."""
    given, comma, last = incomplete.rpartition(",") if listed else ("", "", incomplete)
    left = [word for word in words if word.startswith(last) and word not in given.split(",")]
    return [CompletionItem(f"{given}{comma}{word}") for word in left]


def complete_commands(incomplete: str, commands: Mapping[str, str]) -> Items:
    """Offer commands, with what each does."""
    return [CompletionItem(name, help=text) for name, text in commands.items() if name.startswith(incomplete)]


def complete_files(incomplete: str, suffixes: tuple[str, ...] = ()) -> Items:
    """Offer the files of a folder, or those with some suffixes, and folders. Hidden ones are offered on request."""
    folder, begun = os.path.split(incomplete)
    try:
        entries = sorted(os.scandir(Path(folder or ".").expanduser()), key=lambda entry: entry.name)
    except OSError:
        return []
    offered = [entry for entry in entries if entry.name.startswith(begun) and (begun or entry.name[0] != ".")]
    names = [
        f"{entry.name}/" if entry.is_dir() else entry.name
        for entry in offered
        if entry.name.isprintable() and (entry.is_dir() or entry.name.endswith(suffixes or ""))
    ]
    return [CompletionItem(os.path.join(folder, name), type=PATH) for name in names[:_MOST_FILES]]  # noqa: PTH118  # `./a` stays so


def complete_code(incomplete: str, *, builtin: Iterable[str] = (), pairs: bool = True) -> Items:
    """Offer built-in implementations, Python files, notebooks and folders; after `FILE.py:` what the file defines."""
    home, colon, names = incomplete.rpartition(":")
    path = Path(home).expanduser()
    if not (colon and is_file(path)):
        return [*complete_words(incomplete, builtin), *complete_files(incomplete, SUFFIXES)]
    try:
        defined = dict.fromkeys(name for name in definitions(path).outermost if not name.startswith("__"))
    except (OSError, SyntaxError):
        return []
    return [CompletionItem(f"{home}:{name}") for name in _functions(names, list(defined), pairs=pairs)]


def _functions(begun: str, defined: list[str], *, pairs: bool) -> Iterator[str]:
    """Yield pairs that belong together and single names; after a comma what may come second."""
    first, comma, second = begun.partition(",")
    if comma:
        yield from (f"{first},{name}" for name in defined if name.startswith(second) and name != first)
        return
    if pairs:
        yield from (f"{one},{other}" for one, other in matching_pairs(defined) if one.startswith(begun))
    yield from (name for name in defined if name.startswith(begun))
