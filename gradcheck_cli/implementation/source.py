"""The Python files that an implementation is made of, as its imports tell, without running it."""

from __future__ import annotations

import ast
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from gradcheck_cli.implementation.find import split
from gradcheck_cli.implementation.load import ABOVE, package_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def sources(spec: str, adapter: str | None = None) -> dict[Path, bytes]:
    """Read the file, folder or package that an implementation names, what that imports from around it, and so on.

    What is built in or installed has no such files.

    Args:
        spec: what a user has typed.
        adapter: `FILE.py:function`, which is needed too.
    """
    found: dict[Path, bytes] = {}
    waiting = [file for place in (spec, adapter) if place for file in _named(split(place)[0])]
    while waiting:
        file = waiting.pop()
        if file not in found:
            try:
                if file.is_file():
                    found[file] = file.read_bytes()
                    waiting += _imported(file, found[file])
            except OSError:  # what cannot be read is told when it is loaded
                continue
    return found


def digest(files: dict[Path, bytes]) -> str:
    """Tell source code from what it was before it was edited."""
    whole = hashlib.sha256()
    for _, text in sorted(files.items()):
        whole.update(hashlib.sha256(text).digest())
    return whole.hexdigest()[:16]


def _named(home: str) -> list[Path]:
    """List the files that a name stands for: none where it is built in, installed, or not there."""
    path = Path(home)
    try:
        there = path.exists()
    except OSError:  # such as a name of 300 characters
        return []
    if not there and all(part.isidentifier() for part in home.split(".")):
        return list(_module(home.partition(".")[0], [Path.cwd()]))
    return _python_in(Path(os.path.realpath(path)))


def _imported(file: Path, text: bytes) -> Iterator[Path]:
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # NUL bytes; nested too deeply
        return
    if package := package_of(file, tree):
        yield from _python_in(package)
    around = [file.parent, *file.parents[1:ABOVE]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module(alias.name.partition(".")[0], around)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from _module((node.module or "").partition(".")[0], around)


def _module(name: str, folders: list[Path]) -> Iterator[Path]:
    """Find a module in the first of the folders that has it."""
    for folder in folders:
        if (folder / f"{name}.py").is_file():
            yield (folder / f"{name}.py").resolve()
            return
        if any((folder / name).glob("*.py")):
            yield from _python_in((folder / name).resolve())
            return


def _python_in(place: Path) -> list[Path]:
    return [place] if place.is_file() else sorted(place.rglob("*.py"))
