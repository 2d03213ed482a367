"""JUnit XML, read back by a parser."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from gradcheck_cli.results.result import SmallestFailure, Verdict
from tests.report.course import HOSTILE, course, hostile, made, report


def read(text: str) -> list[ET.Element]:
    """Return the test cases."""
    return list(ET.fromstring(text).iter("testcase"))


def test_there_is_a_test_case_for_each_case_and_its_outcome_is_the_verdict() -> None:
    results = course()
    cases = read(report("junit", results))
    outcomes = {Verdict.FAIL: "failure", Verdict.ERROR: "error", Verdict.INCONCLUSIVE: "error", Verdict.SKIP: "skipped"}
    assert len(cases) == len(results)
    by_name = {(case.get("classname"), case.get("name")): case for case in cases}
    for result in results:
        name = f"{result.case.label()} float64" if result.ran else "loading"
        case = by_name[result.implementation, name]
        assert case.get("time") == "0.250000"
        found = [child for child in case if child.tag != "system-out"]
        assert [child.tag for child in found] == ([outcomes[result.verdict]] if result.verdict in outcomes else [])
        for child in found:
            assert child.get("type") == result.verdict.value
            assert child.get("message") == result.headline


def test_a_failure_says_why_where_and_how_to_replay_it() -> None:
    cases = read(report("junit", course()))
    (wrong, *_) = [case[0] for case in cases if case.find("failure") is not None]
    assert wrong.text == (
        "dw is 2 times the derivative. Look for a contribution that is added twice. [factor]\n"
        "bob/layers.py:12, in conv_backward: dw += dw\n"
        "dw is wrong in 3 of 9 elements\n"
        "replay: convcheck bob/layers.py:conv_forward,conv_backward --N 3"
    )
    (raised,) = [case for case in cases if case.get("classname") == "cyd.py:f,g"]
    assert (raised.findtext("error") or "").splitlines() == [
        "g raised IndexError: 7",
        "is out of bounds",
        'File "layers.py", line 3, in g',
        "replay: convcheck cyd.py:f,g --N 2",
    ]
    assert raised.findtext("system-out") == "printed"


def test_suites_are_implementations_with_their_counts() -> None:
    root = ET.fromstring(report("junit", course()))
    counts = {suite.get("name"): [suite.get(n) for n in ("tests", "failures", "errors", "skipped")] for suite in root}
    assert counts == {
        "ada/layers.py:conv_forward,conv_backward (conv)": ["3", "0", "0", "1"],
        "ada/layers.py:affine_forward,affine_backward (affine)": ["1", "0", "0", "0"],
        "bob/layers.py:conv_forward,conv_backward (conv)": ["4", "3", "0", "0"],
        "cyd.py:f,g (conv)": ["1", "0", "1", "0"],
        "dan.py:f,g (conv)": ["1", "0", "1", "0"],
        "eve.py": ["1", "0", "1", "0"],
    }
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["11", "3", "3", "1"]
    properties = {one.get("name"): one.get("value") for one in root[0].iter("property")}
    assert properties == {"seed": "7", "gradcheck": "1.2", "python": "3.4", "numpy": "5.6"}


def test_hostile_text_stays_text() -> None:
    cases = read(report("junit", hostile()))
    legal = HOSTILE.replace("\x1b", "\ufffd").replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    legal = legal.replace("\ufffe", "\ufffd")
    assert [case.get("classname") for case in cases] == [legal, f"other {legal}"]
    assert [child.tag for case in cases for child in case] == ["failure", "system-out", "error", "system-out"]
    for case in cases:
        assert legal.replace("\r\n", "\n") in (case[0].text or "").replace("\r\n", "\n")


def test_the_smallest_failing_case_is_not_counted_but_shown() -> None:
    drawn, smallest = made(Verdict.FAIL, "a.py", 4), made(Verdict.FAIL, "a.py", 1)
    smallest = replace(smallest, smallest=SmallestFailure(failures=1, note=None))
    root = ET.fromstring(report("junit", [drawn, smallest], random=True))
    assert root.get("tests") == "1"
    assert "convcheck a.py --N 1" in (root[0].findtext("system-out") or "")


def test_many_failures_are_no_burden() -> None:
    text = report("junit", [made(Verdict.FAIL, "a.py", size) for size in range(1, 2001)])
    assert len(text) < 2_000_000
    assert len(read(text)) == 2000
