"""Loads a file or a module, with stand-ins for imports that fail, and says in one sentence why it cannot."""

from __future__ import annotations

import importlib
import io
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.guard.frames import innermost_frame, user_frames
from gradcheck_cli.guard.state import current_folder, preserve_basics
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.importing import FileModule, importable
from gradcheck_cli.implementation.loading.imports import (
    imported_names,
    module_in,
    package_root,
    parse_file,
    relative_top,
    search_folders,
)
from gradcheck_cli.implementation.loading.legacy_hints import legacy_hint
from gradcheck_cli.implementation.loading.missing import Missing
from gradcheck_cli.implementation.loading.notebook import WARNINGS
from gradcheck_cli.text.clean import clean, escaped, text_of, type_name

#: How many folders above a file are looked into, to say where a module would be found: a repository is seldom deeper.
_ABOVE = 5


class NothingToCheckError(ImplementationNotFoundError):
    """A file has nothing that can be checked without further information.

    `loose` names the functions of it that may belong to one in another file.
    """

    def __init__(self, reason: str, loose: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.loose = loose


@frozen
class Loaded:
    """A module, and under which name the user knows it."""

    home: str
    module: ModuleType
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Loader:
    """Loads code into this process. It is made before any of it runs: code may change the folder."""

    folder: str = field(default_factory=lambda: current_folder() or "")  #: in which paths were typed

    def path(self, typed: str) -> Path:
        """Return the path of what was typed."""
        return Path(self.folder, typed)

    def load_file(self, home: str) -> Loaded:
        """Load a file, or a folder with an `__init__.py`.

        Raises:
            ImplementationNotFoundError: it is no Python, or raises.
        """
        path = self.path(home).resolve()
        file = path / "__init__.py" if path.is_dir() else path
        with _explain_failure(home, file):
            tree = parse_file(file)
        roots, package = search_folders(file, imported_names(tree)), package_root(file)
        wanted = FileModule(file, relative_top(file, tree), roots, [package] if package else [])
        if wanted.name in sys.modules:
            return _loaded(home, sys.modules[wanted.name])
        before = set(sys.modules)
        try:
            return self._load(lambda: wanted.run(before), home, file, importable(wanted.roots, wanted.others))
        except BaseException:
            wanted.remove()
            raise
        finally:
            wanted.remove_helpers(before)

    def load_module(self, home: str) -> Loaded | None:
        """Import a dotted module, from the folder or from what is installed; None if there is none.

        Raises:
            ImplementationNotFoundError: it cannot be imported.
        """
        if home in sys.modules:
            return _loaded(home, sys.modules[home])
        try:
            importing = importable([Path(self.folder)])
            return self._load(lambda: importlib.import_module(home), home, None, importing)
        except _NoSuchModuleError:
            return None

    def _load(
        self, run: Callable[[], ModuleType], home: str, file: Path | None, importing: AbstractContextManager[None]
    ) -> Loaded:
        """Load; where an import fails put something in its place, and try again."""
        missing, warnings = Missing(file=home), list[str]()
        with _explain_failure(home, file), preserve_basics(), _stdout_to_stderr() as printed, importing:
            while True:
                printed.truncate(printed.seek(0))  # what a try prints that fails is printed again by the next
                try:
                    with missing.standing_in(), _without_arguments(file):
                        module = run()
                except ModuleNotFoundError as error:
                    name = error.name
                    if not name or name in missing.names:
                        raise
                    if file is None and f"{home}.".startswith(f"{name}."):
                        raise _NoSuchModuleError from error
                    missing.names.append(name)
                    warnings.append(self._warning(error, name, home, file))
                else:
                    if warnings:
                        vars(module)[WARNINGS] = [*warnings, *_loaded(home, module).warnings]
                    return _loaded(home, module)

    def _warning(self, error: ModuleNotFoundError, name: str, home: str, file: Path | None) -> str:
        frames = user_frames(error)
        where = frames[-1].filename if frames else home
        where = escaped(home) if where == str(file) else Path(where).name
        why = legacy_hint(error, frames).strip(" ()") or f"no such module{self._elsewhere(file, name) if file else ''}"
        within = "_" in name and name.partition(".")[0] in sys.modules  # its package has a name of ours here
        shown = f".{name.partition('.')[2]}" if within else name
        return f"{where}: `import {shown}` failed ({why}); it goes on without"

    def _elsewhere(self, file: Path, name: str) -> str:
        """Say in which folder above a file a module would be found. It is not run: it may be there by chance."""
        for folder in file.parents[1:_ABOVE]:
            if module_in(folder, name):
                shown = os.path.relpath(folder, self.folder) if self.folder else str(folder)
                return f" beside the file or in its package; PYTHONPATH={shlex.quote(shown)} finds it"
        return ""


@contextmanager
def _without_arguments(file: Path | None) -> Iterator[None]:
    """Give a script that reads its arguments none, instead of ours."""
    before, sys.argv = sys.argv, [str(file or "")]
    try:
        yield
    finally:
        sys.argv = before


class _NoSuchModuleError(Exception):
    """The module that was asked for is itself what is not there."""


def _loaded(home: str, module: ModuleType) -> Loaded:
    """Return a module with the warnings of its first load, unless its code put something else in their place."""
    warnings = vars(module).get(WARNINGS)
    return Loaded(home=home, module=module, warnings=tuple(warnings) if isinstance(warnings, list) else ())


@contextmanager
def _stdout_to_stderr() -> Iterator[io.StringIO]:
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            yield printed
    finally:
        sys.stderr.write(printed.getvalue())


@contextmanager
def _explain_failure(home: str, path: Path | None) -> Iterator[None]:
    """Make an import that fails one sentence, and write no bytecode."""
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        yield
    except (ImplementationNotFoundError, _NoSuchModuleError):
        raise
    except SyntaxError as error:
        reason = f"has a syntax error{_place_of_syntax(error, path)}: {clean(error.msg)}{legacy_hint(error, [])}"
        file = error.filename if isinstance(error.filename, str) else ""
        line = error.lineno if isinstance(error.lineno, int) else 1
        raise ImplementationNotFoundError(f"{escaped(home)} {reason}", (file, line, "<module>")) from error
    except BaseException as error:
        pass_on_interrupt(error)
        reason = f"{escaped(home)} cannot be imported: {_reason(error)}"
        raise ImplementationNotFoundError(reason, innermost_frame(error)) from error
    finally:
        sys.dont_write_bytecode = before


def _place_of_syntax(error: SyntaxError, path: Path | None) -> str:
    """Name the line in the file that was asked for, and of what that imports the file too."""
    if not error.filename or error.lineno is None:
        return ""
    own = path is not None and os.path.realpath(error.filename) == os.path.realpath(path)
    return f" in line {text_of(error.lineno)}" if own else f": {text_of(error.filename)}:{text_of(error.lineno)}"


def _reason(error: BaseException) -> str:
    frames = user_frames(error)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    if call := _call_of_program(error):
        return f'it calls {call} when it is imported{place}; put that under `if __name__ == "__main__":`'
    message = clean(text_of(error).strip().partition("\n")[0])
    return f"{type_name(error)}: {message}".rstrip(": ") + legacy_hint(error, frames) + place


def _call_of_program(error: BaseException) -> str | None:
    """Name the call that ended the import, if it is one that only a program makes."""
    if isinstance(error, SystemExit):
        code = text_of(error.code)
        shown = repr(code) if isinstance(error.code, str) else code
        return "exit()" if error.code is None else f"exit({clean(shown)})"
    # What input() says where nobody is there to answer; what reads files says something else.
    return "input()" if isinstance(error, EOFError) and text_of(error) == "EOF when reading a line" else None
