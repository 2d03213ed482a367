"""Notebooks as modules: the code cells in order, without magics and shell lines, each with its number in tracebacks."""

from __future__ import annotations

import ast
import builtins
import json
import linecache
import re
from importlib.abc import Loader
from pathlib import Path
from types import ModuleType
from typing import Any

from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.loading.paths import read_source
from gradcheck_cli.text.clean import clean, type_name

SUFFIX = ".ipynb"

#: Where a module keeps what went wrong when it was loaded.
WARNINGS = "__cell_warnings__"

DEFINITIONS = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom

_OF_CELL = re.compile(r"\s*%%(.*)")
#: Magics of a whole cell after which Python follows; what follows others is another language, or a file.
_AROUND_PYTHON = re.compile(r"(time|timeit|capture|prun|writefile\s+\S+\.py)\b")
#: A magic before a statement, and a line that is no Python, after its indentation and what it is assigned to.
_TIMED = re.compile(r"^(\s*)%time\s+", re.MULTILINE)
_NO_PYTHON = re.compile(r"^([ \t]*(?:[\w., \t]+=[ \t]*)?)(?:[%!](?:.*\\\n)*.*|\?.*|[\w.]+\?\??[ \t]*)$", re.MULTILINE)


def is_notebook(file: Path) -> bool:
    """Tell whether a file is a notebook by its name."""
    return file.suffix == SUFFIX


def split_cell(name: str) -> tuple[str, int | None]:
    """Split the name under which code was compiled into its file and, of a notebook, the number of its cell."""
    found = re.fullmatch(rf"(.*{re.escape(SUFFIX)}), cell (\d+)", name, re.DOTALL)
    return (found[1], int(found[2])) if found else (name, None)


def python_source(file: Path) -> bytes:
    """Read a file of Python, or the cells of a notebook that are Python.

    Raises:
        OSError: it cannot be read.
        SyntaxError: it is no notebook.
    """
    text = read_source(file)
    if not is_notebook(file):
        return text
    return "\n\n".join(cell for _, cell in python_cells(text, str(file)) if parsed(cell)).encode()


def python_cells(text: bytes, name: str) -> list[tuple[int, str]]:
    """Return the code cells of a notebook with their numbers, which count all code cells from 1.

    Magics and shell lines are replaced by lines that do nothing.

    Raises:
        SyntaxError: it is no notebook of Python.
    """
    try:
        notebook = json.loads(text)
        sheets = notebook.get("worksheets") or [notebook]  # the former in version 3 of the format
        cells = [cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"]
        sources = ["".join(cell["source"] if "source" in cell else cell["input"]) for cell in cells]
        language = notebook.get("metadata", {}).get("language_info", {}).get("name", "python")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SyntaxError("it is no notebook of version 4 of the format, or of 3", (name, None, None, None)) from error
    if language not in ("python", "python3", "ipython"):
        raise SyntaxError(f"its language is {clean(language)}", (name, None, None, None))
    return [(number, _without_magics(source)) for number, source in enumerate(sources, 1)]


class NotebookLoader(Loader):
    """Runs the cells of a notebook. A statement that raises is passed over, and the module says so."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def exec_module(self, module: ModuleType) -> None:
        """Run the cells, statement by statement.

        Raises:
            ModuleNotFoundError: something is imported that is not there.
            SyntaxError: it is no notebook.
        """
        space, failed = vars(module), list[str]()
        space["__builtins__"] = {**vars(builtins), "display": _ignore, "get_ipython": _Shell}
        for number, cell in python_cells(read_source(self._file), str(self._file)):
            name = f"{self._file}, cell {number}"
            linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
            try:
                why = run_statements(ast.parse(cell, name).body, name, space)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # of the cell
                why = describe_raised(error)
            if why:
                failed.append(f"{self._file.name}, cell {number} raised {why}; it goes on without")
        space[WARNINGS] = failed


def run_statements(nodes: list[ast.stmt], name: str, space: dict[str, Any], why: str = "", flags: int = 0) -> str:
    """Run statements; after one that raises only definitions and imports. Return what was raised first.

    Args:
        nodes: the statements.
        name: of what they are in, in tracebacks.
        space: in which they run.
        why: what was raised before.
        flags: of the compiler, of what is imported from `__future__`.
    """
    for node in nodes:
        if why and not isinstance(node, DEFINITIONS):
            continue
        try:
            exec(compile(ast.Module([node], []), name, "exec", flags, dont_inherit=True), space)  # noqa: S102
        except ModuleNotFoundError:
            raise
        except BaseException as error:  # noqa: BLE001  # user code may raise anything
            pass_on_interrupt(error)
            why = why or describe_raised(error)
    return why


def describe_raised(error: BaseException) -> str:
    """Say in a few words what was raised."""
    return f"{type_name(error)}: {clean(error)}".rstrip(": ")


def _without_magics(cell: str) -> str:
    """Put None in place of what is no Python: of magics, shell lines and questions, or all of another language."""
    if parsed(cell):
        return cell
    if magic := _OF_CELL.match(cell):
        if not _AROUND_PYTHON.match(magic[1]):
            return ""
        cell = "\n" * magic[0].count("\n") + cell[magic.end() :]
    if parsed(cell):
        return cell
    return _NO_PYTHON.sub(lambda found: f"{found[1]}None" + "\n" * found[0].count("\n"), _TIMED.sub(r"\1", cell))


def parsed(text: str | bytes) -> ast.Module | None:
    """Parse Python; None if it is none, or nested too deeply for Python to read."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _ignore(*_: object, **__: object) -> None:
    """Display nothing."""


class _Shell:
    """Stands in for IPython's shell: whatever is asked of it does nothing."""

    def __getattr__(self, name: str) -> object:
        return _ignore
