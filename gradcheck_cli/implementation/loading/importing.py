"""Runs a file as a module of its own, with its folders on the path, and removes what it imported from beside it."""

from __future__ import annotations
import __future__

import ast
import importlib
import importlib.util
import os
import sys
import traceback
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.loading.imports import name_within, parse_file
from gradcheck_cli.implementation.loading.notebook import (
    WARNINGS,
    NotebookLoader,
    describe_raised,
    is_notebook,
    run_statements,
)


class _PathEntry(str):
    """A folder that was put on the path for an implementation."""

    __slots__ = ()


@contextmanager
def importable(roots: list[Path], last: Iterable[Path] = ()) -> Iterator[None]:
    """Put folders on the path, and hide in this block those that were put there for other implementations.

    They stay, because code may import at its first call. What is nowhere else is looked for in the `last` ones.
    """
    others = [entry for entry in sys.path if isinstance(entry, _PathEntry)]
    before = [entry for entry in sys.path if not isinstance(entry, _PathEntry)]
    own, after = [_PathEntry(root) for root in roots], [_PathEntry(root) for root in last]
    sys.path[:] = [*own, *(entry for entry in before if entry not in own), *after]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = list(dict.fromkeys([*own, *others, *before, *after]))


@dataclass(frozen=True)
class FileModule:
    """A file as a module under a name of its own: two `layers.py` are two modules."""

    file: Path
    top: Path | None  #: the topmost folder of its package, where it has relative imports
    roots: list[Path]  #: the folders to import from
    others: list[Path]  #: those to import from what is nowhere else: that of the package

    @property
    def prefix(self) -> str:
        """The name of the outermost module that is made."""
        outermost = self.top or self.file
        return f"{outermost.stem.replace('.', '_')}_{zlib.crc32(os.fsencode(outermost)):08x}"

    @property
    def name(self) -> str:
        """The name of the module."""
        parts = self.file.relative_to(self.top).with_suffix("").parts if self.top else ()
        return ".".join([self.prefix, *parts]).removesuffix(".__init__")

    def run(self, before: set[str]) -> ModuleType:
        """Run the file, within its package if it has one.

        Args:
            before: the modules that were there before any try.
        """
        if self.top:
            _make_package(self.prefix, self.top)
        try:
            return _execute(self.name, self.file)
        except (ImportError, AttributeError) as error:
            root = [folder for folder in self.roots if self.file.is_relative_to(folder)][-1]
            own = name_within(self.file, root)
            if not _is_circular(error) or own is None or own in before:
                raise
            # A helper imports the file back under its own name, and got a second copy: as Python does, have only one.
            self.remove_helpers(before)
            sys.modules[self.name] = importlib.import_module(own)
            return sys.modules[self.name]

    def remove(self) -> None:
        """Remove the module and its package."""
        for name in [name for name in sys.modules if f"{name}.".startswith(f"{self.prefix}.")]:
            del sys.modules[name]

    def remove_helpers(self, before: set[str]) -> None:
        """Remove what was imported from beside the file: another folder's `helper` is another module."""
        new = [name for name in set(sys.modules) - before if not f"{name}.".startswith(f"{self.prefix}.")]
        places = {name: _places(sys.modules[name]) for name in new}  # all before a package is gone
        for name, found in places.items():
            if any(place.is_relative_to(root) for place in found for root in (*self.roots, *self.others)):
                del sys.modules[name]


def _is_circular(error: BaseException) -> bool:
    texts = [argument for argument in error.args if isinstance(argument, str)]
    return any("partially initialized module" in text for text in texts)


def _places(module: object) -> list[Path]:
    """List the file of a module, or the folders of a package without an `__init__.py`."""
    try:
        file = getattr(module, "__file__", None)
        places = [file] if file else list(getattr(module, "__path__", []))
    except BaseException as error:  # noqa: BLE001  # code may put anything in the place of a module
        pass_on_interrupt(error)
        return []
    return [Path(place) for place in places if isinstance(place, str)]


def _execute(name: str, file: Path) -> ModuleType:
    if parent := name.rpartition(".")[0]:
        importlib.import_module(parent)
    if name in sys.modules:  # the package has imported it already
        return sys.modules[name]
    search = [str(file.parent)] if file.name == "__init__.py" else None
    loader = NotebookLoader(file) if is_notebook(file) else None
    spec = importlib.util.spec_from_file_location(name, file, loader=loader, submodule_search_locations=search)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        if not _go_on(module, file, error):
            del sys.modules[name]
            raise
    return module


def _go_on(module: ModuleType, file: Path, error: BaseException) -> bool:
    """Run the definitions and imports after a statement of a file that raised, as of a script that finds no data.

    Returns:
        Whether the file defines anything; if not, what was raised is all there is to say.
    """
    if isinstance(error, ModuleNotFoundError | SyntaxError) or not isinstance(error, Exception | SystemExit):
        return False
    own = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_globals is vars(module)]
    lines = [frame.f_lineno for frame in own if frame.f_code.co_name == "<module>"]
    tree = parse_file(file)
    if (
        not lines
        or _is_circular(error)
        or not any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)
    ):
        return False
    flags = own[0].f_code.co_flags & sum(
        getattr(__future__, name).compiler_flag for name in __future__.all_feature_names
    )
    why, after = describe_raised(error), [node for node in tree.body if node.lineno > lines[0]]
    run_statements(after, str(file), vars(module), why, flags)
    vars(module)[WARNINGS] = [f"{file.name}:{lines[0]} raised {why}; it goes on without"]
    return True


def _make_package(name: str, folder: Path) -> None:
    """Import a folder as a package under another name, whether it has an `__init__.py` or not."""
    if name in sys.modules:
        return
    if (folder / "__init__.py").is_file():
        _execute(name, folder / "__init__.py")
        return
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package
