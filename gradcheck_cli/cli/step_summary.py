"""The Markdown summary that GitHub Actions shows of a step."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from pathlib import Path

import click

from gradcheck_cli.cli.deliver import Delivery
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.markdown import MarkdownReport
from gradcheck_cli.results.run import Run


class StepSummary:
    """A text that is appended to the summary. If it cannot be, the run goes on, and says so on stderr."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.stream = io.StringIO()

    def commit(self) -> None:
        """Append what was written."""
        try:
            with Path(self._path).open("a", encoding="utf-8") as file:
                file.write(self.stream.getvalue())
        except OSError as error:
            why = f"{error.strerror}; GITHUB_STEP_SUMMARY names it"
            click.echo(f"Warning: the step's summary {self._path!r} cannot be written: {why}.", err=True)


def step_summary(run: Run, options: DisplayOptions, written: Iterable[str]) -> list[Delivery]:
    """Return the delivery of the summary of this step; none if it has none, or if a flag names that file."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path or any(os.path.realpath(path) == os.path.realpath(other) for other in written):
        return []
    output = StepSummary(path)
    return [Delivery(report=MarkdownReport(run, output.stream, options), output=output)]
