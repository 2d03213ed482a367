"""The report as JSON, version 1, as `schema.json` beside this file describes it."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from importlib.resources import files
from typing import Any, TextIO, cast

from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.results.encoding import plain
from gradcheck_cli.results.result import ArrayResult, CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.results.signature import FailureSignature

SCHEMA_VERSION = 1

#: With more cases than this, of several implementations, only the first case of each failure has all figures, and the
#: others those of what is wrong; of an array that is right they have its errors.
#: They take 2 to 3 kB for a case, and 8 MB for a course of 120 files with 30 cases each.
MANY_CASES = 1000

#: What such a run says of an array that is right.
_BRIEF = ("verdict", "shape", "max_rel_error", "scaled_error", "tolerance")

#: The entries of a result.
_FIELDS = (
    *("implementation", "layer", "case", "verdict", "reason", "forward", "gradients", "duties", "diagnosis"),
    *("place", "traceback", "command", "seconds"),
)


def schema() -> str:
    """Return the JSON Schema of the report, as text."""
    return files("gradcheck_cli.report").joinpath("schema.json").read_text(encoding="utf-8")


class JsonReport:
    """Collects results, and writes one object when the run is over: each result is a line."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:
        self._run = run
        self._stream = stream
        self._brief = run.cases > MANY_CASES and run.implementations > 1 and not options.verbose
        self._written: set[tuple[str, str, FailureSignature]] = set()  # failures with a case in full
        self._results: list[str] = []

    def add(self, result: CaseResult) -> None:
        """Add one result; of very many, only the first that fails in its way in full."""
        encoded = encode(result)
        if self._brief and not self._is_first(result):
            encoded |= _shortened(encoded, result)
        self._results.append(_line(encoded))

    def finish(self, summary: Summary) -> None:
        """Write the whole report."""
        versions = {name: version for name, version in self._run.versions.items() if name != self._run.program}
        head: dict[str, Any] = {
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
                "carried_over": summary.carried_over,
                "seconds": summary.seconds,
            },
        }
        if summary.origin:
            head["origin"] = summary.origin
        entries = plain(head, complete=True).items()
        self._stream.write("{\n" + "".join(f'"{key}": {_line(value)},\n' for key, value in entries))
        self._stream.write('"results": [' + ",".join(f"\n{result}" for result in self._results) + "\n]}\n")

    def _is_first(self, result: CaseResult) -> bool:
        signature = FailureSignature.of(result)
        if signature is None:
            return False
        failure = (result.implementation, result.layer, signature)
        known = failure in self._written
        self._written.add(failure)
        return not known or result.smallest is not None


def encode(result: CaseResult) -> dict[str, Any]:
    """Turn a result into what JSON can hold."""
    case = {**result.case.geometry, "dtype": result.case.dtype, "seed": result.case.seed}
    arrays = {"forward": result.forward and _array(result.forward)}
    arrays["gradients"] = {name: _array(gradient) for name, gradient in result.gradients.items()}
    encoded = {name: getattr(result, name) for name in _FIELDS} | {"case": case} | arrays
    if result.place and result.place.cell is None:
        encoded["place"] = {name: value for name, value in asdict(result.place).items() if name != "cell"}
    if result.repetition is not None:
        encoded["repetition"] = result.repetition
    if result.carried_over:
        encoded["carried_over"] = True
    if result.smallest is not None:
        encoded["smallest"] = {"alike": result.smallest.failures, "note": result.smallest.note}
    return cast("dict[str, Any]", plain(encoded, complete=True))


def _shortened(encoded: dict[str, Any], result: CaseResult) -> dict[str, Any]:
    """Return the entries that are shorter where figures are left out: in full stays what is wrong."""
    forward, gradients, duties = encoded["forward"], encoded["gradients"], encoded["duties"]
    shorter = {
        "forward": forward and _brief(forward),
        "gradients": {name: _brief(gradient) for name, gradient in gradients.items()},
        "duties": {name: duty for name, duty in duties.items() if duty["verdict"] != Verdict.PASS},
    }
    return shorter | ({"command": None} if result.verdict in (Verdict.PASS, Verdict.SKIP) else {})


def _brief(array: dict[str, Any]) -> dict[str, Any]:
    return array if array["verdict"] != Verdict.PASS else {name: array[name] for name in _BRIEF}


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _array(array: ArrayResult) -> dict[str, Any]:
    """Return all but the name, which is the key, and what is for other reports."""
    left_out = ("name", "arrays", "picture", "stands_out")
    return {field.name: getattr(array, field.name) for field in fields(array) if field.name not in left_out}
