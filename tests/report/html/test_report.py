"""The HTML report, read back by a parser: what is in it, and that user text is text in it."""

from __future__ import annotations

import base64
import gc
import hashlib
import io
import re
import weakref
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.html.report import HtmlReport, outcome
from gradcheck_cli.results.result import Arrays, SmallestFailure, WorstElement
from tests.conftest import report_of
from tests.report.course import DOUBLED, HOSTILE, course, hostile, made, report, run_of
from tests.report.html.document import Element, parse

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli import CaseResult
    from gradcheck_cli.results.result import ArrayResult
    from tests.conftest import LayerFile, Program

ONE = "bob/layers.py:conv_forward,conv_backward"


def written(results: list[CaseResult], **more: Any) -> Element:
    return parse(report("html", results, **more))


def wrong_arrays(size: int, seed: int = 0) -> Arrays:
    source = np.random.default_rng(seed)
    numeric = source.normal(size=(size, size, 5, 5))
    wrong = source.random(numeric.shape) < 0.4
    wrong.flat[0] = True
    error = 10.0 ** source.uniform(-9, 2, numeric.shape)
    return Arrays(
        analytic=np.where(wrong, numeric + error, numeric), numeric=numeric, error_bound=np.zeros(()), wrong=wrong
    )


def with_arrays(result: CaseResult, arrays: Arrays) -> CaseResult:
    """Return the result with three arrays that have elements."""
    worst = WorstElement(index=(0, 0, 0, 0), analytic=1.25, numeric=1.0, error_bound=1e-15)
    shape = arrays.wrong.shape
    (known,) = result.gradients.values()

    def array(name: str) -> ArrayResult:
        numbers: dict[str, Any] = {"shape": shape, "expected_shape": shape, "worst": worst, "arrays": arrays}
        return replace(known, name=name, max_rel_error=0.1, max_abs_error=0.25, scaled_error=1e15, **numbers)

    return replace(result, gradients={name: array(name) for name in ("dx", "dw", "db")})


def test_a_page_needs_nothing_else_and_may_load_nothing_else() -> None:
    for results in (course(), course()[:1], hostile(), []):
        page = written(results)
        policy = {
            name: sources
            for meta in page.all("meta")
            if meta.attributes.get("http-equiv") == "Content-Security-Policy"
            for name, _, sources in (part.partition(" ") for part in meta.attributes["content"].split("; "))
        }
        assert policy["default-src"] == "'none'"
        for name in ("style", "script"):
            digest = base64.b64encode(hashlib.sha256(page.one(name).text.encode()).digest()).decode()
            assert policy[f"{name}-src"] == f"'sha256-{digest}'"
        assert "url(" not in page.one("style").text
        assert "@import" not in page.one("style").text
        for element in page:
            assert not [name for name in element.attributes if name.startswith("on") or name in ("style", "src")]
            assert re.match("#|data:", element.attributes.get("href", "#"))


def test_the_structure_can_be_read_aloud() -> None:
    for results, more in ((course(), {}), (course()[4:8], {"surveyed": False})):
        page = written(results, **more)
        assert page.one("html").attributes["lang"] == "en"
        headings = [int(one.name[1]) for one in page if re.fullmatch(r"h\d", one.name)]
        assert headings[0] == 1
        assert headings.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(headings))
        for table in page.all("table"):
            assert table.one("caption").text
            assert {head.attributes["scope"] for head in table.all("th")} <= {"col", "row"}
        for svg in page.all("svg"):
            assert svg.attributes["aria-label"]
        targets = [one.attributes["id"] for one in page if "id" in one.attributes]
        assert len(targets) == len(set(targets))
        links = {link.attributes["href"] for link in page.all("a")}
        assert links
        assert links <= {f"#{target}" for target in targets}


def test_a_course_has_a_row_for_each_implementation_and_a_matrix_of_files_and_layers() -> None:
    page = written(course())
    assert page.one("h1").text == "FAIL 4 of 6 implementations did not pass"
    rows, matrix = (table.rows() for table in page.all("table", "sortable"))
    assert [row[:4] for row in rows] == [
        ["FAIL", "1/4", ONE, "conv"],
        ["ERROR", "0/1", "eve.py", ""],
        ["ERROR", "0/1", "cyd.py:f,g", "conv"],
        ["INCONCLUSIVE", "0/1", "dan.py:f,g", "conv"],
        ["pass", "1/1", "ada/layers.py:affine_forward,affine_backward", "affine"],
        ["pass", "2/2", "ada/layers.py:conv_forward,conv_backward", "conv"],
    ]
    assert [row[5] for row in rows] == ["1 2", "3", "4", "5", "", ""]
    assert matrix == [
        ["ada/layers.py", "", "pass", "pass"],
        ["bob/layers.py", "", "", "FAIL"],
        ["cyd.py", "", "", "ERROR"],
        ["dan.py", "", "", "INCONCLUSIVE"],
        ["eve.py", "ERROR", "", ""],
    ]
    counts = "11 cases: 4 passed, 3 failed, 1 inconclusive, 2 raised, 1 skipped in 1.50 s"
    assert counts in [fact.text for fact in page.one("header").all("dd")]


