"""The report for people: a line for each case, the whole story of those that did not pass, and a summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TextIO

from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcheck_cli.report.console import make_console
from gradcheck_cli.report.grades import Grades
from gradcheck_cli.report.skipped import Skipped
from gradcheck_cli.report.words import STYLES, word
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from rich.console import Console

    from gradcheck_cli.report.report import Look
    from gradcheck_cli.results.result import ArrayResult, CaseResult, Run, SmallestFailure, Summary

_COUNTED = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.ERROR: "raised",
    Verdict.INCONCLUSIVE: "inconclusive",
    Verdict.SKIP: "skipped",
}

#: From this width on there is room for the columns that few people need.
_WIDE = 130

#: Where figures begin to differ, at least this many digits are shown.
_DIGITS = 6


class TableReport:
    """Prints a line for each case as it comes; stories and the summary at the end."""

    def __init__(self, run: Run, console: Console, look: Look) -> None:
        self._run = run
        self._console = console
        self._look = look
        self._stories: list[CaseResult] = []
        self._skipped = Skipped()
        self._remarks: Counter[str] = Counter()  #: on cases that passed
        self._raised: list[set[str]] = []  #: codes of the causes of each case that raised
        self._grades = Grades()
        self._worst: CaseResult | None = None
        self._implementation: str | None = None
        self._said_something = False

    def case(self, result: CaseResult) -> None:
        """Print a case in one line; keep it if there is more to say."""
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
        if self._look.quiet or self._look.show in ("worst", "grades"):
            return
        failed = result.verdict not in (Verdict.PASS, Verdict.SKIP)
        told = self._look.show == "all" or (failed and self._run.shows(result))
        if self._look.verbose:
            if told:
                self._story(result)
            return
        if self._run.shows(result) and (failed or self._run.cases == 1):
            self._stories.append(result)
        if told and self._run.cases > 1 and result.smallest is None:
            self._line(result)

    def finish(self, summary: Summary) -> None:
        """Print what is left to tell, and the summary; if quiet, a line for each implementation."""
        if self._look.quiet:
            for line in self._grades.lines():
                self._console.print(line, soft_wrap=True)
            if summary.cut_short or not len(self._grades):
                self._console.print(self._summary(summary), soft_wrap=True)
            return
        if self._look.show == "worst" and self._worst is not None:
            self._stories = [self._worst]
        for result in self._stories:
            self._story(result)
        self._gap()
        if len(self._grades) > 1 or self._run.surveyed:
            self._console.print(self._grades.table(layers=self._run.surveyed))
            self._gap()
        elif self._run.cases > 1:  # of a single one it is told with its arrays
            for remark, count in self._remarks.items():
                self._print(f"in {count} of {summary.cases} cases: {remark}", style="default")
            if len(self._raised) > 1 and (codes := set.intersection(*self._raised)):
                kind = ", ".join(sorted(codes))
                self._print(f"all {len(self._raised)} cases that raised are of this kind: {kind}", style="default")
        for reason in self._skipped.lines():
            self._print(reason, style=STYLES[Verdict.SKIP])
        self._console.print(self._summary(summary), soft_wrap=True)

    def _gap(self) -> None:
        """Leave a line free between two blocks."""
        if self._said_something:
            self._console.print()
        self._said_something = True

    def _line(self, result: CaseResult) -> None:
        if result.implementation != self._implementation:
            self._implementation = result.implementation
            self._gap()
            self._print(f"{result.implementation}, seed {result.case.seed}", style="bold")
            if result.understood:
                self._console.print(Padding(Text(f"understood as {result.understood}", style="dim"), (0, 0, 0, 2)))
        line = Text(f"  {word(result.verdict):<5}", style=STYLES[result.verdict])
        rest = f" {result.case.label():<42} {result.case.dtype:<9} "
        line.append(f"{rest}{_short(result)}", style="dim" if result.verdict is Verdict.SKIP else "default")
        self._console.print(line, overflow="ellipsis", no_wrap=True)

    def _story(self, result: CaseResult) -> None:
        self._gap()
        title = Text(f"{word(result.verdict)} ", style=STYLES[result.verdict])
        self._console.print(title.append(result.implementation, style="bold default"), soft_wrap=True)
        if result.understood and (result.implementation != self._implementation or self._look.verbose):
            self._console.print(Text(f"understood as {result.understood}", style="dim"))
        self._implementation = result.implementation
        case = result.case
        shape = f" -> {_sizes(result.forward.expected_shape)}" if result.forward else ""
        self._print(f"{case.label()}{shape}, {case.dtype}, seed {case.seed}", style="default")
        if result.smallest:
            self._print(_stands_for(result.smallest, result.verdict), style="default")
        rows = [*([result.forward] if result.forward else []), *result.gradients.values()]
        told = result.verdict in (Verdict.ERROR, Verdict.SKIP)  # by one reason, of which its parts know nothing
        for reason in [result.reason or ""] if told else result.reasons:
            self._print(reason, style=STYLES[result.verdict])
        for diagnosis in result.diagnosis:
            self._print(diagnosis.text, style="bold")
        if result.traceback:
            self._print(result.traceback, style="default")
        self._pictures(rows)
        if rows and result.verdict is not Verdict.ERROR:
            self._console.print(self._table(rows))
        if self._look.verbose:
            if result.duties:
                self._print(f"duties: {_duties(result)}", style="default")
            for row in rows:
                self._arrays(row)
        if result.command and result.verdict is not Verdict.PASS:
            self._print(f"replay: {result.command}", style="default")

    def _table(self, rows: list[ArrayResult]) -> Table:
        wide = self._console.width >= _WIDE
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="default")
        table.add_column("")
        table.add_column("shape")
        table.add_column("rel error", justify="right")
        table.add_column("eps off", justify="right")
        if wide:
            table.add_column("of", justify="right")
            table.add_column("abs error", justify="right")
        table.add_column("worst at")
        table.add_column("analytic", justify="right", no_wrap=True)
        table.add_column("numeric", justify="right", no_wrap=True)
        if wide:
            table.add_column("bound", justify="right")
            table.add_column("method")
            table.add_column("forwards", justify="right")
        table.add_column("verdict")
        for row in rows:
            table.add_row(*_cells(row, wide=wide))
        return table

    def _pictures(self, rows: list[ArrayResult]) -> None:
        """Print the pictures of what is wrong in part, side by side as far as there is room."""
        if not any(row.picture for row in rows):
            return
        from rich.columns import Columns  # only pictures need it

        from gradcheck_cli.report.picture import shaded

        ascii_only = self._console.options.ascii_only
        drawn = [shaded(row.name, row.picture, ascii_only=ascii_only) for row in rows if row.picture]
        self._console.print(Columns(drawn, padding=(0, 3)))

    def _arrays(self, row: ArrayResult) -> None:
        if row.arrays is None:
            return
        for name in ("analytic", "numeric", "error_bound"):
            self._print(f"{row.name} {name.replace('_', ' ')}:\n{getattr(row.arrays, name)}", style="default")

    def _summary(self, summary: Summary) -> Text:
        counts = {verdict: count for verdict, count in summary.counts.items() if count}
        text = Text(f"{summary.cases} {'case' if summary.cases == 1 else 'cases'}")
        if summary.cut_short:
            how = (
                "stopped by --max-failures"
                if summary.stopped
                else "cut short"
                if summary.workers_lost
                else "interrupted"
            )
            text = Text(f"{how} after {summary.cases} of {self._run.cases} cases")
        for number, (verdict, count) in enumerate(counts.items()):
            text.append(", " if number else ": " if len(counts) > 1 or summary.cut_short else " ")
            text.append(f"{count} " if len(counts) > 1 or summary.cut_short else "")
            text.append(_COUNTED[verdict], style=STYLES[verdict])
        if summary.signatures:
            text.append(f" (in {summary.signatures} {'way' if summary.signatures == 1 else 'ways'})")
        text.append(f" in {summary.seconds:.2f} s")
        array = _worst_array(self._worst) if self._worst else None
        if summary.verdict is Verdict.PASS and array and array.scaled_error is not None:
            text.append(f"; at worst {_figure(array.scaled_error)} eps off ({array.name}), {array.tolerance:g} allowed")
        return text

    def _print(self, line: str, style: str) -> None:
        """Print a line as it is: nothing in it is markup, and a terminal wraps it, so that it can be copied."""
        self._console.print(Text(line, style=style), soft_wrap=True)


def make(run: Run, stream: TextIO, look: Look) -> TableReport:
    """Make a report that prints tables to `stream`."""
    return TableReport(run, make_console(stream, look), look)


def _cells(row: ArrayResult, *, wide: bool) -> list[Text | str]:
    verdict = Text(word(row.verdict), style=STYLES[row.verdict])
    shape = "none" if row.shape is None else _sizes(row.shape)
    if row.worst is None or row.max_rel_error is None or row.max_abs_error is None or row.scaled_error is None:
        return [row.name, shape, *["-"] * (10 if wide else 5), verdict]
    analytic, numeric = _apart(row.worst.analytic, row.worst.numeric, row.verdict is Verdict.PASS)
    cells: list[Text | str] = [row.name, shape, _figure(row.max_rel_error), _figure(row.scaled_error)]
    if wide:
        cells += [f"{row.tolerance:g}", _figure(row.max_abs_error)]
    cells += [",".join(map(str, row.worst.index)), analytic, numeric]
    if wide:
        cells += [_figure(row.worst.error_bound), row.method, str(row.evaluations)]
    return [*cells, verdict]


def _duties(result: CaseResult) -> str:
    """Name the duties, those that were not kept with their verdicts."""
    return ", ".join(
        name if duty.verdict is Verdict.PASS else f"{name} {word(duty.verdict)}" for name, duty in result.duties.items()
    )


def _stands_for(smallest: SmallestFailure, verdict: Verdict) -> str:
    one, many = ("is undecided", "are undecided") if verdict is Verdict.INCONCLUSIVE else ("fails", "fail")
    which = f"1 case that {one}" if smallest.failures == 1 else f"{smallest.failures} cases that {many}"
    return f"the smallest found of {which} in this way" + (f"; {smallest.note}" if smallest.note else "")


def _short(result: CaseResult) -> str:
    """Say in a few words what came of a case."""
    if result.verdict is not Verdict.PASS:
        return result.reason or ""
    array = _worst_array(result)
    return f"{_figure(array.scaled_error)} eps" if array and array.scaled_error is not None else ""


def _badness(result: CaseResult) -> tuple[int, float]:
    """Order results: by verdict, then by how many roundings the worst array is off."""
    ranking = (Verdict.SKIP, Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)
    array = _worst_array(result)
    return ranking.index(result.verdict), _share(array) if array else 0.0


def _worst_array(result: CaseResult) -> ArrayResult | None:
    arrays = [a for a in (result.forward, *result.gradients.values()) if a and a.scaled_error is not None]
    return max(arrays, key=_share, default=None)


def _share(array: ArrayResult) -> float:
    return (array.scaled_error or 0.0) / array.tolerance


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _figure(value: float) -> str:
    """Print an error: two digits are all that anybody reads of one."""
    return "0" if value == 0 else f"{value:.1f}" if 0.05 <= value < 1000 else f"{value:.1e}"


def _apart(analytic: float, numeric: float, same: bool) -> tuple[str, str]:  # noqa: FBT001
    """Print two values with as many digits as it takes to tell them apart, if they are not the same."""
    digits = _DIGITS
    while not same and analytic != numeric and digits < 17 and f"{analytic:.{digits}g}" == f"{numeric:.{digits}g}":
        digits += 1
    return f"{analytic:.{digits}g}", f"{numeric:.{digits}g}"
