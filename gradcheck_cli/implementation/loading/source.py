"""The Python files that an implementation is made of, as its imports tell, without running it."""

from __future__ import annotations

import ast
import hashlib
import itertools
from pathlib import Path

from gradcheck_cli.implementation.loading.packages import (
    imported_names,
    module_in,
    package_root,
    relative_top,
    search_folders,
)
from gradcheck_cli.implementation.loading.paths import files_of, is_file, is_folder, read_source, split_spec

#: How the names of compiled modules end.
_COMPILED = {".so", ".pyd", ".pyc", ".dll", ".dylib"}


def sources(spec: str, adapter: str | None = None, most: int | None = None) -> dict[Path, bytes]:
    """Read the file, folder or package that an implementation names, what that imports from around it, and so on.

    What is built in or installed has no such files.

    Args:
        spec: what a user has typed.
        adapter: `FILE.py:function`, which is needed too.
        most: if there are more files than this, one more is read and the rest left out.
    """
    found: dict[Path, bytes] = {}
    homes = [home for place in (spec, adapter) if place for home in files_of(split_spec(place)[0])]
    waiting = [named for home in homes for named in _named(home)]
    seen: set[Path] = set()
    while waiting and (most is None or len(found) <= most):
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        if is_folder(place):
            waiting += sorted(place.rglob("*.py"))
        elif is_file(place):
            try:
                found[place] = read_source(place)
            except OSError:  # reported where it is loaded
                continue
            waiting += _imported(place, found[place])
    return found


def digest(files: dict[Path, bytes]) -> str:
    """Tell source code from what it was before it was edited."""
    whole = hashlib.sha256()
    for _, text in sorted(files.items()):
        whole.update(hashlib.sha256(text).digest())
    return whole.hexdigest()[:16]


def _named(home: str) -> list[Path]:
    """Find the file or folder that a name stands for: none where it is built in, installed, or not there."""
    path = Path(home)
    if is_file(path) or is_folder(path):
        return [path.resolve()]
    is_dotted = all(part.isidentifier() for part in home.split("."))
    return _module(home, [Path()]) if is_dotted else []


def _imported(file: Path, text: bytes) -> list[Path]:
    """List the files, and the folders of packages, that a file imports from around it."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    names, package = imported_names(tree), relative_top(file, tree)
    around = _around(file, names)
    return [*([package] if package else []), *(path for name in names for path in _module(name, around))]


def is_around(file: Path, name: str) -> bool:
    """Tell whether a module that a file imports, or its package, is around it."""
    return bool(_module(name, _around(file, {name})))


def imports_binary(file: Path, name: str) -> bool:
    """Tell whether around a file that imports a module there is one of this name that is compiled."""
    folders = _around(file, {name})
    return any(found.suffix in _COMPILED for folder in folders for found in folder.glob(f"{name}.*"))


def _around(file: Path, names: set[str]) -> list[Path]:
    return [*search_folders(file, names), *([root] if (root := package_root(file)) else [])]


def _module(name: str, folders: list[Path]) -> list[Path]:
    """Return a module, or the folder of its package, as the first of the folders has it; [] if none does."""
    found = filter(None, (module_in(folder, name) for folder in folders))
    return [path.resolve() for path in itertools.islice(found, 1)]