def test_each_distinct_failure_is_described_once_by_its_simplest_case() -> None:
    page = written(course())
    articles = page.all("article")
    titles = [article.one("h3").text for article in articles]
    assert f"FAIL {ONE}: dw is 2 times the derivative" in titles
    assert len(titles) == len(set(titles)) == 5
    (doubled,) = [one for one in articles if "2 times" in one.one("h3").text]
    assert doubled.one("div", "command").one("code").text == f"convcheck {ONE} --N 2"
    assert "1 more case fails this way" in doubled.text
    assert "Look for a contribution that is added twice. factor" in doubled.one("p", "cause").text
    assert doubled.one("p", "place").text == "bob/layers.py:12 in conv_backward"
    assert doubled.one("pre", "statement").text == "dw += dw"


def test_a_single_implementation_has_a_row_for_each_case_that_leads_to_its_failure() -> None:
    raised = {"reason": "g raised IndexError", "traceback": 'File "layers.py", line 3, in g'}
    unexplained = made(Verdict.FAIL, ONE, 8)
    page = written([*course()[4:8], made(Verdict.ERROR, ONE, 7, **raised), unexplained], surveyed=False)
    assert page.one("h1").text == "FAIL 5 of 6 cases did not pass"
    rows = page.one("table", "sortable").rows()
    assert [row[0] for row in rows] == ["FAIL", "FAIL", "FAIL", "pass", "ERROR", "FAIL"]
    assert [row[-1] for row in rows] == ["1", "1", "2", "", "3", "1"]
    articles = page.all("article")
    assert "2 more cases fail this way; in 1 of them: no cause was found" in articles[0].text
    assert "missing" in articles[1].one("h3").text
    assert "IndexError" in articles[2].one("h3").text


def test_hostile_text_is_text() -> None:
    for results in (hostile(), hostile()[:1]):
        whole = report("html", results, surveyed=len(results) > 1, argv=(HOSTILE,))
        page = parse(whole)
        assert len(page.all("script")) == 1
        assert "<script>alert(1)</script>" in page.one("main").text
        assert "</details> @everyone #1 https://evil.test" in page.one("main").text
        whole.encode()
        assert not re.search("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", whole)
        article = page.all("article")[0]
        assert "\\x1b[31m" in article.one("div", "command").text
        assert "\\u202e" in article.one("pre", "statement").text


