"""`gradcheck compare`, and the reports that it reads."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli.cli.recorded import UnreadableError, read_report
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.case import NoCase
from gradcheck_cli.report.changes import write_changes
from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.results.changes import compare
from gradcheck_cli.results.result import CaseResult, Diagnosis, Verdict
from tests.conftest import SMALL
from tests.report.course import made
from tests.report.test_json import KINDS, result, written

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program


def in_report(result: CaseResult) -> CaseResult:
    """Leave out what a JSON report does not have."""
    arrays = {name: replace(one, arrays=None, picture=None) for name, one in result.gradients.items()}
    forward = result.forward and replace(result.forward, arrays=None, picture=None)
    return replace(
        result,
        gradients=arrays,
        forward=forward,
        arrays={},
        sweeps={},
        understood=None,
        warnings=(),
        output="",
        bug=None,
    )


def recorded(folder: Path, report: dict[str, Any]) -> tuple[CaseResult, ...]:
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")
    return read_report(str(folder / "report.json")).results


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_is_read_as_it_was_written(kind: str, tmp_path: Path) -> None:
    (read,) = recorded(tmp_path, written(result(kind)))
    assert repr(read) == repr(in_report(result(kind)))  # NaN is not equal to itself


def test_the_cases_of_all_layers_are_read_as_they_were_written(tmp_path: Path) -> None:
    cases = [case for layer in LAYERS.values() for case in layer.standard()]
    skipped = replace(result("skip"), reason="so")
    results = [replace(skipped, layer=case.layer, case=case) for case in cases]
    assert [one.case for one in recorded(tmp_path, written(*results))] == cases


def test_a_file_that_is_no_report_is_refused(tmp_path: Path) -> None:
    good = written(result("wrong values"))
    (one,) = good["results"]

    def spoiled(**entries: Any) -> dict[str, Any]:
        return good | {"results": [one | entries]}

    wrong: dict[str, list[Any]] = {
        "it is no report": [[], 3, {}, {"results": []}],
        "its format is version 2": [good | {"schema_version": 2}],
        "it is not as a report is": [
            {"schema_version": 1},
            good | {"results": 3},
            good | {"results": [3]},
            good | {"summary": None},
            spoiled(verdict="fine"),
            spoiled(layer="cnov"),
            spoiled(layer=3),
            spoiled(implementation=None),
            spoiled(reason=["x"]),
            spoiled(case={"N": 0, "dtype": "float64", "seed": 0}),
            spoiled(case={"sides": 3, "dtype": "float64", "seed": 0}),
            spoiled(gradients={"dx": {}}),
            spoiled(gradients=[3]),
            spoiled(diagnosis=3),
        ],
    }
    path = tmp_path / "report.json"
    for said, reports in wrong.items():
        for report in reports:
            path.write_text(json.dumps(report))
            with pytest.raises(UnreadableError, match=said):
                read_report(str(path))
    for text, said in {b"{": "it is not JSON", b"\xff": "it is not text", b"[" * 10**5: "it is not JSON"}.items():
        path.write_bytes(text)
        with pytest.raises(UnreadableError, match=said):
            read_report(str(path))
    for name, said in {
        str(tmp_path): "directory",
        str(tmp_path / "none.json"): "No such file",
        "a\0b": "not text",
    }.items():
        with pytest.raises(UnreadableError, match=said):
            read_report(name)


def test_text_in_a_report_is_as_hostile_as_any(tmp_path: Path) -> None:
    hostile = "\x1b[31m\u202eevil\n::error::"
    (one,) = written(result("wrong values"))["results"]
    one |= {"implementation": hostile, "reason": hostile, "command": hostile}
    one["diagnosis"] = [{"code": "zero", "text": hostile}]
    (read,) = recorded(tmp_path, written(result("pass")) | {"results": [one]})
    texts = [read.implementation, read.reason or "", read.command or "", read.headline]
    assert not {"\x1b", "\u202e"} & {*"".join(texts)}
    assert "\n" not in read.implementation + (read.command or "")


def test_a_report_of_an_older_version_is_read(tmp_path: Path) -> None:
    """Entries that came later may be missing, and entries that are unknown may be there."""
    report = written(result("wrong values"))
    (one,) = report["results"]
    one.pop("place", None)
    report["summary"].pop("stopped", None)
    one["later"] = report["later"] = {"x": 1}
    assert recorded(tmp_path, report)[0].verdict is Verdict.FAIL


def test_the_lines_of_a_comparison_agree_with_each_other_and_with_the_cases() -> None:
    """The cause, the case that is replayed and the counts are of the same cases; causes name sizes."""
    skip = made(Verdict.SKIP, "new.py:f,g", 9, reason="x has three axes")
    good = [made(Verdict.PASS, "new.py:f,g", size) for size in (2, 3)]
    fine = [made(Verdict.PASS, "old.py:f,g", size) for size in (5, 4, 6)]
    broken = made(Verdict.ERROR, "gone.py", layer="", case=NoCase(), reason="gone.py is no Python", command=None)

    def times(size: int) -> CaseResult:
        cause = Diagnosis(code="factor", text=f"dw is {size} times the derivative. Divide.")
        return made(Verdict.FAIL, "old.py:f,g", size, diagnosis=(cause,))

    stream = io.StringIO()
    changes = compare([*fine, broken], [times(5), times(4), times(6), *good, skip])
    write_changes(changes, stream, DisplayOptions(width=100))
    assert (
        stream.getvalue()
        == """\
