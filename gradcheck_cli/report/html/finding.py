"""The description of one case, most often one that fails: cause, place, pictures, figures, and how to replay it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from enum import IntEnum

from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.report.html.chart import charts
from gradcheck_cli.report.html.elements import Html, el, join
from gradcheck_cli.report.html.heatmap import heat_map, maps
from gradcheck_cli.report.html.tables import array_table, badge
from gradcheck_cli.report.plain import describe_others, describe_smallest, reasons_of
from gradcheck_cli.report.style import sizes, word
from gradcheck_cli.results.findings import Finding
from gradcheck_cli.results.result import ArrayResult, CaseResult, Diagnosis, Place, Verdict


class Detail(IntEnum):
    """How much of a case is drawn."""

    NONE = 0
    PICTURES = 1
    ALL = 2  #: maps have the values of their cells, for a script to show


def title_of(result: CaseResult) -> str:
    """Say what is wrong, or what was checked."""
    if result.verdict is Verdict.PASS:
        return f"{result.layer} {result.case.label()}"
    return "; ".join(result.causes) or result.reason or ""


def describe_finding(finding: Finding, detail: Detail) -> Html:
    """Describe a failure, below a title: its simplest case, and how many are like it."""
    smallest = finding.result.smallest
    drawn = [describe_smallest(smallest, finding.result.verdict)] if smallest else []
    return describe(finding.result, detail, [*drawn, *describe_others(finding)])


def describe(result: CaseResult, detail: Detail, more: Sequence[str] = ()) -> Html:
    """Describe a case, below a title.

    Args:
        result: the case.
        detail: how much is drawn.
        more: what is known of other cases like it.
    """
    arrays = result.compared
    found = [heat_map(array, _axes(result, array), numbers=detail is Detail.ALL) for array in arrays if detail]
    drawn = [one for one in found if one]
    return join(
        [
            _place(result.place) if result.place else None,
            _effects(result),
            *(_cause(one, named=title_of(result) == result.causes[0]) for one in result.diagnosis),
            el("pre", result.traceback, class_="traceback", tabindex=0) if result.traceback else None,
            _facts(result, more),
            maps(drawn),
            array_table(arrays) if arrays and result.verdict is not Verdict.ERROR else None,
            _sweeps(result) if detail else None,
            _duties(result),
            _replay(result),
        ]
    )


def _axes(result: CaseResult, array: ArrayResult) -> tuple[Axis, ...]:
    """Return what the axes of an array are called."""
    axes = result.case.array_axes
    return axes.get(array.name, axes.get(array.name.removeprefix("d"), ()))


def _place(place: Place) -> Html:
    """Show where in the user's file the fault is."""
    where = el("p", el("code", place.location), f" in {place.function}", class_="place")
    return join([where, el("pre", el("code", place.statement), class_="statement")]) if place.statement else where


def _effects(result: CaseResult) -> Html | None:
    """List what is wrong, unless the title says just that."""
    reasons = reasons_of(result)
    if "; ".join(reasons) == title_of(result) or not reasons:
        return None
    return el("ul", *(el("li", reason) for reason in reasons), class_="effects")


def _cause(diagnosis: Diagnosis, *, named: bool) -> Html:
    """Show what to do about a cause, and its code; the cause too, unless the title names it alone."""
    cause, stop, remedy = diagnosis.text.partition(". ")
    code = el("code", diagnosis.code, class_="code")
    return el("p", None if named else el("strong", cause + stop), remedy, " ", code, class_="cause")


def _facts(result: CaseResult, more: Sequence[str]) -> Html:
    case = result.case
    shape = f" -> {sizes(result.forward.expected_shape)}" if result.forward else ""
    facts = {"Implementation": result.implementation, "Understood as": result.understood}
    if result.ran:
        facts["Case"] = f"{case.label()}{shape}, {case.dtype}, seed {case.seed}"
        facts["Others"] = "; ".join(more)
    rows = [join([el("dt", name), el("dd", value)]) for name, value in facts.items() if value]
    return el("dl", *rows, class_="facts")


def _sweeps(result: CaseResult) -> Html | None:
    if not (drawn := charts(result)):
        return None
    summary = el("summary", "Plain differences of the worst element, step by step")
    return el("details", summary, el("div", *drawn, class_="figures"))


def _duties(result: CaseResult) -> Html | None:
    if not result.duties or result.verdict is Verdict.ERROR:  # then none was tried
        return None
    rows = [
        join(
            [el("dt", name.replace("_", " ")), el("dd", badge(duty.verdict), f" {duty.reason}" if duty.reason else "")]
        )
        for name, duty in result.duties.items()
    ]
    counts = Counter(duty.verdict for duty in result.duties.values())
    note = ", ".join(f"{count} {word(verdict)}" for verdict, count in counts.items())
    return el("details", el("summary", f"Duties beside right numbers: {note}"), el("dl", *rows, class_="facts"))


def _replay(result: CaseResult) -> Html | None:
    if not result.command or result.verdict is Verdict.PASS:
        return None
    return el("div", el("span", "Replay", class_="label"), el("code", result.command), class_="command")
