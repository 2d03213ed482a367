"""CSV, read back by the standard library's reader."""

from __future__ import annotations

import csv
import io

from gradcheck_cli.results.result import Verdict
from tests.report.course import HOSTILE, course, hostile, made, report

HEAD = ["file", "implementation", "layer", "verdict", "passed", "cases", "cause"]


def read(text: str) -> list[list[str]]:
    head, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert head == HEAD
    return rows


def test_a_row_for_each_implementation_in_the_order_of_the_run() -> None:
    text = report("csv", course())
    assert read(text) == [
        ["ada/layers.py", "conv_forward,conv_backward", "conv", "pass", "2", "2", ""],
        ["ada/layers.py", "affine_forward,affine_backward", "affine", "pass", "1", "1", ""],
        [
            *("bob/layers.py", "conv_forward,conv_backward", "conv", "fail", "1", "4"),
            "dw is 2 times the derivative [factor] (in 2 of 4 cases; 1 other way)",
        ],
        ["cyd.py", "f,g", "conv", "error", "0", "1", "g raised IndexError: 7 is out of bounds"],
        ["dan.py", "f,g", "conv", "inconclusive", "0", "1", "dw could not be judged"],
        ["eve.py", "", "", "error", "0", "1", "eve.py is no Python: line 1"],
    ]
    assert text.count("\r\n") == text.count("\n") == 7


def test_hostile_text_stays_in_its_cell_and_is_no_formula() -> None:
    (wrong, raised) = read(report("csv", hostile()))
    for row in wrong, raised:
        assert len(row) == len(HEAD)
        assert not any("\n" in cell or "\x1b" in cell for cell in row)
    assert wrong[0].startswith("'=1+1]]>|`x`<script>")
    assert wrong[-1].startswith("'=1+1")
    for start in "=+-@":
        (row,) = read(report("csv", [made(Verdict.FAIL, f"{start}x.py", reason=f"{start}1")]))
        assert (row[0], row[-1]) == (f"'{start}x.py", f"'{start}1")
    assert read(report("csv", [made(Verdict.FAIL, "a=b.py", reason="x = -1")]))[0][-1] == "x = -1"
    assert HOSTILE.startswith("=")
