"""Loads a file or a module: its own helpers and its package can be imported, and what is missing is made up for."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import io
import os
import shlex
import sys
import zlib
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.guard.frames import user_frames
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.legacy_hints import legacy_hint
from gradcheck_cli.implementation.loading.missing import Missing
from gradcheck_cli.implementation.loading.paths import (
    current_folder,
    is_file,
    is_folder,
    located,
    read_source,
    tracking_folder,
)
from gradcheck_cli.text.clean import clean, escaped, text_of, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: How many folders above a file are looked into, to say where a module would be found: a repository is seldom deeper.
_ABOVE = 5

#: The folders that were put on the path, the last one first.
_searched: list[str] = []

#: What was said when a module was loaded first, for the next who asks for it.
_warnings: dict[str, tuple[str, ...]] = {}


class NothingToCheckError(ImplementationNotFoundError):
    """A file has nothing that can be checked without further information."""


@frozen
class Loaded:
    """A module, and under which name the user knows it."""

    home: str
    module: ModuleType
    warnings: tuple[str, ...] = ()


def load_file(home: str) -> Loaded:
    """Load a file, or a folder with an `__init__.py`, under a name of its own: two `layers.py` are two modules.

    Raises:
        ImplementationNotFoundError: it is no Python, or raises.
    """
    path = located(home).resolve()
    file = path / "__init__.py" if path.is_dir() else path
    with _importing(home):
        tree = parsed(file)
    top = package_of(file, tree)
    prefix = f"{(top or file).stem.replace('.', '_')}_{zlib.crc32(os.fsencode(top or file)):08x}"
    name = ".".join([prefix, *file.relative_to(top).with_suffix("").parts]) if top else prefix
    name = name.removesuffix(".__init__")
    if name in sys.modules:
        return Loaded(home=home, module=sys.modules[name], warnings=_warnings.get(name, ()))
    before = set(sys.modules)
    roots = search_folders(file, imported_names(tree))

    def remove_helpers() -> None:
        """Remove what was imported from beside the file: another folder's `helper` is another module."""
        new = [helper for helper in set(sys.modules) - before if not f"{helper}.".startswith(f"{prefix}.")]
        places = {helper: _places(sys.modules[helper]) for helper in new}  # all before a package is gone
        for helper, found in places.items():
            if any(place.is_relative_to(root) for place in found for root in roots):
                del sys.modules[helper]

    def run() -> ModuleType:
        if top:
            _make_package(prefix, top)
        try:
            return _executed(name, file)
        except (ImportError, AttributeError) as error:
            own = _own_name(file, roots)
            if not _is_circular(error) or own is None or own in before:
                raise
            # A helper imports the file back under its own name, and got a second copy: as Python does, have only one.
            remove_helpers()
            sys.modules[name] = importlib.import_module(own)
            return sys.modules[name]

    try:
        loaded = _with_stand_ins(run, home, file, roots)
    except BaseException:
        for new in [new for new in sys.modules if f"{new}.".startswith(f"{prefix}.")]:
            del sys.modules[new]
        raise
    finally:
        remove_helpers()
    _warnings[name] = loaded.warnings
    return loaded


def load_module(home: str) -> Loaded | None:
    """Import a dotted module, from the current folder or from what is installed; None if there is none.

    Raises:
        ImplementationNotFoundError: it cannot be imported.
    """
    if home in sys.modules:
        return Loaded(home=home, module=sys.modules[home], warnings=_warnings.get(home, ()))
    try:
        loaded = _with_stand_ins(lambda: importlib.import_module(home), home, None, [located("")])
    except _NoSuchModuleError:
        return None
    _warnings[home] = loaded.warnings
    return loaded


class _NoSuchModuleError(Exception):
    """The module that was asked for is itself what is not there."""


