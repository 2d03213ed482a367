"""What a report is, and which there are. A new format is one new file and one line here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from gradcheck_cli.data.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.results.result import CaseResult, Run, Summary

#: The module of each format. It is imported when its format is asked for.
FORMATS = {"table": "table", "json": "json"}


@frozen
class Look:
    """How much of a run a report for people shows, and in which dress."""

    show: str = "all"  #: which cases: all, failed, worst; or none, and only the table of implementations: grades
    quiet: bool = False
    verbose: bool = False
    color: bool = False
    width: int | None = None  #: columns; None for those of the terminal


class Report(Protocol):
    """Told of each result as it comes, and of the end."""

    def case(self, result: CaseResult) -> None:
        """Take in one result."""

    def finish(self, summary: Summary) -> None:
        """Write what is still to be written."""


def make_report(name: str, run: Run, stream: TextIO, look: Look) -> Report:
    """Make a report of format `name` that writes to `stream`."""
    module = import_module(f"gradcheck_cli.report.{FORMATS[name]}")
    return cast("Callable[[Run, TextIO, Look], Report]", module.make)(run, stream, look)
