"""The report for people: each failure once, a table of several implementations, and a summary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from gradcheck_cli.report.details import describe, describe_finding, has_figures, introduce
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.grades import cause_lines, grade_lines, grade_table
from gradcheck_cli.report.plain import count_cases
from gradcheck_cli.report.skipped import Skipped
from gradcheck_cli.report.style import STYLES, figure, hang, make_console, word
from gradcheck_cli.results.grades import Grades
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary

#: Columns of the longest usual label of a case, and of what stands beside it.
_LABEL, _BESIDE = 42, 20

#: Columns before the label in a line, and before the cause in a line of the summary.
_INDENT, _HANGING = 8, 5


class TableReport:
    """Prints cases as they come, as far as they are shown one by one; failures and the summary at the end."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:
        self._run, self._options = run, options
        self._console = make_console(stream, options)
        self._grades, self._skipped = Grades(random=run.random), Skipped()
        self._worst: CaseResult | None = None
        self._first: dict[tuple[str, str], CaseResult] = {}  # of each implementation, to introduce it
        self._introduced: CaseResult | None = None  # of the implementation introduced last
        self._fresh = False  # whether nothing followed the introduction
        self._printed = self._explained = False

    def add(self, result: CaseResult) -> None:
        """Print a case, if cases are listed."""
        self._count(result)
        options, shown = self._options, self._run.shows(result)
        if options.quiet or options.show in ("worst", "grades"):
            return
        failed = result.verdict not in (Verdict.PASS, Verdict.SKIP)
        listed = options.show == "all" or (failed and shown and options.show == "failed")
        if options.verbose and (listed or (shown and options.show == "findings")):
            self._introduce(result)
            self._details(describe(result, self._console, verbose=True, explained=self._explained))
            self._explained = self._explained or has_figures(result)
        elif listed and not options.verbose and self._run.cases > 1 and result.smallest is None:
            self._introduce(result)
            self._line(result)

    def finish(self, summary: Summary) -> None:
        """Print the failures and the summary; if quiet, a line for each implementation."""
        if self._options.quiet:
            for line in grade_lines(self._grades):
                self._console.print(line, soft_wrap=True)
            if summary.cut_short or not len(self._grades):
                self._console.print(self._summary(summary), soft_wrap=True)
            return
        self._failures()
        several = len(self._grades) > 1
        if several:
            self._gap()
            table = grade_table(self._grades, self._console.width, layers=self._run.surveyed, by=self._options.by)
            self._console.print(table)
        elif not self._introduced:
            for result in self._first.values():
                self._introduce(result)
        self._end(summary, several=several)

    def _count(self, result: CaseResult) -> None:
        self._first.setdefault((result.implementation, result.layer), result)
        self._grades.add(result)
        if self._worst is None or _badness(result) > _badness(self._worst):
            self._worst = result
        if result.verdict is Verdict.SKIP and result.ran:
            self._skipped.add(result.reason or "")

    def _failures(self) -> None:
        """Print each failure once, unless only the table is shown or all cases were printed."""
        options = self._options
        if options.show == "worst" and self._worst is not None:
            self._introduce(self._worst)
            self._details(describe(self._worst, self._console, verbose=options.verbose, explained=False))
        elif options.show not in ("worst", "grades") and not options.verbose:
            (alone,) = self._first.values() if self._run.cases == 1 and self._first else (None,)
            if alone and alone.verdict in (Verdict.PASS, Verdict.SKIP):
                self._introduce(alone)
                self._details(describe(alone, self._console))
            for finding in self._grades.all_findings():
                self._introduce(finding.result)
                self._details(describe_finding(finding, self._console, explained=self._explained))
                self._explained = self._explained or has_figures(finding.result)

    def _end(self, summary: Summary, *, several: bool) -> None:
        """Print what else there is to say of all cases, each cause again in a line, and the counts."""
        failed = summary.verdict not in (Verdict.PASS, Verdict.SKIP)
        listed = self._options.show == "all" or self._options.verbose
        self._gap(unless=not (failed or several or listed or self._run.cases == 1))
        for _, grade in [] if several or self._run.cases == 1 else self._grades.items():
            for remark, count in grade.remarks.items():
                self._print(Text(f"in {count} of {summary.cases} cases: {remark}"))
        for reason in self._skipped.lines() if self._run.cases > 1 else ():
            self._print(Text(reason, style=STYLES[Verdict.SKIP]))
        for line in [] if several else cause_lines(self._grades):
            for part in hang(line, self._console, _HANGING):
                self._console.print(part)
        self._print(self._summary(summary))

    def _introduce(self, result: CaseResult) -> None:
        """Print the name of an implementation, unless it is the one whose cases are being printed."""
        before, self._introduced = self._introduced, result
        if before and (before.implementation, before.layer) == (result.implementation, result.layer):
            return
        self._gap()
        for line in introduce(result, layer=self._run.surveyed):
            self._print(line)
        self._fresh = True

    def _line(self, result: CaseResult) -> None:
        self._fresh = False
        line = Text(f"  {word(result.verdict):<{_INDENT - 3}} ", style=STYLES[result.verdict])
        label = f"{result.case.label():<{min(_LABEL, max(0, self._console.width - _INDENT - _BESIDE))}}"
        rest = f"{label} {result.case.dtype:<9} {_outcome(result)}"
        line.append(rest.rstrip(), style="dim" if result.verdict is Verdict.SKIP else "default")
        for part in hang(line, self._console, _INDENT):
            self._console.print(part)

    def _details(self, blocks: Iterable[RenderableType]) -> None:
        self._gap(unless=self._fresh)
        self._fresh = False
        for block in blocks:
            self._print(block)

    def _summary(self, summary: Summary) -> Text:
        text = count_cases(self._run, summary)
        if summary.verdict is Verdict.PASS and self._worst and (array := self._worst.worst_array):
            text.append(
                f"; at worst {figure(array.scaled_error or 0)} eps off ({array.name}), {array.tolerance:g} allowed"
            )
        if summary.verdict is Verdict.PASS and self._worst and (repetition := self._worst.repetition):
            text.append(f"; each called {repetition.calls:,} times more: {repetition.risk}")
        return text

    def _gap(self, *, unless: bool = False) -> None:
        """Leave a line free between two blocks."""
        if self._printed and not unless:
            self._console.print()
        self._printed = True

    def _print(self, block: RenderableType) -> None:
        """Print a block; what must not be wrapped is left to the terminal."""
        self._console.print(block, soft_wrap=isinstance(block, Text) and bool(block.no_wrap))


def _outcome(result: CaseResult) -> str:
    """Say in a few words which arrays are wrong, or what was raised, with the codes of the causes.

    The reasons of skips come at the end.
    """
    if result.verdict in (Verdict.PASS, Verdict.SKIP):
        return ""
    arrays = [array for array in result.compared if array.verdict is result.verdict]
    raised = (result.reason or "").partition(": ")[0]
    what = raised if result.verdict is Verdict.ERROR else ", ".join(array.name for array in arrays) or raised
    return " ".join([what, *(f"[{diagnosis.code}]" for diagnosis in result.diagnosis)])


def _badness(result: CaseResult) -> tuple[bool, int, float]:
    """Order results: skips, then by verdict, then by the error of the worst array."""
    array = result.worst_array
    return result.verdict is not Verdict.SKIP, result.verdict.rank, array.share if array else 0.0
