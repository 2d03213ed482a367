"""The report as CSV, for spreadsheets: a row for each implementation, in the order of the run.

Text of other people's code that a spreadsheet would take for a formula is preceded by an apostrophe.
"""

from __future__ import annotations

import csv
from typing import TextIO

from gradcheck_cli.implementation.loading.paths import split_spec
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.results.grades import Grades
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.text.clean import clean

_COLUMNS = ("file", "implementation", "layer", "verdict", "passed", "cases", "cause")

#: How a formula begins, in one program or another.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CsvReport:
    """Collects grades, and writes the rows when the run is over."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:  # noqa: ARG002
        self._stream = stream
        self._grades = Grades()

    def add(self, result: CaseResult) -> None:
        """Count one result."""
        self._grades.add(result)

    def finish(self, summary: Summary) -> None:  # noqa: ARG002
        """Write the rows, as RFC 4180 has them."""
        writer = csv.writer(self._stream)
        writer.writerow(_COLUMNS)
        for (implementation, layer), grade in self._grades.in_order():
            file, names = split_spec(implementation)
            writer.writerow(
                [
                    _text(file),
                    _text(",".join(names)),
                    layer,
                    grade.verdict.value,
                    grade.counts[Verdict.PASS],
                    grade.ran,
                    _text(grade.reason),
                ]
            )


def _text(value: str) -> str:
    line = clean(value)
    return f"'{line}" if line.startswith(_FORMULA) else line
