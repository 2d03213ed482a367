"""A source file as its syntax tree: which function is where, and the text of a statement."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import decode_source
from pathlib import Path
from types import CodeType, FunctionType, MethodType

from gradcheck_cli.guard.frames import is_basic, is_own
from gradcheck_cli.implementation.loading.notebook import python_cells, split_cell
from gradcheck_cli.implementation.loading.paths import read_source
from gradcheck_cli.text.clean import clean

Function = ast.FunctionDef | ast.AsyncFunctionDef

#: Characters of a file in which a place is looked for. Generated code of this size takes a second to parse.
_LARGEST = 2_000_000

#: Characters of a statement.
_LONGEST_STATEMENT = 200


@dataclass(frozen=True, eq=False)
class Source:
    """A file that was read, or a cell of a notebook."""

    file: str
    cell: int | None
    text: str
    tree: ast.Module

    @cached_property
    def _functions(self) -> dict[int, list[Function | ast.Lambda]]:
        """All definitions, by the line at which Python says that they begin."""
        found: dict[int, list[Function | ast.Lambda]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                found.setdefault(_first_line(node), []).append(node)
        return found

    @cached_property
    def _classes(self) -> dict[ast.AST, str]:
        """The name of the class of each method."""
        classes = [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]
        return {method: node.name for node in classes for method in node.body}

    def function(self, code: CodeType) -> Function | ast.Lambda | None:
        """Return the definition from which code was compiled; None if there is none, or if the file has changed."""
        names = code.co_varnames[: code.co_argcount]
        found = [
            node
            for node in self._functions.get(code.co_firstlineno, [])
            if code.co_name == getattr(node, "name", "<lambda>")
            and names == tuple(one.arg for one in (*node.args.posonlyargs, *node.args.args))
        ]
        return found[0] if len(found) == 1 else None

    def around(self, line: int) -> tuple[str, ast.stmt | None]:
        """Return the name of the innermost function around a line, and the innermost statement on it."""
        name, statement, pending = "<module>", None, list(self.tree.body)
        while inside := [node for node in pending if node.lineno <= line <= (node.end_lineno or node.lineno)]:
            statement = inside[-1]
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                name = self.name(statement)
            pending = list(statements_in(statement))
        return name, statement

    def name(self, function: ast.AST) -> str:
        """Return the name of a function, after that of its class if it is a method."""
        own = getattr(function, "name", "<lambda>")
        return f"{self._classes[function]}.{own}" if function in self._classes else own

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    def statement(self, node: ast.stmt) -> str:
        """Return the text of a statement as one line; of a loop or another block its head."""
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and body[0].lineno > node.lineno:
            lines = self._lines[node.lineno - 1 : body[0].lineno - 1]
        else:
            lines = self._lines[node.lineno - 1 : node.end_lineno]
            lines[-1] = lines[-1].encode()[: node.end_col_offset].decode(errors="replace")  # offsets count bytes
            lines[0] = lines[0].encode()[node.col_offset :].decode(errors="replace")
        return clean("\n".join(line for line in lines if not line.lstrip().startswith("#")), _LONGEST_STATEMENT)


def read(name: str) -> Source | None:
    """Read and parse the source under whose name code was compiled; None if that cannot be done, for any reason."""
    file, cell = split_cell(name)
    path = Path(file)
    try:
        if (path.suffix != ".py" and cell is None) or not path.is_file():
            return None
        status = path.stat()
        return _parse(file, cell, status.st_mtime_ns, status.st_size) if status.st_size <= _LARGEST else None
    except Exception:  # noqa: BLE001  # a file that is no Python, not readable, nested too deeply: any of a dozen
        return None


@lru_cache(maxsize=4)  # the cases of an implementation come one after the other
def _parse(file: str, cell: int | None, _modified: int, _size: int) -> Source:
    raw = read_source(Path(file))
    text = decode_source(raw) if cell is None else dict(python_cells(raw, file))[cell]
    return Source(file=file, cell=cell, text=text, tree=ast.parse(text))


def statements_in(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements within another one, those of its branches and handlers too, but not those within these."""
    for name in ("body", "orelse", "finalbody"):
        yield from getattr(statement, name, [])
    for part in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
        yield from part.body


def _first_line(node: Function | ast.Lambda) -> int:
    """Return the line at which Python says that a function begins: that of its first decorator."""
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    return min([node.lineno, *(one.lineno for one in decorators)])


#: Decorators on one function that are looked through.
_MOST_WRAPPED = 10


def code_of(function: object, name: str = "") -> CodeType | None:
    """Return the code object of a function or method, looking through decorators; None if it is not Python.

    Args:
        function: whatever can be called.
        name: under which it is known, if it is. Of a decorator that does not say what it wraps, the function of this
            name among its variables is meant.
    """
    found: FunctionType | None = None
    try:
        for _ in range(_MOST_WRAPPED):
            inner = _within(function)
            if inner is None:
                break
            function = inner
        if isinstance(function, FunctionType):
            found = _wrapped(function, name)
    except Exception:  # noqa: BLE001  # attributes of the user's objects, which may raise anything
        return None
    return found.__code__ if found is not None and _is_users(found.__code__) else None


def _within(function: object) -> object | None:
    """Return what a callable stands for; None if it stands for itself."""
    if isinstance(function, staticmethod | classmethod | MethodType):
        return function.__func__
    if isinstance(function, functools.partial):
        return function.func
    if isinstance(function, type):
        return None
    for attribute in ("__wrapped__", "py_func"):  # of functools.wraps, and of Numba
        if (inner := getattr(function, attribute, None)) is not None:
            return inner  # type: ignore[no-any-return]
    if isinstance(function, FunctionType):
        return None
    call = getattr(type(function), "__call__", None)  # noqa: B004  # where it is defined, not whether
    return call if isinstance(call, FunctionType) else None


def _wrapped(function: FunctionType, name: str) -> FunctionType:
    if not name or function.__name__ == name:
        return function
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    named = [value for value in values if isinstance(value, FunctionType) and value.__name__ == name]
    return named[0] if len(named) == 1 else function


def _is_users(code: CodeType) -> bool:
    return not (is_own(code.co_filename) or is_basic(code.co_filename))
