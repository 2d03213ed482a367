"""Reads every report of a run back, by other programs than the one that wrote it, and compares their numbers."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from gradcheck_cli.report.formats import FORMATS
from gradcheck_cli.report.json import schema

if TYPE_CHECKING:
    from pathlib import Path

HAS_HTML = any(one.name == "html" for one in FORMATS)

#: The flags of all reports, to files that `disagreements` finds.
ALL_REPORTS = (
    *("--json", "report.json", "--junit", "report.xml", "--csv", "report.csv", "--markdown", "report.md"),
    *("--feedback", "report.feedback"),
    *(("--html", "report.html") if HAS_HTML else ()),
)

#: The implementation and its layer.
Key = tuple[str, str]

_WORST_LAST = ("skip", "pass", "inconclusive", "error", "fail")

_HEADING = re.compile(r"^(\w+): .*?(?: \(([\w-]+)\), (\d+) of (\d+) cases passed)?$", re.MULTILINE)


def disagreements(folder: Path) -> list[str]:
    """Say in what the reports of a run in a folder differ from the JSON report, or are not valid."""
    report = json.loads(_text(folder / "report.json"))
    found = [f"JSON: {error.message}" for error in Draft202012Validator(json.loads(schema())).iter_errors(report)]
    counts = _counts_of_json(report)
    total = sum(counts.values(), Counter[str]())
    rows = {key: _row(count) for key, count in counts.items()}
    expected: dict[str, tuple[Any, Any]] = {
        "summary of JSON": (
            {verdict: report["summary"][verdict] for verdict in _WORST_LAST},
            {verdict: total[verdict] for verdict in _WORST_LAST},
        ),
        "JUnit": (_counts_of_junit(_text(folder / "report.xml")), counts),
        "CSV": (_rows_of_csv(_text(folder / "report.csv")), rows),
        "Markdown": (_rows_of_markdown(_text(folder / "report.md")), rows),
        "feedback": (
            _rows_of_feedback(folder / "report.feedback"),
            Counter((layer, *row) for (_, layer), row in rows.items()),
        ),
    }
    if HAS_HTML:
        expected["HTML"] = _rows_of_html(_text(folder / "report.html")), rows
    return found + [f"{name}: {_difference(*pair)}" for name, pair in expected.items() if pair[0] != pair[1]]


def _counts_of_json(report: dict[str, Any]) -> dict[Key, Counter[str]]:
    counts: dict[Key, Counter[str]] = {}
    for result in report["results"]:
        if "smallest" not in result:
            counts.setdefault((result["implementation"], result["layer"]), Counter())[result["verdict"]] += 1
    return counts


def _counts_of_junit(text: str) -> dict[Key, Counter[str]]:
    """Count the test cases of each suite by outcome, and compare that with what its attributes say."""
    counts: dict[Key, Counter[str]] = {}
    for suite in ET.fromstring(text):
        for case in suite.iter("testcase"):
            name = case.get("classname", "")
            layer = suite.get("name", "").removeprefix(name).strip(" ()")
            outcome = next((child for child in case if child.tag != "system-out"), None)
            verdict = "pass" if outcome is None else outcome.get("type", "")
            counts.setdefault((name, layer), Counter())[verdict] += 1
        attributes = [suite.get(key) for key in ("tests", "failures", "errors", "skipped")]
        children = [len(suite.findall(f"testcase{kind}")) for kind in ("", "/failure", "/error", "/skipped")]
        assert attributes == [str(number) for number in children]
    return counts


def _rows_of_csv(text: str) -> dict[Key, tuple[str, ...]]:
    rows: dict[Key, tuple[str, ...]] = {}
    for row in csv.DictReader(io.StringIO(text, newline=""), strict=True):
        assert None not in row
        assert not [cell for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
        file = re.sub("^'(?=[-=+@])", "", row["file"])
        name = f"{file}:{row['implementation']}" if row["implementation"] else file
        rows[name, row["layer"]] = (row["verdict"], row["passed"], row["cases"])
    return rows


def _rows_of_markdown(text: str) -> dict[Key, tuple[str, ...]]:
    rendered = MarkdownIt("commonmark").enable("table").render(text)
    table = [row.split("<td>")[1:] for row in rendered.split("<tr>")]
    cells = [[html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in row] for row in table if row]
    return {(row[3], row[2]): (row[0].lower(), *row[1].split("/")) for row in cells}


class _Tables(HTMLParser):
    """The texts of the cells of each table, row by row, by its caption."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self._into: list[str] | None = None  # where text goes

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self._into = self.tables[-1][-1]
            self._into.append("")
        elif tag == "caption":
            self._into = self.captions
            self._into.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th", "caption"):
            self._into = None

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data


def _rows_of_html(text: str) -> dict[Key, tuple[str, ...]]:
    reader = _Tables()
    reader.feed(text)
    reader.close()
    tables = dict(zip(reader.captions, reader.tables, strict=True))
    rows = tables["Implementations"][1:]
    return {(name, layer): (verdict.lower(), *passed.split("/")) for verdict, passed, name, layer, *_ in rows}


def _rows_of_feedback(folder: Path) -> Counter[tuple[str, ...]]:
    rows: Counter[tuple[str, ...]] = Counter()
    for path in folder.iterdir():
        title, *blocks = _text(path).split("\n\n")
        assert title.startswith("Feedback of ")
        headings = [_HEADING.fullmatch(block) for block in blocks if not block.startswith((" ", "("))]
        rows.update((h[2] or "", h[1].lower(), h[3] or "0", h[4] or "1") for h in headings if h)
        assert all(headings)
        verdicts = [h[1].lower() for h in headings if h and h[1] != "skip"]
        counted = f": {verdicts.count('pass')} of {len(verdicts)} passed" if len(verdicts) > 1 else ".py"
        assert title.endswith(counted), title
    return rows


def _row(count: Counter[str]) -> tuple[str, str, str]:
    verdict = max(set(count) - {"skip"} or {"skip"}, key=_WORST_LAST.index)
    return verdict, str(count["pass"]), str(count.total() - count["skip"])


def _difference(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> str:
    keys = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
    return "; ".join(f"{key}: {one.get(key)} instead of {other.get(key)}" for key in keys)


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        return file.read()
