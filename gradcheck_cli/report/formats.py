"""The report formats. A new one is a file with a class, and a row here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, TextIO, cast

from gradcheck_cli.data.frozen import frozen

if TYPE_CHECKING:
    from gradcheck_cli.results.result import CaseResult
    from gradcheck_cli.results.run import Run, Summary


@frozen
class DisplayOptions:
    """How much of a run the reports for people show, and how."""

    #: Which cases: all or failed, listed one by one; worst; none, but each failure once: findings; or only the table of
    #: implementations: grades.
    show: str = "all"
    by: str = "file"  #: how the table of implementations is sorted: file or verdict
    quiet: bool = False
    verbose: bool = False
    color: bool = False
    defused: bool = False  #: whether nothing may be taken for a command of GitHub Actions
    width: int | None = None  #: columns; None for those of the terminal


class Report(Protocol):
    """One report of a run, which writes to one stream."""

    def add(self, result: CaseResult) -> None:
        """Add the result of a case, as it comes."""

    def finish(self, summary: Summary) -> str | None:
        """Write what is still to be written; return what is worth saying on stderr."""


class Folder(Protocol):
    """What a report of several files writes to."""

    def write(self, name: str, text: str, mark: str) -> None:
        """Write a file in place of an earlier one, if that begins with the mark."""


@frozen
class Format:
    """A kind of report: `--format NAME` for stdout and `--NAME PATH` for a file or a folder."""

    name: str
    maker: str  #: its class, as `module:Class` below this package; imported when it is asked for
    help: str | None = None  #: of `--NAME`; None if it is for stdout only
    stdout: bool = True  #: whether it can be written to stdout
    folder: bool = False  #: whether it writes files to a folder
    suffixes: tuple[str, ...] = ()  #: how PATH must end, where that decides what is written
    package: str | None = None  #: what must be installed for it
    keeps_arrays: bool = False  #: whether it needs the arrays of a case
    shows_evidence: bool = False  #: whether it needs arrays that are wrong, and plain differences
    tells_origin: bool = False  #: whether it says what the results depend on
    one_case: bool = False  #: whether it shows one case only

    def refuse(self, path: str) -> str | None:
        """Say why this cannot be written to a path, if it cannot."""
        if self.suffixes and not path.lower().endswith(self.suffixes):
            return f"{path!r}: give a name that ends in {' or '.join(self.suffixes)}"
        if self.package and find_spec(self.package) is None:
            from gradcheck_cli.text.install import install_command  # only here

            return f"it needs {self.package}, which is not installed: {install_command(self.package)}"
        return None


#: Of checks. The first one is the default on stdout.
FORMATS = (
    Format(name="table", maker="table:TableReport"),
    Format(name="github", maker="github:GitHubReport"),
    Format(
        name="json",
        maker="json:JsonReport",
        help="writes the JSON report to a file too; - is stdout",
        tells_origin=True,
    ),
    Format(name="junit", maker="junit:JUnitReport", help="writes JUnit XML, a test case for each case"),
    Format(name="markdown", maker="markdown:MarkdownReport", help="writes Markdown, for a pull request"),
    Format(name="csv", maker="csv:CsvReport", help="writes a table for spreadsheets, a row for each implementation"),
    Format(
        name="html",
        maker="html.report:HtmlReport",
        help="writes one HTML file, with heat maps of the errors",
        shows_evidence=True,
    ),
    Format(
        name="feedback",
        maker="feedback:FeedbackReport",
        help="writes a text for the author of each file",
        stdout=False,
        folder=True,
    ),
    Format(
        name="debug",
        maker="debug:DebugReport",
        help="writes the arrays of the first case that did not pass, as .npz",
        stdout=False,
        keeps_arrays=True,
    ),
)

#: Of step sweeps.
SWEEP_FORMATS = (
    Format(name="table", maker="sweep:SweepReport"),
    Format(
        name="plot",
        maker="plot:PlotReport",
        help="draws the sweep, as .png or .svg; needs matplotlib",
        stdout=False,
        suffixes=(".png", ".svg"),
        package="matplotlib",
        one_case=True,
    ),
)


def make_report(format_: Format, run: Run, stream: TextIO | Folder, options: DisplayOptions) -> Report:
    """Make a report that writes to a folder, or a stream; `stream.buffer` is for bytes, `stream.name` where they go."""
    module, _, name = format_.maker.partition(":")
    maker = getattr(import_module(f"gradcheck_cli.report.{module}"), name)
    return cast("Callable[[Run, TextIO | Folder, DisplayOptions], Report]", maker)(run, stream, options)
