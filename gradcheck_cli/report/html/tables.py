"""The tables of the HTML report: of arrays, of cases, of implementations, and of files by layers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from gradcheck_cli.report.arrays import COLUMNS, cell, shape_of
from gradcheck_cli.report.html.elements import Html, el, join
from gradcheck_cli.report.style import figure, word
from gradcheck_cli.results.grades import Grade
from gradcheck_cli.results.result import ArrayResult, CaseResult, Verdict

Key = tuple[str, str]  #: an implementation and its layer
Grades = Iterable[tuple[Key, "Grade"]]

_OF_ARRAYS = [("", title) for title in ("array", "shape", "verdict", *(column.in_full for column in COLUMNS))]
_OF_CASES = (
    ("", "verdict"),
    ("", "case"),
    ("", "dtype"),
    ("", "worst array"),
    ("number", "eps off"),
    ("number", "seconds"),
    ("", "reason"),
    ("", "failure"),
)
_OF_IMPLEMENTATIONS = (
    ("", "verdict"),
    ("number", "passed"),
    ("", "implementation"),
    ("", "layer"),
    ("", "reason"),
    ("", "failures"),
)

#: Links to failures in a row.
_MOST_LINKS = 9


def badge(verdict: Verdict) -> Html:
    """Write a verdict, in its colour."""
    return el("span", word(verdict), class_=f"badge {verdict}")


def array_table(arrays: Iterable[ArrayResult]) -> Html:
    """Make the table of the arrays of a case."""
    rows = [
        el(
            "tr",
            el("th", array.name, scope="row"),
            el("td", shape_of(array)),
            el("td", badge(array.verdict)),
            *(el("td", cell(column, array)) for column in COLUMNS),
        )
        for array in arrays
    ]
    return _table("Arrays", _OF_ARRAYS, rows, class_="arrays")


def case_row(result: CaseResult, failures: Sequence[int] = ()) -> Html:
    """Make the row of a case, with links to the failures by number."""
    worst = result.worst_array
    reason = "" if result.verdict is Verdict.PASS else result.reason or ""
    return el(
        "tr",
        el("td", badge(result.verdict), data_value=result.verdict.rank),
        el("td", result.case.label(), class_="case"),
        el("td", result.case.dtype),
        el("td", worst.name if worst else "-"),
        _number(figure(worst.scaled_error or 0), worst.scaled_error) if worst else _number("-", -1),
        _number(f"{result.seconds:.3f}", result.seconds),
        el("td", reason, class_="reason"),
        _links(failures),
    )


def case_table(rows: Sequence[Html]) -> Html:
    """Make the table of cases."""
    return _table("Cases", _OF_CASES, rows, class_="sortable")


def implementation_table(grades: Grades, failures: Mapping[Key, Sequence[int]]) -> Html:
    """Make the table of implementations, with links to their failures by number."""
    rows = []
    for (name, layer), grade in grades:
        passed, _, ran = grade.passed.partition("/")
        row = el(
            "tr",
            el("td", badge(grade.verdict), data_value=grade.verdict.rank),
            _number(grade.passed, int(passed) / max(1, int(ran))),
            el("th", _breakable(name), scope="row"),
            el("td", layer),
            el("td", grade.reason, class_="reason"),
            _links(failures.get((name, layer), ())),
        )
        rows.append(row)
    return _table("Implementations", _OF_IMPLEMENTATIONS, rows, class_="sortable")


def matrix(grades: Grades, failures: Mapping[Key, Sequence[int]]) -> Html | None:
    """Make the table of files by layers, with links to failures; None if there are not several of both."""
    cells: dict[tuple[str, str], list[tuple[Verdict, list[int]]]] = {}
    for (name, layer), grade in grades:
        home = name.rpartition(":")[0] or name
        cells.setdefault((home, layer), []).append((grade.verdict, [*failures.get((name, layer), ())]))
    files, layers = sorted({file for file, _ in cells}), sorted({layer for _, layer in cells})
    if len(files) < 2 or len(layers) < 2:
        return None
    heads = (("", "file"), *(("", layer or "not loaded") for layer in layers))
    rows = [
        el("tr", el("th", file, scope="row"), *(_matrix_cell(cells.get((file, layer), [])) for layer in layers))
        for file in files
    ]
    return _table("Files and layers", heads, rows, class_="sortable matrix")


def _matrix_cell(found: list[tuple[Verdict, list[int]]]) -> Html:
    """Show the worst verdict of the implementations of a layer in a file."""
    if not found:
        return el("td", data_value=-1)
    verdict, failures = max(found, key=lambda one: one[0].rank)
    words = join([badge(verdict), f" 1 of {len(found)}" if len(found) > 1 else None])
    return el("td", el("a", words, href=anchor(failures[0])) if failures else words, data_value=verdict.rank)


def anchor(failure: int) -> str:
    """Return the link to a failure by its number."""
    return f"#failure-{failure}"


def _breakable(name: str) -> Html:
    """Let a name be broken after a colon, a comma or a slash."""
    return join(re.split("(?<=[:,/])(?=.)", name), "<wbr>")


def _links(failures: Sequence[int]) -> Html:
    more = " ..." if len(failures) > _MOST_LINKS else None
    return el("td", join([el("a", str(one), href=anchor(one)) for one in failures[:_MOST_LINKS]], " "), more)


def _number(words: str, value: float | None) -> Html:
    return el("td", words, class_="number", data_value=value)


def _table(caption: str, heads: Iterable[tuple[str, str]], rows: Sequence[Html], *, class_: str) -> Html:
    """Make a table that can be scrolled sideways where it is too wide."""
    head = el("tr", *(el("th", title, scope="col", class_=kind or None) for kind, title in heads))
    table = el("table", el("caption", caption), el("thead", head), el("tbody", *rows), class_=class_)
    return el("div", table, class_="scroll")