def _with_stand_ins(run: Callable[[], ModuleType], home: str, file: Path | None, roots: list[Path]) -> Loaded:
    """Load; where an import fails look in the folder of the package, then put something in its place; try again."""
    missing, said = Missing(file=home), list[str]()
    with _importing(home), _talking_to_stderr() as heard, tracking_folder(), _importable(roots) as search:
        while True:
            heard.truncate(heard.seek(0))  # what is said by a try that fails is said again by the next
            try:
                with missing.standing_in():
                    module = run()
                return Loaded(home=home, module=module, warnings=tuple(said))
            except ModuleNotFoundError as error:
                name = error.name
                if not name or name in missing.names:
                    raise
                if file is None and f"{home}.".startswith(f"{name}."):
                    raise _NoSuchModuleError from error
                package = file and package_root(file)
                if package and package not in roots and _has_module(package, name):
                    roots.append(package)
                    search(package)
                    continue
                missing.names.append(name)
                frames = user_frames(error)
                where = Path(frames[-1].filename).name if frames else home
                why = (
                    legacy_hint(error, frames).strip(" ()") or f"no such module{_elsewhere(file, name) if file else ''}"
                )
                said.append(f"{where}: `import {_plainly(name)}` failed ({why}); it goes on without")


def _places(module: object) -> list[Path]:
    """List the file of a module, or the folders of a package without an `__init__.py`."""
    try:
        file = getattr(module, "__file__", None)
        places = [file] if file else list(getattr(module, "__path__", []))
    except BaseException as error:  # noqa: BLE001  # code may put anything in the place of a module
        pass_on_interrupt(error)
        return []
    return [Path(place) for place in places if isinstance(place, str)]


def _plainly(name: str) -> str:
    """Name a module as the file does, which knows nothing of the name that its package has here."""
    return "." + name.partition(".")[2] if "_" in name and name.partition(".")[0] in sys.modules else name


def _executed(name: str, file: Path) -> ModuleType:
    parent = name.rpartition(".")[0]
    if parent:
        importlib.import_module(parent)
    if name in sys.modules:  # the package has imported it already
        return sys.modules[name]
    search = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=search)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _make_package(name: str, folder: Path) -> None:
    """Import a folder as a package under another name, whether it has an `__init__.py` or not."""
    if name in sys.modules:
        return
    if (folder / "__init__.py").is_file():
        _executed(name, folder / "__init__.py")
        return
    package = ModuleType(name)
    package.__path__ = [str(folder)]
    sys.modules[name] = package


def parsed(file: Path) -> ast.Module:
    """Parse a file.

    Raises:
        SyntaxError: it is no Python, or nested too deeply for Python to read.
        OSError: it cannot be read.
    """
    try:
        return ast.parse(read_source(file), filename=str(file))
    except RecursionError as error:
        raise SyntaxError("it is nested too deeply", (str(file), 1, None, None)) from error
    except MemoryError as error:  # which the parser raises for too many brackets as well
        why = "it is nested too deeply, or --memory is too little for it"
        raise SyntaxError(why, (str(file), 1, None, None)) from error
    except ValueError as error:  # a null character, before Python 3.12
        raise SyntaxError(str(error), (str(file), 1, None, None)) from error


def _is_circular(error: BaseException) -> bool:
    said = [argument for argument in error.args if isinstance(argument, str)]
    return any("partially initialized module" in text for text in said)