def test_numbers_are_those_of_the_json_report(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer = layer_file(("range(dout.shape[2])", "range(dout.shape[2] - 1)"), ("return dx", "return 2 * dx")).name
    run = convcheck(layer, "--N", "1,2", "--stride", "1,2", "--dtype", "float32", "--html", "a.html", "--json", "-")
    page, data = parse((tmp_path / "a.html").read_text(encoding="utf-8")), report_of(run)
    results = data["results"]
    rows = page.one("table", "sortable").one("tbody").all("tr")
    assert len(rows) == len(results) == data["summary"]["cases"] == 4
    for row, result in zip(rows, results, strict=True):
        cells = row.all("td")
        worst = result["gradients"][cells[3].text] if cells[3].text != "out" else result["forward"]
        assert cells[0].text.lower() == result["verdict"]
        assert float(cells[4].attributes["data-value"]) == worst["scaled_error"]
        assert float(cells[5].attributes["data-value"]) == result["seconds"]
        assert cells[6].text == (result["reason"] or "")
    for article in page.all("article"):
        (shown,) = [one for one in results if one["command"] == article.one("div", "command").one("code").text]
        for row in article.one("table", "arrays").one("tbody").all("tr"):
            name, cells = row.one("th").text, row.all("td")
            array = shown["forward"] if name == "out" else shown["gradients"][name]
            assert (cells[1].text.lower(), cells[10].text) == (array["verdict"], array["method"])
            assert float(cells[3].text) == pytest.approx(array["scaled_error"], rel=0.06, abs=0.05)  # 1e+15, or 0.4
            assert [float(cells[k].text) for k in (2, 4, 5, 7, 8, 9, 11)] == pytest.approx(
                [
                    *(array["max_rel_error"], array["tolerance"], array["max_abs_error"]),
                    *(array["worst"]["analytic"], array["worst"]["numeric"], array["worst"]["error_bound"]),
                    array["evaluations"],
                ],
                rel=0.06,
            )
            assert cells[6].text == ",".join(map(str, array["worst"]["index"]))
        assert article.all("figure", "map")
        assert article.all("figure", "chart")
    assert (run.returncode, page.one("title").text) == (1, "All 4 cases failed - convcheck")


@pytest.mark.long
def test_a_thousand_failing_cases_stay_small() -> None:
    drawn = [wrong_arrays(3, seed) for seed in range(7)]

    def failing(number: int, implementation: str) -> CaseResult:
        cause = replace(
            DOUBLED, code=f"cause-{number % 50}", text=f"Fault {number % 50} of many. " + "Look again. " * 9
        )
        result = made(Verdict.FAIL, implementation, 2 + number % 7, diagnosis=(cause,))
        return with_arrays(result, drawn[number % 7])

    for students, failures in ((1, 50), (200, 1000)):
        names = [f"student-{number * students // 1000}.py:f,g" for number in range(1000)]
        whole = report("html", [failing(number, name) for number, name in enumerate(names)], surveyed=students > 1)
        assert len(whole.encode()) < 5e6
        assert whole.count("<article") == failures
        maps = whole.count('<figure class="map"')
        assert maps > 100
        assert (maps == 3 * failures) == (students == 1)
        assert ("to keep this file small" in whole) == (students > 1)


def test_only_arrays_that_are_drawn_are_kept() -> None:
    html = HtmlReport(run_of([])[0], io.StringIO(), DisplayOptions())
    alive = []
    for number in range(20):
        arrays = wrong_arrays(3, number)
        alive.append(weakref.ref(arrays.analytic))
        html.add(with_arrays(made(Verdict.FAIL, ONE, 9 - number % 4), arrays))
        del arrays
    gc.collect()
    assert sum(one() is not None for one in alive) == 1


def test_random_cases_are_counted_and_the_smallest_is_shown() -> None:
    smallest = SmallestFailure(failures=3, note="there may be a smaller one")
    results = [
        *(made(Verdict.FAIL, ONE, size, reason="dw is missing") for size in (7, 8, 9)),
        made(Verdict.FAIL, ONE, 2, reason="dw is missing", smallest=smallest),
    ]
    page = written(results, surveyed=False, random=True)
    assert page.one("h1").text == "FAIL All 3 cases failed"
    assert len(page.one("table", "sortable").rows()) == 3
    assert f"convcheck {ONE} --N 2" in page.one("article").text
    assert "3 cases that fail this way" in page.one("article").text
    assert "there may be a smaller one" in page.one("article").text


def test_a_pass_is_short() -> None:
    page = written([made(Verdict.PASS, ONE)], surveyed=False)
    assert page.one("h1").text == "pass The only case passed"
    assert page.all("article") == []


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({Verdict.PASS: 12}, "All 12 cases passed"),
        ({Verdict.PASS: 9, Verdict.FAIL: 3}, "3 of 12 cases failed"),
        ({Verdict.PASS: 9, Verdict.FAIL: 2, Verdict.ERROR: 1, Verdict.SKIP: 4}, "3 of 12 cases did not pass"),
        ({Verdict.PASS: 3, Verdict.INCONCLUSIVE: 1}, "1 of 4 cases is inconclusive"),
        ({Verdict.PASS: 3, Verdict.INCONCLUSIVE: 2}, "2 of 5 cases are inconclusive"),
        ({Verdict.ERROR: 1}, "The only case raised"),
        ({Verdict.FAIL: 4}, "All 4 cases failed"),
        ({Verdict.SKIP: 4}, "No case was checked"),
        ({}, "No case was checked"),
    ],
)
def test_the_title_sums_up(counts: dict[Verdict, int], words: str) -> None:
    assert outcome("case", counts) == words


def test_a_case_without_a_layer_is_shown() -> None:
    assert written([one for one in course() if not one.ran]).one("h1").text == "ERROR The only implementation raised"
    assert ConvCase().label() not in written(course()[-1:]).one("main").text
