"""The report for people, to the letter: what is shown of each kind of result, narrow and wide."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli import CaseResult, ConvCase, Verdict
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.table import TableReport
from gradcheck_cli.results.result import (
    ArrayResult,
    Diagnosis,
    Picture,
    Place,
    Repetition,
    SmallestFailure,
    WorstElement,
    WrongElements,
)
from gradcheck_cli.results.run import Run, Summary

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

CASE = ConvCase(N=2, C=3, H=7, W=7, F=4, stride=2)
NO_FIGURES: dict[str, Any] = dict.fromkeys(("max_rel_error", "max_abs_error", "scaled_error", "worst", "wrong"))


def array(name: str, index: tuple[int, ...], value: float, roundings: float, method: str = "dense") -> ArrayResult:
    """Make the result of an array that is right."""
    shape = {"out": (2, 4, 4, 4), "dx": (2, 3, 7, 7), "dw": (4, 3, 3, 3), "db": (4,)}[name]
    return ArrayResult(
        name=name,
        verdict=Verdict.PASS,
        reason=None,
        shape=shape,
        expected_shape=shape,
        dtype="float64",
        max_rel_error=2e-15 if roundings else 0.0,
        max_abs_error=3e-14 if roundings else 0.0,
        scaled_error=roundings,
        floor=None,
        tolerance=100.0,
        worst=WorstElement(index=index, analytic=value, numeric=value, error_bound=2.5e-15),
        wrong=WrongElements(count=0, of=math.prod(shape), where=None),
        method=method,
        evaluations=30 if method == "dense" else 1,
    )


OUT = array("out", (1, 2, 3, 3), -3.25, 0, "built-in")
DX = array("dx", (1, 2, 6, 3), 12.3456789, 0.75)
DW = array("dw", (0, 0, 0, 0), -0.0625, 99.96)
DB = array("db", (3,), 3.5e9, 0.04)


def made(verdict: Verdict, *gradients: ArrayResult, forward: ArrayResult | None = OUT, **more: Any) -> CaseResult:
    known: dict[str, Any] = {
        "implementation": "layers.py:f,g",
        "layer": "conv",
        "case": CASE,
        "reason": "; ".join(gradient.reason for gradient in gradients if gradient.reason) or None,
        "command": "convcheck layers.py:f,g --N 2",
    }
    by_name = {gradient.name: gradient for gradient in gradients}
    return CaseResult(verdict=verdict, forward=forward, gradients=by_name, **{**known, **more})


PASSED = made(Verdict.PASS, DX, DW, DB)
WRONG_VALUE = made(
    Verdict.FAIL,
    replace(
        DX,
        verdict=Verdict.FAIL,
        reason="dx is wrong in 14 of 294 elements",
        max_rel_error=1.0,
        max_abs_error=3.25,
        scaled_error=4.1e15,
        worst=WorstElement(index=(0, 1, 6, 3), analytic=0.0, numeric=3.25, error_bound=1e-15),
    ),
    DW,
    DB,
)
WRONG_SHAPE = made(
    Verdict.FAIL,
    replace(
        DX,
        verdict=Verdict.FAIL,
        reason="dx has shape (2, 3, 5, 5) instead of (2, 3, 7, 7)",
        shape=(2, 3, 5, 5),
        **NO_FIGURES,
    ),
    DW,
    replace(DB, verdict=Verdict.FAIL, reason="db is missing", shape=None, dtype=None, **NO_FIGURES),
)
RAISED = made(
    Verdict.ERROR,
    *(
        replace(gradient, verdict=Verdict.ERROR, reason="was not checked", shape=None, **NO_FIGURES)
        for gradient in (DX, DW, DB)
    ),
    reason="g raised IndexError: index 7 is out of bounds",
    traceback=(
        "Traceback (your code only):\n"
        '  File "layers.py", line 3, in g\n'
        "    return x[7]\n"
        "IndexError: index 7 is out of bounds"
    ),
)
UNDECIDED = made(
    Verdict.INCONCLUSIVE,
    DX,
    replace(
        DW,
        verdict=Verdict.INCONCLUSIVE,
        reason="dw could not be decided in 2 of 108 elements: forward is too rough there",
        max_rel_error=math.nan,
        max_abs_error=math.nan,
        scaled_error=math.nan,
        worst=WorstElement(index=(0, 0, 0, 0), analytic=0.125, numeric=math.nan, error_bound=math.inf),
    ),
    DB,
)
SKIPPED = made(
    Verdict.SKIP,
    forward=None,
    case=ConvCase(H=1, HH=9),
    reason="the kernel's height of 9 does not fit into the padded height of 3",
)


def shown(*results: CaseResult, interrupted_at: int | None = None, **look: Any) -> str:
    """Return what is printed of these results. Blanks at the ends of lines cannot be seen, and do not count."""
    stream = io.StringIO()
    run = Run(program="convcheck", argv=(), seed=0, cases=interrupted_at or len(results), versions={})
    report = TableReport(run, stream, DisplayOptions(**{"width": 80, **look}))
    for result in results:
        report.add(result)
    verdicts = (result.verdict for result in results)
    report.finish(Summary.of(verdicts, seconds=1.234, interrupted=interrupted_at is not None))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())


def figures(result: CaseResult, name: str) -> list[str]:
    """Return what a table of 100 columns shows as analytic and as numeric."""
    row = next(line for line in shown(result, width=100).splitlines() if line.startswith(f"{name}  "))
    return row.split()[5:7]


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", ["PASSED", "WRONG_VALUE", "WRONG_SHAPE", "RAISED", "UNDECIDED"])
def test_a_case_alone(name: str, width: int, snapshot: SnapshotAssertion) -> None:
    assert shown(globals()[name], width=width) == snapshot


def test_an_error_before_there_was_any_output() -> None:
    lines = shown(replace(RAISED, forward=None)).splitlines()
    assert lines[1] == "ERROR 2x3x7x7 * 4x3x3x3 stride 2 pad 1, float64"


@pytest.mark.parametrize("width", [80, 140])
def test_a_skip_alone(width: int) -> None:
    assert shown(SKIPPED, width=width).splitlines()[:3] == [
        "layers.py:f,g, seed 0",
        "skip 4x3x1x5 * 2x3x9x3 stride 1 pad 1, float64",
        "the kernel's height of 9 does not fit into the padded height of 3",
    ]


def test_a_run(snapshot: SnapshotAssertion) -> None:
    other = replace(PASSED, implementation="other.py:f,g")
    assert shown(PASSED, SKIPPED, WRONG_VALUE, RAISED, other, SKIPPED) == snapshot


def test_a_line_of_a_failure_tells_what_is_wrong_and_the_codes() -> None:
    wrong = replace(WRONG_SHAPE, diagnosis=(Diagnosis(code="crop-empty", text="dx is empty. Crop it."),))
    lines = shown(PASSED, wrong, RAISED, SKIPPED, width=140).splitlines()
    assert [line.partition("float64")[2].strip() for line in lines[1:5]] == [
        "",
        "dx, db [crop-empty]",
        "g raised IndexError",
        "",
    ]


@pytest.mark.parametrize("dtype", ["float16", "longdouble"])
@pytest.mark.parametrize("more", [{}, {"pad": (0, 1), "dilation": (1, 2)}], ids=["short", "long"])
def test_blanks_keep_the_words_of_a_line_apart(dtype: str, more: dict[str, Any]) -> None:
    case = replace(CASE, dtype=dtype, **more)
    row = shown(replace(PASSED, case=case), PASSED).splitlines()[1]
    assert row.split() == ["pass", *case.label().split(), dtype]


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([PASSED] * 3, "3 cases passed in 1.23 s; at worst 100.0 eps off (dw), 100 allowed"),
        ([PASSED, SKIPPED], "2 cases: 1 passed, 1 skipped in 1.23 s; at worst 100.0 eps off (dw), 100 allowed"),
        ([PASSED, WRONG_VALUE, WRONG_SHAPE], "3 cases: 1 passed, 2 failed in 1.23 s"),
        ([RAISED, RAISED], "2 cases raised in 1.23 s"),
        ([PASSED, UNDECIDED], "2 cases: 1 passed, 1 inconclusive in 1.23 s"),
        ([SKIPPED, SKIPPED], "2 cases skipped in 1.23 s"),
    ],
    ids=["passes", "a skip", "failures", "errors", "undecided", "skips"],
)
def test_the_summary(results: list[CaseResult], said: str) -> None:
    assert shown(*results).splitlines()[-1] == said


def test_quiet_is_a_line_for_each_implementation_with_its_cause_the_worst_last() -> None:
    worse = replace(WRONG_VALUE, implementation="worse.py:f,g")
    assert shown(worse, PASSED, PASSED, SKIPPED, quiet=True).splitlines() == [
        "pass 2/2 layers.py:f,g",
        f"FAIL 0/1 worse.py:f,g: {WRONG_VALUE.reason}",
    ]
    assert shown(PASSED, RAISED, quiet=True) == f"ERROR 1/2 layers.py:f,g: {RAISED.reason} (in 1 of 2 cases)\n"
    other = replace(PASSED, layer="relu")
    assert shown(PASSED, other, quiet=True) == "pass 1/1 layers.py:f,g (conv)\npass 1/1 layers.py:f,g (relu)\n"


def test_the_summary_of_an_interrupted_run() -> None:
    assert shown(PASSED, interrupted_at=5, quiet=True) == (
        "pass 1/1 layers.py:f,g\n"
        "interrupted after 1 of 5 cases: 1 passed in 1.23 s; at worst 100.0 eps off (dw), 100 allowed\n"
    )
    assert shown(interrupted_at=5, quiet=True) == "interrupted after 0 of 5 cases in 1.23 s\n"


def test_a_case_can_be_shown_alone() -> None:
    worse = replace(PASSED, gradients={"dx": replace(DX, scaled_error=99.99)}, implementation="worse.py:f,g")
    assert shown(PASSED, worse, SKIPPED, show="worst").startswith("worse.py:f,g, seed 0\npass 2x3x7x7 ")
    assert shown(WRONG_VALUE, UNDECIDED, RAISED, PASSED, show="worst").splitlines()[1].startswith("FAIL 2x3x7x7 ")
    assert shown(PASSED, RAISED, UNDECIDED, show="worst").splitlines()[1].startswith("ERROR 2x3x7x7 ")


def test_digits_are_added_until_two_values_differ() -> None:
    dw = replace(
        DW,
        verdict=Verdict.FAIL,
        reason="dw is wrong in 1 of 108 elements",
        worst=WorstElement(index=(0, 0, 0, 0), analytic=1.23456789012, numeric=1.23456789014, error_bound=1e-15),
    )
    assert figures(made(Verdict.FAIL, DX, dw, DB), "dw") == ["1.23456789012", "1.23456789014"]


def test_equal_values_get_no_more_digits_than_others() -> None:
    worst = WorstElement(index=(0, 0, 0, 0), analytic=1 / 3, numeric=1 / 3, error_bound=1e-3)
    dw = replace(DW, verdict=Verdict.INCONCLUSIVE, reason="dw could not be decided", worst=worst)
    assert figures(made(Verdict.INCONCLUSIVE, DX, dw, DB), "dw") == ["0.333333", "0.333333"]


@pytest.mark.parametrize("color", [False, True])
def test_what_looks_like_markup_is_printed_as_it_is(*, color: bool) -> None:
    odd = "[/foo] [bold]x[/bold] :smile: \\["
    dx = replace(DX, verdict=Verdict.FAIL, reason=f"dx {odd}")
    wrong = made(Verdict.FAIL, dx, DW, DB, implementation=odd, command=odd)
    raised = replace(RAISED, reason=odd, traceback=odd, implementation=odd)
    skipped = replace(SKIPPED, reason=odd)
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(wrong, raised, skipped, width=140, color=color))
    for words in (f"{odd}, seed 0\n", f"\ndx {odd}\n", f"\nreplay: {odd}\n", f"skipped 1: {odd}\n"):
        assert words in text
    assert f"\n{odd}\n{odd}\n" in text


LAST_ROW = Picture(index=(0, 1), levels=((0, 0, 0), (0, 1, 2), (3, 4, 4)), block=(1, 1))
WIDE = Picture(index=(), levels=(tuple(k % 5 for k in range(30)),), block=(2, 3))
ILLUSTRATED = made(
    Verdict.FAIL,
    replace(WRONG_VALUE.gradients["dx"], picture=LAST_ROW),
    replace(DW, verdict=Verdict.FAIL, reason="dw is wrong in 1 of 108 elements", picture=WIDE),
    DB,
)


def test_pictures_stand_side_by_side_between_the_reasons_and_the_table() -> None:
    lines = shown(ILLUSTRATED).splitlines()
    first = lines.index("dw is wrong in 1 of 108 elements") + 1
    assert lines[first : first + 6] == [
        "dx[0, 1] error, worst slice   dw error, 2x3 elements a character",
        "┌──────┐                      ┌──────────────────────────────┐",
        "│      │                      │ ░▒▓█ ░▒▓█ ░▒▓█ ░▒▓█ ░▒▓█ ░▒▓█│",
        "│  ░░▒▒│                      └──────────────────────────────┘",
        "│▓▓████│",
        "└──────┘",
    ]
    assert " ".join(lines[first + 6].split()) == "shape rel error eps off worst at analytic numeric verdict"


def test_pictures_stand_below_each_other_where_there_is_no_room() -> None:
    lines = shown(ILLUSTRATED, width=60).splitlines()
    assert "dx[0, 1] error, worst slice" in lines
    assert "dw error, 2x3 elements a character" in lines


def test_pictures_are_ascii_where_the_stream_is() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="latin-1")
    report = TableReport(
        Run(program="convcheck", argv=(), seed=0, cases=1, versions={}), stream, DisplayOptions(width=80)
    )
    report.add(ILLUSTRATED)
    report.finish(Summary.of([Verdict.FAIL], seconds=1))
    stream.flush()
    text = raw.getvalue().decode("latin-1")
    assert "|  ..::|" in text
    assert "|**####|" in text
    assert "+------+" in text


def test_pictures_of_right_and_of_undrawn_arrays_take_no_line() -> None:
    assert "worst slice" not in shown(WRONG_VALUE)


def test_random_cases_that_fail_are_reported_by_their_smallest() -> None:
    def of(result: CaseResult, alike: int, note: str | None) -> CaseResult:
        return replace(result, smallest=SmallestFailure(failures=alike, note=note))

    stream = io.StringIO()
    run = Run(program="convcheck", argv=(), seed=0, cases=4, random=True, versions={})
    report = TableReport(run, stream, DisplayOptions(show="failed", width=100))
    undecided = replace(WRONG_VALUE, verdict=Verdict.INCONCLUSIVE)
    for result in (PASSED, WRONG_VALUE, RAISED, WRONG_VALUE, of(WRONG_VALUE, 2, None), of(RAISED, 1, "not shrunk")):
        report.add(result)
    report.add(of(undecided, 3, None))
    verdicts = {Verdict.PASS: 1, Verdict.FAIL: 2, Verdict.ERROR: 1}
    report.finish(Summary(counts=verdicts, seconds=1.0))
    lines = stream.getvalue().splitlines()
    assert [
        line.split()[0] for line in lines if line.startswith(("FAIL 2x", "ERROR 2x", "INCON", "  FAIL", "  ERROR"))
    ] == [
        "INCONCLUSIVE",
        "ERROR",
        "FAIL",
    ]
    assert [line for line in lines if line.startswith("the smallest")] == [
        "the smallest found of 3 cases that are undecided this way",
        "the smallest found of 1 case that fails this way; not shrunk",
        "the smallest found of 2 cases that fail this way",
    ]
    assert not any(line.startswith("and ") for line in lines)
    assert lines[-1] == "4 cases: 1 passed, 2 failed, 1 raised in 1.00 s"


def test_a_run_that_was_stopped_says_after_how_many_cases() -> None:
    stream = io.StringIO()
    run = Run(program="convcheck", argv=(), seed=0, cases=9, versions={})
    report = TableReport(run, stream, DisplayOptions(quiet=True, width=100))
    report.add(WRONG_VALUE)
    report.finish(Summary(counts={Verdict.FAIL: 1}, seconds=1.0, stopped=True))
    assert stream.getvalue().splitlines()[-1] == "stopped early after 1 of 9 cases: 1 failed in 1.00 s"


def causes(result: CaseResult, *codes: str, text: str = "Because of {}. Do not.") -> CaseResult:
    return replace(result, diagnosis=tuple(Diagnosis(code=code, text=text.format(code)) for code in codes))


def test_many_cases_with_one_fault_are_one_report_and_one_line_at_the_end() -> None:
    wrong = causes(WRONG_VALUE, "crop-empty")
    smaller = replace(wrong, case=ConvCase(N=1, C=3, H=7, W=7, F=4, stride=2))
    lines = shown(*[wrong] * 300, smaller, *[PASSED] * 140, show="findings").splitlines()
    assert lines[:4] == [
        "layers.py:f,g, seed 0",
        "FAIL 1x3x7x7 * 4x3x3x3 stride 2 pad 1 -> 2x4x4x4, float64",
        "Because of crop-empty. Do not. [crop-empty]",
        "dx is wrong in 14 of 294 elements",
    ]
    assert lines[-4:] == [
        "and 300 more cases fail this way",
        "",
        "FAIL Because of crop-empty [crop-empty] (301 of 441 cases)",
        "441 cases: 140 passed, 301 failed in 1.23 s",
    ]
    assert len(lines) < 24


def test_two_faults_are_two_reports_and_the_worst_comes_last() -> None:
    crop, missed = causes(WRONG_VALUE, "crop-empty"), causes(WRONG_VALUE, "last-windows-missed")
    text = shown(*[crop] * 3, *[missed] * 2, RAISED, show="findings")
    assert re.findall(r"^(?:FAIL|ERROR) .*\)$|^and .*|^replay", text, re.MULTILINE) == [
        "replay",
        "replay",
        "and 1 more case fails this way",
        "replay",
        "and 2 more cases fail this way",
        "ERROR g raised IndexError: index 7 is out of bounds (1 of 6 cases)",
        "FAIL Because of last-windows-missed [last-windows-missed] (2 of 6 cases)",
        "FAIL Because of crop-empty [crop-empty] (3 of 6 cases)",
    ]
    assert text.count("layers.py:f,g, seed 0") == 1
    assert text.count("eps off:") == 1  # explained once


def test_a_report_shows_the_fault_in_small_geometries() -> None:
    text = shown(*[causes(WRONG_VALUE, "last-windows-missed")] * 4, causes(WRONG_VALUE, "zero"), show="findings")
    assert "and 4 more cases fail this way\nin 1 of them: Because of zero [zero]\n" in text
    assert "(5 of 5 cases)" in text


def test_a_passing_run_takes_three_lines() -> None:
    passed = replace(PASSED, understood="f(x, w, b) and g(dout, cache)")
    assert shown(*[passed] * 13, show="findings").splitlines() == [
        "layers.py:f,g, seed 0",
        "understood as f(x, w, b) and g(dout, cache)",
        "13 cases passed in 1.23 s; at worst 100.0 eps off (dw), 100 allowed",
    ]


def test_the_place_of_a_fault_stands_below_its_cause() -> None:
    place = Place(file="layers.py", line=41, function="g", statement="dx = dx[:, :, p:-p]")
    lines = shown(replace(causes(WRONG_VALUE, "crop-empty"), place=place), width=100).splitlines()
    assert lines[3] == "at layers.py:41, in g: dx = dx[:, :, p:-p]"
    (line,) = (
        line for line in shown(replace(WRONG_VALUE, place=replace(place, statement=None))).splitlines() if "41" in line
    )
    assert line == "at layers.py:41, in g"


def test_arrays_that_are_wrong_everywhere_are_named_in_one_line() -> None:
    wrong = [
        replace(one, verdict=Verdict.FAIL, reason=f"{one.name} is wrong in 8 of 8 elements: everywhere")
        for one in (DX, DB)
    ]
    dw = replace(DW, verdict=Verdict.FAIL, reason="dw is wrong in 8 of 81 elements: everywhere")
    assert shown(made(Verdict.FAIL, wrong[0], dw, wrong[1])).splitlines()[2:4] == [
        "dx and db are wrong everywhere",
        "dw is wrong in 8 of 81 elements: everywhere",
    ]


def test_of_several_arrays_without_a_cause_the_summary_has_the_names() -> None:
    wrong = [replace(one, verdict=Verdict.FAIL, reason=f"{one.name} is off{' and off' * 9}") for one in (DX, DB)]
    assert shown(made(Verdict.FAIL, *wrong)).splitlines()[-2] == "FAIL dx and db are wrong"
    caused = causes(made(Verdict.FAIL, *wrong), "zero")
    assert shown(caused).splitlines()[-2] == "FAIL Because of zero [zero]"


def test_the_term_of_the_table_is_explained_where_something_is_wrong_and_shown() -> None:
    (said,) = (line for line in shown(WRONG_VALUE).splitlines() if line.startswith("eps off: "))
    assert "100" in said
    assert shown(PASSED, WRONG_VALUE, WRONG_VALUE, verbose=True).count("eps off: ") == 1
    for text in (shown(PASSED), shown(WRONG_VALUE, width=50), shown(RAISED)):
        assert "eps off:" not in text


def test_many_calls_are_counted_on_a_pass_and_say_what_they_may_have_missed() -> None:
    many = Repetition(calls=50, different=0, rate=0.1, missed=0.9**50)
    repeated = replace(PASSED, repetition=many)
    risk = "a fault in 1 of 10 calls is missed with probability 0.0052"
    assert shown(repeated, width=200).splitlines()[-1].endswith(f"; each called 50 times more: {risk}")
    assert f"called 50 times more, different 0 times: {risk}" in shown(repeated, verbose=True, width=200)
    assert "times more" not in shown(PASSED, verbose=True) + shown(WRONG_VALUE, replace(WRONG_VALUE, repetition=many))


@pytest.mark.parametrize("width", [50, 60, 79])
def test_narrow_tables_have_fewer_columns_and_nothing_is_cut(width: int) -> None:
    long = "Because of a rather long reason that has to be wrapped at its words and not in between. Do not."
    wrong = causes(ILLUSTRATED, "crop-empty", text=long)
    lines = shown(wrong, PASSED, UNDECIDED, width=width, show="findings").splitlines()
    assert max(len(line) for line in lines if not line.startswith("replay: ")) <= width
    assert "…" not in "".join(lines)
    assert " ".join(lines).count("12.3457") == 2  # of a right array, analytic and numeric
    (head, *_) = (line for line in lines if line.endswith("verdict"))
    assert head.split()[-3:] == ["analytic", "numeric", "verdict"]
    assert long in " ".join(lines)


def test_names_too_long_for_a_line_are_broken_and_whole() -> None:
    name = "a_function_with_a_name_of_nearly_a_hundred_characters_that_no_line_of_a_narrow_terminal_can_hold,g"
    text = shown(replace(WRONG_VALUE, implementation=f"layers.py:{name}"), width=50)
    assert name in text.replace("\n", "")
