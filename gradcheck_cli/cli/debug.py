"""`--debug`: the arrays of the first case that did not pass, in a file, and how to read it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click

from gradcheck_cli.report.arrays import snippet, write_arrays
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.cli.outputs import Output
    from gradcheck_cli.results.result import CaseResult, Summary


class DebugFile:
    """A report that keeps the first case that did not pass, rather a smallest one, and writes its arrays."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._found: CaseResult | None = None

    def case(self, result: CaseResult) -> None:
        """Take in one result."""
        better = self._found is None or (result.smallest is not None and self._found.smallest is None)
        if better and result.arrays and result.verdict not in (Verdict.PASS, Verdict.SKIP):
            self._found = result

    def finish(self, summary: Summary) -> None:  # noqa: ARG002  # as every report is told
        """Write the arrays, and say on stderr how to read them."""
        if self._found is None:
            click.echo(f"{self._output.path} was not written: no case with arrays to look at failed.", err=True)
            return
        whole = io.BytesIO()  # a zip file that a full disk cuts short complains when it is thrown away
        write_arrays(self._found, whole)
        self._output.binary.write(whole.getbuffer())
        case = f"{self._found.implementation}, {self._found.case.label()} {self._found.case.dtype}"
        click.echo(f"arrays of {case}:\n{snippet(self._found, str(self._output.path))}", err=True)
