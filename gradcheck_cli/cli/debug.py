"""`--debug`: the arrays of the first case that did not pass, in a file, and how to read it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

import click

from gradcheck_cli.cli.output import whole_file
from gradcheck_cli.report.arrays import snippet, write_arrays
from gradcheck_cli.result import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gradcheck_cli.result import CaseResult, Summary


class DebugFile:
    """A report that keeps the first case that did not pass, and writes its arrays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: TextIO
        self._found: CaseResult | None = None

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Open the file for the length of the run; if there is nothing to write, what was there before stays.

        Raises:
            click.BadParameter: it cannot be written. Raised before the block runs.
        """
        with whole_file(self._path, "--debug", wanted=lambda: self._found is not None) as self._stream:
            yield

    def case(self, result: CaseResult) -> None:
        """Take in one result."""
        if self._found is None and result.arrays and result.verdict not in (Verdict.PASS, Verdict.SKIP):
            self._found = result

    def finish(self, summary: Summary) -> None:  # noqa: ARG002  # as every report is told
        """Write the arrays, and say on stderr how to read them."""
        if self._found is None:
            click.echo(f"{self._path} was not written: no case with arrays to look at failed.", err=True)
            return
        write_arrays(self._found, self._stream.buffer)
        case = f"{self._found.implementation}, {self._found.case.label()} {self._found.case.dtype}"
        click.echo(f"arrays of {case}:\n{snippet(self._found, str(self._path))}", err=True)
