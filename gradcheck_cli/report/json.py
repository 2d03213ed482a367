"""The report as JSON, version 1, as `schema.json` beside this file describes it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TextIO

from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.report.report import Look
    from gradcheck_cli.results.result import ArrayResult, CaseResult, Run, Summary

SCHEMA_VERSION = 1


def schema() -> str:
    """Return the JSON Schema of the report, as text."""
    return files("gradcheck_cli.report").joinpath("schema.json").read_text(encoding="utf-8")


class JsonReport:
    """Collects results, and writes one object when the run is over."""

    def __init__(self, run: Run, stream: TextIO) -> None:
        self._run = run
        self._stream = stream
        self._results: list[dict[str, Any]] = []

    def case(self, result: CaseResult) -> None:
        """Take in one result."""
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


def make(run: Run, stream: TextIO, look: Look) -> JsonReport:  # noqa: ARG001  # data has no look
    """Make a report that writes JSON to `stream`."""
    return JsonReport(run, stream)


def encode(result: CaseResult) -> dict[str, Any]:
    """Turn a result into what JSON can hold, its numbers still numbers."""
    return {
        "implementation": result.implementation,
        "layer": result.layer,
        "case": {**result.case.geometry, "dtype": result.case.dtype, "seed": result.case.seed},
        "verdict": result.verdict,
        "reason": result.reason,
        "forward": None if result.forward is None else _array(result.forward),
        "gradients": {name: _array(gradient) for name, gradient in result.gradients.items()},
        "duties": {name: asdict(duty) for name, duty in result.duties.items()},
        "diagnosis": [asdict(diagnosis) for diagnosis in result.diagnosis],
        "traceback": result.traceback,
        "command": result.command,
        "seconds": result.seconds,
        **(
            {}
            if result.smallest is None
            else {"smallest": {"alike": result.smallest.failures, "note": result.smallest.note}}
        ),
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


def _array(array: ArrayResult) -> dict[str, Any]:
    return {
        "verdict": array.verdict,
        "reason": array.reason,
        "shape": array.shape,
        "expected_shape": array.expected_shape,
        "dtype": array.dtype,
        "max_rel_error": array.max_rel_error,
        "max_abs_error": array.max_abs_error,
        "scaled_error": array.scaled_error,
        "tolerance": array.tolerance,
        "floor": array.floor,
        "worst": None if array.worst is None else asdict(array.worst),
        "wrong": None if array.wrong is None else asdict(array.wrong),
        "method": array.method,
        "evaluations": array.evaluations,
    }
