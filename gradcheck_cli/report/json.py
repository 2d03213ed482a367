"""The report as JSON, version 1, as `schema.json` beside this file describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TextIO

from gradcheck_cli.results.result import Verdict, WorstElement, WrongElements

if TYPE_CHECKING:
    from gradcheck_cli.report.formats import DisplayOptions
    from gradcheck_cli.results.result import ArrayResult, CaseResult, Run, Summary

SCHEMA_VERSION = 1

_NESTED = (WorstElement, WrongElements)


def schema() -> str:
    """Return the JSON Schema of the report, as text."""
    return files("gradcheck_cli.report").joinpath("schema.json").read_text(encoding="utf-8")


class JsonReport:
    """Collects results, and writes one object when the run is over."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:  # noqa: ARG002
        self._run = run
        self._stream = stream
        self._results: list[dict[str, Any]] = []

    def add(self, result: CaseResult) -> None:
        """Add one result."""
        self._results.append(encode(result))

    def finish(self, summary: Summary) -> None:
        """Write the whole report."""
        versions = {name: version for name, version in self._run.versions.items() if name != self._run.program}
        report = {
            "schema_version": SCHEMA_VERSION,
            "tool": {"name": self._run.program, "version": self._run.versions[self._run.program], **versions},
            "argv": list(self._run.argv),
            "seed": self._run.seed,
            "summary": {
                "verdict": summary.verdict,
                "cases": summary.cases,
                **{str(verdict): summary.counts[verdict] for verdict in Verdict},
                "interrupted": summary.interrupted,
                "stopped": summary.stopped or summary.workers_lost,
                "seconds": summary.seconds,
            },
            "results": self._results,
        }
        json.dump(strict(report), self._stream, indent=2, allow_nan=False)
        self._stream.write("\n")


def encode(result: CaseResult) -> dict[str, Any]:
    """Turn a result into what JSON can hold, with numbers that are still numbers."""
    encoded = {
        "implementation": result.implementation,
        "layer": result.layer,
        "case": {**result.case.geometry, "dtype": result.case.dtype, "seed": result.case.seed},
        "verdict": result.verdict,
        "reason": result.reason,
        "forward": result.forward and _array(result.forward),
        "gradients": {name: _array(gradient) for name, gradient in result.gradients.items()},
        "duties": {name: asdict(duty) for name, duty in result.duties.items()},
        "diagnosis": [asdict(diagnosis) for diagnosis in result.diagnosis],
        "place": result.place and asdict(result.place),
        "traceback": result.traceback,
        "command": result.command,
        "seconds": result.seconds,
    }
    if result.smallest is not None:
        encoded["smallest"] = {"alike": result.smallest.failures, "note": result.smallest.note}
    return encoded


def _array(array: ArrayResult) -> dict[str, Any]:
    """Encode all but the name, which is the key, and what is for other reports."""
    return {
        field.name: asdict(value) if isinstance(value := getattr(array, field.name), _NESTED) else value
        for field in fields(array)
        if field.name not in ("name", "arrays", "picture")
    }


def strict(value: Any) -> Any:
    """Replace the numbers that JSON does not have by their names."""
    match value:
        case Mapping():
            return {key: strict(item) for key, item in value.items()}
        case list() | tuple():
            return [strict(item) for item in value]
        case float() if math.isnan(value):
            return "nan"
        case float() if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        case _:
            return value
