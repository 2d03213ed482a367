"""The report as one HTML file: what failed and why, with pictures, and a table of everything."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from typing import TextIO

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.html.elements import Html, el, join, page, text
from gradcheck_cli.report.html.finding import Detail, describe_finding, title_of
from gradcheck_cli.report.html.tables import anchor, badge, case_row, case_table, implementation_table, matrix
from gradcheck_cli.report.plain import count_cases
from gradcheck_cli.report.style import COUNTED
from gradcheck_cli.results.findings import Finding
from gradcheck_cli.results.grades import Grades
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.results.signature import FailureSignature

#: Characters of all failures so far up to which one has maps with numbers, and up to which it has pictures at all.
#: One with three maps of a hundred cells takes 15,000, of which the numbers are half; without pictures it takes 3,000.
_DETAILS = {Detail.ALL: 1_500_000, Detail.PICTURES: 2_500_000}

#: Characters of a command beyond which it is scrolled.
_LONG = 600

#: Cases that are listed, the others are counted; and bugs in the checker that are shown.
_MOST_ROWS, _MOST_BUGS = 5000, 3


class HtmlReport:
    """Collects what the report needs of each result, and writes the file when the run is over."""

    def __init__(self, run: Run, stream: TextIO, options: DisplayOptions) -> None:  # noqa: ARG002
        self._run, self._stream = run, stream
        self._grades = Grades(random=run.random)
        self._rows: list[CaseResult] = []
        self._unlisted = 0
        self._bugs: list[str] = []

    def add(self, result: CaseResult) -> None:
        """Add one result. Of its arrays only those of a finding are kept."""
        self._grades.add(result)
        if result.bug and len(self._bugs) < _MOST_BUGS:
            self._bugs.append(result.bug)
        if result.smallest is not None:
            return
        if len(self._grades) == 1 and len(self._rows) < _MOST_ROWS:
            self._rows.append(_without_arrays(result))
        else:
            self._unlisted += 1

    def finish(self, summary: Summary) -> None:
        """Write the document."""
        findings = self._grades.all_findings()[::-1]
        failures: dict[tuple[str, str], list[int]] = {}
        for number, one in enumerate(findings, 1):
            failures.setdefault(_key(one.result), []).append(number)
        several = len(self._grades) > 1 or self._run.surveyed
        worst_first = self._grades.items()[::-1]
        verdicts = Counter(grade.verdict for _, grade in worst_first) if several else summary.counts
        title = outcome("implementation" if several else "case", verdicts)
        body = [
            header(self._run, summary, title),
            _section("Implementations", implementation_table(worst_first, failures)) if several else None,
            _section("Files and layers", matrix(worst_first, failures)) if several else None,
            self._findings_section(findings, folded=several),
            None if several else self._case_section(findings),
            _bugs(self._bugs),
            explain_terms(),
        ]
        self._stream.write(page(f"{title} - {self._run.program}", body, good=summary.verdict is Verdict.PASS))

    def _findings_section(self, findings: list[Finding], *, folded: bool) -> Html | None:
        if not findings:
            return None
        shown, written, detail = [], 0, Detail.ALL
        for number, one in enumerate(findings, 1):
            detail = next((each for each, most in _DETAILS.items() if written < most), Detail.NONE)
            about = describe_finding(one, detail)
            written += len(about)
            name = f"{one.result.implementation}: " if folded else None
            title = el("h3", badge(one.result.verdict), " ", name, title_of(one.result), class_="title")
            whole = el("details", el("summary", title), about, class_="folded") if folded else join([title, about])
            label = el("span", str(number), class_="ordinal", aria_hidden="true")
            shown.append(el("article", label, whole, id=anchor(number)[1:], class_="finding"))
        count = f"{len(findings)} distinct failure{'s' if len(findings) > 1 else ''}"
        note = None
        if detail is not Detail.ALL:
            what = (
                "Pictures of the last failures are" if detail is Detail.NONE else "The numbers behind the last maps are"
            )
            note = el("p", f"{what} left out, to keep this file small.", class_="note")
        return _section(count, note, *shown)

    def _case_section(self, findings: list[Finding]) -> Html | None:
        if not self._rows:
            return None
        numbers = {signature: number for number, one in enumerate(findings, 1) for signature in one.signatures}
        rows = [case_row(result, _failures(result, numbers)) for result in self._rows]
        note = el("p", f"{self._unlisted} more cases are not listed.") if self._unlisted else None
        return _section("All cases", case_table(rows), note)


def _section(title: str, *content: Html | None) -> Html | None:
    """Put a title above something, if there is something."""
    return el("section", el("h2", title), *content) if any(content) else None


def _bugs(bugs: list[str]) -> Html | None:
    if not bugs:
        return None
    explained = el("p", "The checker itself failed in these cases. Their verdict says nothing about the code.")
    return _section("Bugs in the checker", explained, *(el("pre", bug, tabindex=0) for bug in bugs))


def _key(result: CaseResult) -> tuple[str, str]:
    return result.implementation, result.layer


def _without_arrays(result: CaseResult) -> CaseResult:
    """Drop the arrays of a result that is only listed."""
    gradients = {name: replace(gradient, arrays=None) for name, gradient in result.gradients.items()}
    forward = result.forward and replace(result.forward, arrays=None)
    return replace(result, forward=forward, gradients=gradients, sweeps={}, arrays={})


def _failures(result: CaseResult, numbers: dict[FailureSignature, int]) -> list[int]:
    """Return the numbers of the failures that a case shows: its own, or those that are parts of it."""
    signature = FailureSignature.of(result)
    if signature is None:
        return []
    if signature in numbers:
        return [numbers[signature]]
    return sorted({number for other, number in numbers.items() if other.is_part_of(signature)})


def outcome(noun: str, counts: Mapping[Verdict, int]) -> str:
    """Say how many of what passed, in a few words: `3 of 12 cases failed`."""
    found = {verdict: counts[verdict] for verdict in COUNTED if counts.get(verdict) and verdict is not Verdict.SKIP}
    ran, bad = sum(found.values()), {verdict for verdict in found if verdict is not Verdict.PASS}
    if not ran:
        return f"No {noun} was checked"
    number = sum(found[verdict] for verdict in bad) or ran
    words = COUNTED[next(iter(bad), Verdict.PASS)] if len(bad) < 2 else "did not pass"
    if words == "inconclusive":
        words = "is inconclusive" if number == 1 else "are inconclusive"
    if ran == 1:
        return f"The only {noun} {words}"
    return f"All {ran} {noun}s {words}" if number == ran else f"{number} of {ran} {noun}s {words}"


def header(run: Run, summary: Summary, title: str) -> Html:
    """Sum up the run: verdict, command, seed, counts and versions."""
    command = text(shlex.join([*run.program.split(), *run.argv]), limit=None)
    long = len(command) > _LONG
    facts = {
        "Command": el("code", command, class_="long" if long else None, tabindex=0 if long else None),
        "Seed": str(run.seed),
        "Cases": str(count_cases(run, summary)),
        "Versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    return el(
        "header",
        el("p", run.program, class_="program"),
        el("h1", badge(summary.verdict), " ", title),
        el("dl", *(join([el("dt", name), el("dd", value)]) for name, value in facts.items()), class_="facts"),
        class_=str(summary.verdict),
    )


def explain_terms() -> Html:
    """Explain the terms of the report, folded."""
    terms = {
        "relative error": "max |a - n| / max(1e-8, |a| + |n|), the usual measure. The verdict does not use it, because "
        "a correct float32 gradient exceeds any threshold wherever terms cancel.",
        "eps off": "The error of the worst element in roundings: multiples of the dtype's machine epsilon times the "
        "sum of the absolute values of the terms that make up the element. A correct layer is off by a few.",
        "allowed": "How many roundings an element may be off, beyond the error bound of the numeric side.",
        "analytic, numeric": "What the backward pass returned, and the derivative of its own forward pass; for the "
        "output of forward, what the textbook's returns.",
        "heat map": "The error of each element, by decades of the largest one. Point at a cell, or move to the map "
        "with Tab and within it with the arrow keys, to read its values.",
        "plain differences": "(f(x + h) - f(x - h)) / 2h of the worst element of an array, for steps from 1 to 1e-12, "
        "as the loop of a course takes them. Where no h comes near the returned value, the fault is not the step's.",
    }
    rows = [join([el("dt", term), el("dd", meaning)]) for term, meaning in terms.items()]
    return el("details", el("summary", "How to read this report"), el("dl", *rows, class_="facts"), class_="help")
