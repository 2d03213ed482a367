"""Reads a JSON report, version 1, back into results, as far as it has them: without arrays, pictures and warnings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.engine.sanitize import sanitize
from gradcheck_cli.layers import TITLES
from gradcheck_cli.report.json import SCHEMA_VERSION
from gradcheck_cli.results.encoding import decode
from gradcheck_cli.results.result import ArrayResult, CaseResult
from gradcheck_cli.results.run import Origin
from gradcheck_cli.text.clean import clean, escaped

#: Characters of a file that is taken for a report, and of a command.
_LARGEST, _LONGEST_COMMAND = 2**30, 2**16

_HOW = "give a file that --json has written"


class UnreadableError(Exception):
    """A file cannot be read as a report. The message, the end of a sentence, says why and what to do."""


@frozen
class Recorded:
    """A run as its JSON report tells it."""

    versions: Mapping[str, str]  #: of the checker, under "the checker", of Python and NumPy
    complete: bool  #: whether the run came to its end
    origin: Origin | None  #: None in reports of older versions
    results: tuple[CaseResult, ...]


def read_report(path: str) -> Recorded:
    """Read a report.

    Raises:
        UnreadableError: it cannot be read, is no report, or of another version.
    """
    report = _parse(path)
    if not isinstance(report, dict) or "schema_version" not in report:
        raise UnreadableError(f"it is no report of this program; {_HOW}")
    if (version := report["schema_version"]) != SCHEMA_VERSION:
        its = clean(version, 20)
        raise UnreadableError(f"its format is version {its}, and this program reads {SCHEMA_VERSION}; write it anew")
    try:
        summary, tool, origin = dict(report["summary"]), dict(report["tool"]), report.get("origin")
        return Recorded(
            versions={"the checker": tool["version"], "python": tool["python"], "numpy": tool["numpy"]},
            origin=None if origin is None else _origin(origin),
            complete=not (summary["interrupted"] or summary.get("stopped")),
            results=tuple(_result(number, data) for number, data in enumerate(report["results"], 1)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableError(f"it is not as a report is: {_why(error)}; {_HOW}") from error


def _parse(path: str) -> Any:
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(_LARGEST + 1)
    except OSError as error:
        raise UnreadableError(f"{error.strerror}; {_HOW}") from error
    except ValueError as error:  # no UTF-8, or a null character in the name
        raise UnreadableError(f"it is not text; {_HOW}") from error
    if len(text) > _LARGEST:
        raise UnreadableError(f"it is too large for a report; {_HOW}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"it is not JSON ({clean(error, 200)}); {_HOW}") from error


def _origin(data: Any) -> Origin:
    known = {name: data[name] for name in Origin.__dataclass_fields__}
    return Origin(**known | {"settings": dict(data["settings"]), "sources": dict(data["sources"])})


def _result(number: int, data: Any) -> CaseResult:
    try:
        return _decoded(data)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ValueError(f"result {number}: {_why(error)}") from error


def _decoded(data: Any) -> CaseResult:
    layer = data["layer"]
    if layer and layer not in TITLES:
        raise ValueError(f"there is no layer {clean(layer, 50)!r}")
    known = {name: data[name] for name in CaseResult.__dataclass_fields__ if name in data}
    texts = [known.get(name) for name in ("reason", "traceback", "command")]
    if not isinstance(data["implementation"], str) or not all(text is None or isinstance(text, str) for text in texts):
        raise TypeError("a text is not one")
    geometry = data["case"].keys() - {"dtype", "seed"}
    known["case"] = {"layer": layer if geometry else "", **data["case"]}
    known["carried_over"] = False
    known["gradients"] = {name: _array(name, one) for name, one in data["gradients"].items()}
    known["forward"] = data["forward"] and _array("out", data["forward"])
    known["smallest"] = None
    if smallest := data.get("smallest"):
        known["smallest"] = {"failures": smallest["alike"], "note": smallest["note"]}
    result = sanitize(decode(known))
    command = None if result.command is None else escaped(result.command, _LONGEST_COMMAND)
    return replace(result, command=command)


def _array(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an array; of one that is right and of many, only the errors were written."""
    known = {key: value for key, value in data.items() if key in ArrayResult.__dataclass_fields__}
    return {"name": name, "reason": None, "expected_shape": data["shape"], "dtype": None} | known


def _why(error: Exception) -> str:
    return clean(f"{error.args[0]} is missing" if isinstance(error, KeyError) else error, 200)
