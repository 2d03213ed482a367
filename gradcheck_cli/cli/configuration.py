"""What pyproject.toml and variables set, as it stands there; `cli/defaults.py` says what it means.

The file is the first `pyproject.toml`, from the current folder upwards, that has a table `[tool.gradcheck]`; those
without are passed over. Folders of the files that are checked do not count: their authors have no say in the check.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers import TITLES

#: How the names of variables begin.
PREFIX = "GRADCHECK_"

_FILE = "pyproject.toml"
_TABLE = "tool.gradcheck"

#: Bytes of a file that is taken for a configuration.
_LARGEST = 2**24


class ConfigurationError(Exception):
    """The configuration cannot be used. The message says where and why, without a full stop."""


@frozen
class Entry:
    """One value of the configuration."""

    layer: str  #: of `[tool.gradcheck.LAYER]`; empty in `[tool.gradcheck]`
    key: str
    value: Any  #: of one of TOML's types
    where: str  #: file, line, table and key


@frozen
class File:
    """A configuration file."""

    path: str
    entries: tuple[Entry, ...]


def find_file() -> File | None:
    """Find and read the configuration of the current folder.

    Raises:
        ConfigurationError: there is one that cannot be read.
    """
    try:
        folder = os.getcwd()
    except OSError:  # it was deleted, which is refused later
        return None
    while True:
        path = os.path.join(folder, _FILE)
        text = _read(path)
        if b"gradcheck" in text and (table := _table(path, text)) is not None:
            return File(path=path, entries=tuple(_entries(path, table, text.decode())))
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return None


def shown_path(path: str) -> str:
    """Write the name of a file as seen from the current folder."""
    try:
        return os.path.relpath(path)
    except ValueError:  # on another drive
        return path


def variables() -> dict[str, str]:
    """Return the variables that may set something; one that is empty is not set."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(PREFIX) and value}


def _read(path: str) -> bytes:
    try:
        if not os.path.isfile(path) or os.path.getsize(path) > _LARGEST:
            return b""
    except OSError:  # in a folder of somebody else
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ConfigurationError(f"{shown_path(path)} cannot be read: {error.strerror}") from error


def _table(path: str, text: bytes) -> dict[str, Any] | None:
    """Return the table of this program, or None without one."""
    import tomllib  # 4 ms, and few folders have such a table

    try:
        tool = tomllib.loads(text.decode()).get("tool")
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or a number of thousands of digits
        raise ConfigurationError(f"{shown_path(path)} is not valid TOML: {error}") from error
    table = tool.get("gradcheck") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigurationError(f"{shown_path(path)}: {_TABLE} is not a table; write [{_TABLE}], with keys below it")
    return table


def _entries(path: str, table: dict[str, Any], text: str) -> Iterator[Entry]:
    lines = text.splitlines()
    for name, value in table.items():
        layer = name.replace("_", "-")
        if layer not in TITLES:
            layer, inner, header = "", {name: value}, _TABLE
        elif isinstance(value, dict):
            inner, header = value, f"{_TABLE}.{name}"
        else:
            where = _where(path, lines, _TABLE, name)
            raise ConfigurationError(f"{where}: a layer has a table; write [{_TABLE}.{name}], with keys below it")
        for key, given in inner.items():
            yield Entry(layer=layer, key=key.replace("_", "-"), value=given, where=_where(path, lines, header, key))


def _where(path: str, lines: list[str], table: str, key: str) -> str:
    line = _line_of(lines, table, key)
    return f"{shown_path(path)}{f':{line}' if line else ''} [{table}] {key}"


def _line_of(lines: list[str], table: str, key: str) -> int | None:
    """Find the line of a key, which the parser does not tell; None if it is not clear."""
    current, found = "", []
    for number, line in enumerate(lines, 1):
        if header := re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", line):
            name = current = _plain(header[1])
        elif assigned := re.match(r"\s*([\w.\"' -]+?)\s*=", line):
            name = _plain(f"{current}.{assigned[1]}")
        else:
            continue
        if name == f"{table}.{key}":
            found.append(number)
    return found[0] if len(found) == 1 else None


def _plain(name: str) -> str:
    return re.sub(r"[\s\"']", "", name)