def package_of(file: Path, tree: ast.Module) -> Path | None:
    """Return the topmost folder that a file's relative imports can mean; None for a file that has none."""
    levels = [node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    if not levels:
        return file.parent if file.name == "__init__.py" else None
    top = file.parents[min(max(levels), len(file.parents)) - 1]
    above = [folder for folder in file.parents if (folder / "__init__.py").is_file()]
    while top.parent in above:
        top = top.parent
    return top


def imported_names(tree: ast.Module) -> set[str]:
    """Name the modules and packages that a file imports by absolute names, each up to its first dot."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


def search_folders(file: Path, names: set[str]) -> list[Path]:
    """List the folders to import from: the file's own, and those of the packages around it that it names."""
    return [file.parent, *(folder.parent for folder in file.parents if folder.name in names)]


def package_root(file: Path) -> Path | None:
    """Return the folder that the package of a file is in, from which its modules import each other; None for none."""
    packages = [folder for folder in file.parents if (folder / "__init__.py").is_file()]
    root = file.parent
    while root in packages:
        root = root.parent
    return root if root != file.parent else None


def _own_name(file: Path, roots: list[Path]) -> str | None:
    """Return the name under which a file is imported from the widest of the folders that are searched."""
    root = [folder for folder in roots if file.is_relative_to(folder)][-1]
    parts = file.relative_to(root).with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else None


def _has_module(folder: Path, name: str) -> bool:
    top = name.partition(".")[0]
    return is_file(folder / f"{top}.py") or (is_folder(folder / top) and any((folder / top).glob("*.py")))


def _elsewhere(file: Path, name: str) -> str:
    """Say in which folder above a file a module would be found. It is not run: it may be there by chance."""
    for folder in file.parents[1:_ABOVE]:
        if _has_module(folder, name):
            here = current_folder()
            shown = os.path.relpath(folder, here) if here else str(folder)
            return f" beside the file or in its package; PYTHONPATH={shlex.quote(shown)} finds it"
    return ""


@contextmanager
def _importable(roots: list[Path]) -> Iterator[Callable[[Path], None]]:
    """Put folders on the path, and hide in this block those that were put there for other implementations.

    They stay, because code may import at its first call. What is given lets one more folder be searched.
    """
    before = [entry for entry in sys.path if entry not in _searched]
    ours = [str(root) for root in roots]

    def search(more: Path | None = None) -> None:
        ours.extend([str(more)] if more else [])
        sys.path[:] = ours + [entry for entry in before if entry not in ours]
        importlib.invalidate_caches()

    search()
    try:
        yield search
    finally:
        _searched[:] = ours + [entry for entry in _searched if entry not in ours]
        sys.path[:] = _searched + [entry for entry in before if entry not in _searched]


@contextmanager
def _talking_to_stderr() -> Iterator[io.StringIO]:
    heard = io.StringIO()
    try:
        with redirect_stdout(heard):
            yield heard
    finally:
        sys.stderr.write(heard.getvalue())


@contextmanager
def _importing(home: str) -> Iterator[None]:
    """Make an import that fails one sentence, and write no bytecode."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    except (ImplementationNotFoundError, _NoSuchModuleError):
        raise
    except SyntaxError as error:
        where = f"{text_of(error.filename)}:{text_of(error.lineno)}" if error.filename else home
        hint = legacy_hint(error, [])
        raise ImplementationNotFoundError(f"{escaped(home)} is no Python: {where}: {clean(error.msg)}{hint}") from error
    except BaseException as error:
        pass_on_interrupt(error)
        raise ImplementationNotFoundError(f"{escaped(home)} cannot be imported: {_raised(error)}") from error
    finally:
        sys.dont_write_bytecode = before


def _raised(error: BaseException) -> str:
    frames = user_frames(error)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    if called := _of_a_program(error):
        return f'it calls {called} when it is imported{place}; put that under `if __name__ == "__main__":`'
    said = clean(text_of(error).strip().partition("\n")[0])
    return f"{type_name(error)}: {said}".rstrip(": ") + legacy_hint(error, frames) + place


def _of_a_program(error: BaseException) -> str | None:
    """Name the call that ended the import, if it is one that only a program makes."""
    if isinstance(error, SystemExit):
        code = text_of(error.code)
        shown = repr(code) if isinstance(error.code, str) else code
        return "exit()" if error.code is None else f"exit({clean(shown)})"
    # What input() says where nobody is there to answer; what reads files says something else.
    return "input()" if isinstance(error, EOFError) and text_of(error) == "EOF when reading a line" else None
