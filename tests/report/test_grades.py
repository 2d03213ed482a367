"""The table of several implementations: what is said of each, and that names are read at any width."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from gradcheck_cli import CaseResult, Verdict
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.grades import grade_table
from gradcheck_cli.report.style import make_console
from gradcheck_cli.results.grades import Grades
from gradcheck_cli.results.result import Diagnosis
from tests.report.test_table import DB, DX, PASSED, made


def failed(*causes: tuple[str, str], dx: str = "dx is wrong", **more: str) -> CaseResult:
    """Make a result in which dx is wrong, of these causes, or another array too."""
    arrays = [replace(array, verdict=Verdict.FAIL, reason=more.get(array.name, dx)) for array in (DX, DB)]
    result = made(Verdict.FAIL, *(array for array in arrays if array.name == "dx" or array.name in more))
    return replace(result, diagnosis=tuple(Diagnosis(code=code, text=text) for code, text in causes))


def lines(*results: CaseResult, width: int = 200, layers: bool = False, by: str = "file") -> list[str]:
    """Return the lines of the table that stand below its rule."""
    grades = Grades()
    for result in results:
        grades.add(result)
    stream = io.StringIO()
    make_console(stream, DisplayOptions(width=width)).print(grade_table(grades, width, layers=layers, by=by))
    return [line.rstrip() for line in stream.getvalue().splitlines()[2:]]


FACTORS = [failed(("factor", f"dx is N = {n} times the derivative. Look for it.")) for n in (6, 2, 3, 6)]


@pytest.mark.parametrize(
    ("results", "said"),
    [
        (FACTORS, "dx is N = 6 times the derivative [factor]"),
        ([*FACTORS, PASSED], "dx is N = 6 times the derivative [factor] (in 4 of 5 cases)"),
        ([failed(dx=f"dx is wrong in {n} of {n} elements") for n in (3, 4)], "dx is wrong in 3 of 3 elements"),
        (
            [failed(db="db is wrong"), *FACTORS, failed(("zero", "dx is zero. Add."))],
            "dx is N = 6 times the derivative [factor] (in 4 of 6 cases; 2 other ways)",
        ),
        ([failed(), failed(db="db is wrong")], "dx is wrong; db is wrong"),
        ([failed(("one", "1. A.")), failed(("two", "2. B."))], "2 [two] (in 1 of 2 cases; 1 other way)"),
        (
            [made(Verdict.ERROR, reason=f"f raised IndexError: {n} is out of bounds") for n in (3, 4)],
            "f raised IndexError: 3 is out of bounds",
        ),
        ([made(Verdict.SKIP, reason="it is no layer")], "it is no layer"),
    ],
)
def test_cases_that_fail_in_the_same_way_are_reported_once(results: list[CaseResult], said: str) -> None:
    (row,) = lines(*results)
    assert row.split("  ")[-1].strip() == said


PAIR = replace(PASSED, implementation="one.py:layernorm_forward,layernorm_backward", layer="layernorm")
ONE = failed(dx="dx is N = 6 times the derivative")
LONG = replace(ONE, implementation="one.py:a_spatial_groupnorm_of_mine_forward,f")
SHORT = replace(ONE, implementation="one.py:f,g")


WIDE = """\
pass     1/1  layernorm  layernorm_forward,layernorm_backward
FAIL     0/1  conv       a_spatial_groupnorm_of_mine_forward,f  dx is N = 6 times the derivative
"""

NARROW = """\
pass     1/1  layernorm  layernorm_forward,
                         layernorm_backward
FAIL     0/1  conv       a_spatial_groupnorm_of_mine_forward
                         ,
                         f

a_spatial_groupnorm_of_mine_forward,f: dx is N = 6 times the
derivative
"""


def test_names_break_and_reasons_stand_below_the_table_for_want_of_room() -> None:
    for width, table in (100, WIDE), (60, NARROW):
        assert "".join(f"{line}\n" for line in lines(PAIR, LONG, width=width, layers=True)) == table


def test_a_command_in_a_reason_is_whole_at_any_width() -> None:
    command = "gradcheck function homework/week3/attention.py:" + "attention_forward," * 3 + "attention_backward"
    skipped = made(Verdict.SKIP, reason=f"no shapes were found; give them: {command} --shape x=2x3")
    for width in (40, 60, 80, 100):
        table = "".join(line.removeprefix("skip").strip() for line in lines(skipped, width=width))
        assert command.rpartition(" ")[2] in table, width


def test_rows_of_one_file_stay_together_unless_they_are_sorted_by_verdict() -> None:
    passed, wrong, half = (replace(one, layer="relu") for one in (PASSED, ONE, ONE))
    results = [
        replace(wrong, implementation="ada.py:f,g"),
        replace(passed, implementation="bob.py:f,g"),
        replace(passed, implementation="ada.py:h,i"),
        *(replace(one, implementation="bob.py:h,i") for one in (half, passed)),
        replace(passed, implementation="cyd.py:f,g"),
    ]

    def names(by: str) -> list[str]:
        return [line.split()[2] for line in lines(*results, by=by)]

    assert names("file") == ["cyd.py", "bob.py:f,g", "bob.py:h,i", "ada.py:h,i", "ada.py:f,g"]
    assert names("verdict") == ["bob.py:f,g", "ada.py:h,i", "cyd.py", "bob.py:h,i", "ada.py:f,g"]


def test_no_line_is_wider_than_there_is_room() -> None:
    for width in range(40, 140, 3):
        for layers in (False, True):
            assert max(map(len, lines(PAIR, LONG, SHORT, width=width, layers=layers))) <= width
