"""The fingerprint of an implementation: what its results depend on, as far as its text tells, without running it.

It covers the file, folder or package, what that imports from around it, and the versions of packages that it imports.
Code that reaches for more than it imports, such as other files, has no fingerprint: to check it again is never wrong.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gradcheck_cli.implementation.loading.imports import imported_names, imports_binary, in_library, is_around, sources
from gradcheck_cli.implementation.loading.paths import read_source, split_spec

#: Modules, built-in names and methods by which code reaches for files, other code or the system.
_MODULES = {
    *("importlib", "runpy", "pkgutil", "imp", "ctypes", "cffi", "os", "io", "pathlib", "glob", "shutil", "tempfile"),
    *("subprocess", "socket", "http", "urllib", "requests", "zipfile", "tarfile", "sqlite3", "shelve", "pickle"),
    *("multiprocessing", "inspect", "linecache", "builtins"),
}
_BUILT_IN = {"__import__", "__file__", "__loader__", "__spec__", "__builtins__", "open", "exec", "eval", "compile"}
_METHODS = {"load", "loadtxt", "genfromtxt", "fromfile", "memmap", "loadmat", "load_library", "import_module"}

#: Files of one implementation: a folder with more holds other things, such as an environment.
_MOST_FILES = 200

#: What of `sys` does no more than tell about the interpreter. All else may lead to other modules.
_HARMLESS_OF_SYS = {"float_info", "maxsize", "version", "version_info", "byteorder", "stdout", "stderr", "exit"}


class Fingerprint:
    """The fingerprint of an implementation, and the files that it covers."""

    def __init__(self, spec: str, adapter: str | None = None) -> None:
        """Take it.

        Args:
            spec: what a user has typed: a file, folder, package or module, perhaps with names.
            adapter: `FILE.py:function`, which is covered too.
        """
        files = sources(spec, adapter, most=_MOST_FILES)
        self._files: Mapping[Path, str] = {file: _hash(text) for file, text in files.items()}
        self.digest = self._digest(spec)  #: None if it cannot be told what the results depend on

    def still_holds(self) -> bool:
        """Tell whether the files are what they were."""
        try:
            return all(_hash(read_source(file)) == digest for file, digest in self._files.items())
        except OSError:
            return False

    def _digest(self, spec: str) -> str | None:
        if not 0 < len(self._files) <= _MOST_FILES:  # built in, or installed
            return None
        base = Path(split_spec(spec)[0]).absolute().parent
        lines = [f"{os.path.relpath(file, base)} {digest}" for file, digest in self._files.items()]
        packages: set[str] = set()
        for file in self._files:
            try:
                tree = ast.parse(read_source(file))
            except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
                continue  # it cannot be loaded either, whatever else there is
            if any(map(_reaches, ast.walk(tree))):
                return None
            elsewhere = {name for name in imported_names(tree) if not is_around(file, name)}
            if any(imports_binary(file, name) for name in elsewhere):
                return None
            packages |= elsewhere
        try:
            lines += [_version(name) for name in packages - sys.stdlib_module_names - {"numpy"}]
        except (ImportError, ValueError, AttributeError, OSError):  # of somebody's import hook
            return None
        return f"sha256:{_hash(chr(10).join(sorted(lines)).encode(errors='surrogateescape'))}"


def _reaches(node: ast.AST) -> bool:
    """Tell whether a part of a program reaches for more than it imports."""
    match node:
        case ast.Import():
            return any(alias.name.partition(".")[0] in _MODULES for alias in node.names)
        case ast.ImportFrom():
            top = (node.module or "").partition(".")[0]
            names = {alias.name for alias in node.names}
            reaches = not names <= _HARMLESS_OF_SYS if top == "sys" else bool(names & _METHODS)
            harmless = top == "builtins" and not names & {*_BUILT_IN, "*"}  # `range`, as for Python 2
            return not node.level and (reaches or (top in _MODULES and not harmless))
        case ast.Name():
            return node.id in _BUILT_IN
        case ast.Attribute(value=ast.Name(id="sys")):
            return node.attr not in _HARMLESS_OF_SYS
        case ast.Attribute():
            return node.attr in _METHODS
    return False


def _version(name: str) -> str:
    """Say which version of a package is installed, or that there is none."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return f"{name} is missing"
    if spec.origin is None or not in_library(spec.origin):  # as in a folder of PYTHONPATH, where it may be edited
        raise ImportError(name)
    from importlib import metadata

    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        distributions = metadata.packages_distributions().get(name, [])
        return f"{name} {[metadata.version(one) for one in sorted(distributions)]}"


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
