"""The report for people: a line for each case, details of those that did not pass, and a summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TextIO

from rich.padding import Padding
from rich.text import Text

from gradcheck_cli.report.details import describe
from gradcheck_cli.report.grades import grade_lines, grade_table
from gradcheck_cli.report.skipped import Skipped
from gradcheck_cli.report.style import STYLES, figure, make_console, word
from gradcheck_cli.results.grades import Grades
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.report.formats import DisplayOptions
    from gradcheck_cli.results.result import ArrayResult, CaseResult, Run, Summary

#: How the summary counts verdicts, in this order.
_COUNTED = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.ERROR: "raised",
    Verdict.SKIP: "skipped",
}


class TableReport:
    """Prints a line for each case as it comes; details and the summary at the end."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:
        self._run, self._options = run, options
        self._console = make_console(stream, options)
        self._grades, self._skipped = Grades(), Skipped()
        self._remarks: Counter[str] = Counter()  # on cases that passed
        self._raised: list[set[str]] = []  # codes of the causes of each case that raised
        self._detailed: list[CaseResult] = []  # cases to describe at the end
        self._worst: CaseResult | None = None
        self._implementation: str | None = None  # the one introduced last
        self._printed = False

    def add(self, result: CaseResult) -> None:
        """Print a case in one line, and keep it if there is more to say."""
        self._count(result)
        options, run = self._options, self._run
        if options.quiet or options.show in ("worst", "grades"):
            return
        failed = result.verdict not in (Verdict.PASS, Verdict.SKIP)
        shown = options.show == "all" or (failed and run.shows(result))
        if options.verbose:
            if shown:
                self._details(result)
            return
        if run.shows(result) and (failed or run.cases == 1):
            self._detailed.append(result)
        if shown and run.cases > 1 and result.smallest is None:
            self._line(result)

    def finish(self, summary: Summary) -> None:
        """Print details and the summary; if quiet, a line for each implementation."""
        if self._options.quiet:
            for line in grade_lines(self._grades):
                self._console.print(line, soft_wrap=True)
            if summary.cut_short or not len(self._grades):
                self._console.print(self._summary(summary), soft_wrap=True)
            return
        if self._options.show == "worst" and self._worst is not None:
            self._detailed = [self._worst]
        for result in self._detailed:
            self._details(result)
        self._gap()
        if len(self._grades) > 1 or self._run.surveyed:
            self._console.print(grade_table(self._grades, layers=self._run.surveyed))
            self._gap()
        elif self._run.cases > 1:  # of a single case, its arrays show it
            for remark, count in self._remarks.items():
                self._print(Text(f"in {count} of {summary.cases} cases: {remark}"))
            if len(self._raised) > 1 and (codes := set.intersection(*self._raised)):
                kind = ", ".join(sorted(codes))
                self._print(Text(f"all {len(self._raised)} cases that raised are of this kind: {kind}"))
        for reason in self._skipped.lines():
            self._print(Text(reason, style=STYLES[Verdict.SKIP]))
        self._print(self._summary(summary))

    def _count(self, result: CaseResult) -> None:
        if result.smallest is None:
            self._grades.add(result)
        if self._worst is None or _badness(result) > _badness(self._worst):
            self._worst = result
        if result.verdict is Verdict.SKIP and result.ran:
            self._skipped.add(result.reason or "")
        if result.verdict is Verdict.ERROR and result.ran:
            self._raised.append({diagnosis.code for diagnosis in result.diagnosis})
        if result.verdict is Verdict.PASS:
            self._remarks.update(diagnosis.text for diagnosis in result.diagnosis)

    def _line(self, result: CaseResult) -> None:
        if result.implementation != self._implementation:
            self._implementation = result.implementation
            self._gap()
            self._print(Text(f"{result.implementation}, seed {result.case.seed}", style="bold"))
            if result.understood:
                self._console.print(Padding(Text(f"understood as {result.understood}", style="dim"), (0, 0, 0, 2)))
        outcome = result.reason or ""
        if result.verdict is Verdict.PASS and (array := _worst_array(result)):
            outcome = f"{figure(array.scaled_error or 0)} eps"
        line = Text(f"  {word(result.verdict):<5}", style=STYLES[result.verdict])
        rest = f" {result.case.label():<42} {result.case.dtype:<9} {outcome}"
        line.append(rest, style="dim" if result.verdict is Verdict.SKIP else "default")
        self._console.print(line, overflow="ellipsis", no_wrap=True)

    def _details(self, result: CaseResult) -> None:
        self._gap()
        named = result.implementation == self._implementation
        self._implementation = result.implementation
        for block in describe(result, self._console, named=named, verbose=self._options.verbose):
            self._console.print(block, soft_wrap=isinstance(block, Text))

    def _summary(self, summary: Summary) -> Text:
        counts = {verdict: summary.counts[verdict] for verdict in _COUNTED if summary.counts.get(verdict)}
        text = Text(f"{summary.cases} {'case' if summary.cases == 1 else 'cases'}")
        if summary.cut_short:
            how = "cut short" if summary.workers_lost else "interrupted"
            how = "stopped by --max-failures" if summary.stopped else how
            text = Text(f"{how} after {summary.cases} of {self._run.cases} cases")
        several = len(counts) > 1 or summary.cut_short
        for number, (verdict, count) in enumerate(counts.items()):
            text.append(", " if number else ": " if several else " ")
            text.append(f"{count} " if several else "")
            text.append(_COUNTED[verdict], style=STYLES[verdict])
        if summary.signatures:
            text.append(f" (in {summary.signatures} {'way' if summary.signatures == 1 else 'ways'})")
        text.append(f" in {summary.seconds:.2f} s")
        text.append(f", {summary.carried_over} carried over" if summary.carried_over else "")
        if summary.verdict is Verdict.PASS and self._worst and (array := _worst_array(self._worst)):
            text.append(
                f"; at worst {figure(array.scaled_error or 0)} eps off ({array.name}), {array.tolerance:g} allowed"
            )
        return text

    def _gap(self) -> None:
        """Leave a line free between two blocks."""
        if self._printed:
            self._console.print()
        self._printed = True

    def _print(self, line: Text) -> None:
        """Print a line unbroken, so that it can be copied; a terminal wraps it."""
        self._console.print(line, soft_wrap=True)


def _badness(result: CaseResult) -> tuple[bool, int, float]:
    """Order results: skips, then by verdict, then by the error of the worst array."""
    array = _worst_array(result)
    return result.verdict is not Verdict.SKIP, result.verdict.rank, _share(array) if array else 0.0


def _worst_array(result: CaseResult) -> ArrayResult | None:
    arrays = [a for a in (result.forward, *result.gradients.values()) if a and a.scaled_error is not None]
    return max(arrays, key=_share, default=None)


def _share(array: ArrayResult) -> float:
    """Return the error of an array as a share of its tolerance."""
    return (array.scaled_error or 0.0) / array.tolerance