gone     gone.py: 1 case, before: gone.py is no Python
new      new.py:f,g (conv): 3 cases: 2 passed, 1 skipped: x has three axes
WORSE    old.py:f,g (conv): 3 cases: dw is 4 times the derivative [factor]
         replay: convcheck old.py:f,g --N 4
3 cases in both: 3 worse; 3 new; 1 gone
"""
    )


def test_compare_exits_with_1_on_a_regression(
    convcheck: Program, gradcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    right, doubled = "return dx, dw, db", "return dx, 2 * dw, db"
    layer_file((right, doubled), name="mended.py")
    layer_file(name="broken.py")
    layer_file(name="same.py")
    layer_file(name="removed.py")
    names = ("mended.py", "broken.py", "same.py")
    assert convcheck(*names, "removed.py", *SMALL, "--json", "old.json").returncode == 1
    layer_file(name="mended.py")
    assert convcheck(*names, *SMALL, "--json", "better.json").returncode == 0
    layer_file((right, doubled), name="broken.py")
    layer_file((right, doubled), name="added.py")
    assert convcheck(*names, "added.py", *SMALL, "--json", "worse.json").returncode == 1

    better = gradcheck("compare", "old.json", "better.json", env={"COLUMNS": "120"})
    assert (better.returncode, better.stderr) == (0, "")
    gone, better_row, *_, last = better.stdout.splitlines()
    assert (gone.split()[0], better_row.split()[0]) == ("gone", "better")
    assert "mended.py:conv_forward,conv_backward (conv): 1 case, before: dw is 2 times the derivative" in better_row
    assert last == "3 cases in both: 1 better, 2 unchanged; 1 gone"

    worse = gradcheck("compare", "old.json", "worse.json", env={"COLUMNS": "120"})
    assert (worse.returncode, worse.stderr) == (1, "")
    words = [row.split()[0] for row in worse.stdout.splitlines() if row.split() != ["[factor]"]]  # on a line of its own
    assert words == ["gone", "better", "NEW", "replay:", "WORSE", "replay:", "3"]
    assert "convcheck broken.py:conv_forward,conv_backward --N 1" in worse.stdout
    line = "3 cases in both: 1 worse, 1 better, 1 unchanged; 1 new, of which 1 wrong; 1 gone\n"
    assert gradcheck("compare", "old.json", "worse.json", "-q").stdout == line
    listed = json.loads(gradcheck("compare", "old.json", "worse.json", "--format", "json").stdout)
    assert [(one["kind"], one["regression"]) for one in listed] == [
        ("better", False),
        ("worse", True),
        ("unchanged", False),
        ("gone", False),
        ("new", True),
    ]
    assert all(len(row) <= 120 for row in worse.stdout.splitlines() if "replay" not in row)

    (tmp_path / "odd.json").write_text("{}")
    refused = gradcheck("compare", "old.json", "odd.json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "'odd.json' cannot be compared: it is no report of this program" in refused.stderr


def test_runs_without_a_common_case_are_pointed_out(convcheck: Program, gradcheck: Program) -> None:
    for seed in "0", "1":
        convcheck(*SMALL, "--seed", seed, "--json", f"{seed}.json")
    run = gradcheck("compare", "0.json", "1.json")
    assert run.returncode == 0
    assert "have no case in common" in run.stderr
