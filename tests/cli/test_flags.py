"""What the flags mean."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest

from gradcheck_cli import __version__
from gradcheck_cli.layers import TITLES
from gradcheck_cli.layers.conv.conv import standard
from tests.conftest import SMALL, clean_environment, report_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

TINY = ("--H", "3", "--W", "3", "--C", "1", "--F", "1")


def listed(run: subprocess.CompletedProcess[str]) -> list[str]:
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.splitlines()


def without_times(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**result, "seconds": None} for result in report["results"]]


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ("2", [2]),
        ("5,1, 2", [5, 1, 2]),
        ("1..3,9,7..8,4..4", [1, 2, 3, 9, 7, 8, 4]),
        ("2,2,1..3,3", [2, 1, 3]),
    ],
)
def test_lists_and_ranges(convcheck: Program, value: str, numbers: list[int]) -> None:
    lines = listed(convcheck("--N", value, "--list-cases"))
    assert lines == [f"{number}x3x5x5 * 2x3x3x3 stride 1 pad 1 float64" for number in numbers]


def test_pairs(convcheck: Program) -> None:
    lines = listed(convcheck("--stride", "2x1,2x2,2,1..3,3x3", "--list-cases"))
    assert lines == [f"4x3x5x5 * 2x3x3x3 stride {stride} pad 1 float64" for stride in ("2x1", "2", "1", "3")]


def test_a_product_varies_the_last_flag_fastest(convcheck: Program) -> None:
    flags = ("--N", "1,2", "--stride", "2,1x2", "--pad", "0x1", "--dtype", "float32,float16,float32")
    lines = listed(convcheck(*flags, "--list-cases"))
    assert lines == [
        f"{N}x3x5x5 * 2x3x3x3 stride {stride} pad 0x1 {dtype}"
        for N in (1, 2)
        for stride in ("2", "1x2")
        for dtype in ("float32", "float16")
    ]


def test_dilation_and_groups_are_named_where_they_are_not_1(convcheck: Program) -> None:
    lines = listed(convcheck("--dilation", "1,2", "--groups", "1,2", "--C", "4", "--list-cases"))
    assert [line.removeprefix("4x4x5x5 * ") for line in lines] == [
        "2x4x3x3 stride 1 pad 1 float64",
        "2x2x3x3 stride 1 pad 1 groups 2 float64",
        "2x4x3x3 stride 1 pad 1 dilation 2 float64",
        "2x2x3x3 stride 1 pad 1 dilation 2 groups 2 float64",
    ]


def test_list_cases_says_what_would_be_skipped_and_checks_nothing(convcheck: Program) -> None:
    lines = listed(convcheck("--HH", "3,9", "--list-cases"))
    assert len(lines) == 2
    assert lines[1].endswith("(skipped: the kernel's height of 9 does not fit into the padded height of 7)")


def test_list_cases_without_geometry_is_the_standard_set(convcheck: Program) -> None:
    lines = listed(convcheck("--list-cases", "--dtype", "float32,longdouble"))
    assert lines == [f"{case.label()} {dtype}" for case in standard() for dtype in ("float32", "longdouble")]


def test_a_bare_run_checks_the_standard_set_of_the_built_in_one(convcheck: Program) -> None:
    report = report_of(convcheck("--seed", "3", "--json", "-"))
    names = ("N", "C", "H", "W", "F", "HH", "WW", "stride", "pad", "dilation", "groups")
    tried = [[result["case"][name] for name in names] for result in report["results"]]
    assert tried == [json.loads(json.dumps([case.geometry[name] for name in names])) for case in standard()]
    assert {result["implementation"] for result in report["results"]} == {"fast"}
    assert {result["case"]["seed"] for result in report["results"]} == {3}
    assert {result["case"]["dtype"] for result in report["results"]} == {"float64"}


def test_any_geometry_flag_leaves_the_standard_set(convcheck: Program) -> None:
    report = report_of(convcheck("--stride", "2", "--json", "-"))
    sizes = {"N": 4, "C": 3, "H": 5, "W": 5, "F": 2, "HH": 3, "WW": 3}
    pairs = {"stride": [2, 2], "pad": [1, 1], "dilation": [1, 1]}
    assert [result["case"] for result in report["results"]] == [
        {**sizes, **pairs, "groups": 1, "dtype": "float64", "seed": 0}
    ]


def test_each_implementation_is_checked_on_every_case(convcheck: Program) -> None:
    report = report_of(convcheck("naive", "fast", *TINY, "--N", "1,2", "--json", "-"))
    assert [(result["implementation"], result["case"]["N"]) for result in report["results"]] == [
        ("naive", 1),
        ("naive", 2),
        ("fast", 1),
        ("fast", 2),
    ]


def test_gradcheck_conv_is_convcheck(convcheck: Program, gradcheck: Program, layer_file: LayerFile) -> None:
    layer = layer_file(("return dx, dw, db", "return dx, 2 * dw, db")).name
    flags = (layer, *SMALL, "--dtype", "float32,float64", "--seed", "3", "--json", "-")
    ours, theirs = convcheck(*flags), gradcheck("conv", *flags)
    assert ours.returncode == theirs.returncode == 1
    assert without_times(report_of(ours)) == without_times(report_of(theirs))


def test_the_seed_decides_the_values(convcheck: Program) -> None:
    def run(seed: str, *more: str) -> list[dict[str, Any]]:
        report = report_of(convcheck(*TINY, "--seed", seed, *more, "--json", "-"))
        assert report["seed"] == int(seed)
        return without_times(report)

    first, other = run("1", "--N", "2"), run("2", "--N", "2")
    again = run("1", "--N", "1,2", "--dtype", "float32,float64")
    assert first[0]["case"]["seed"] == 1
    assert first[0] == again[-1]
    assert first[0]["forward"]["worst"] != other[0]["forward"]["worst"]


def test_tol_is_what_is_allowed(convcheck: Program, layer_file: LayerFile) -> None:
    layer = layer_file(("return dx, dw, db", "return dx, dw * (1 + 1e-12), db"))
    strict, loose = (report_of(convcheck(layer, *SMALL, "--tol", tol, "--json", "-")) for tol in ("10.5", "1e5"))
    assert strict["results"][0]["gradients"]["dw"]["verdict"] == "fail"
    assert {gradient["tolerance"] for gradient in strict["results"][0]["gradients"].values()} == {10.5}
    assert strict["results"][0]["forward"]["tolerance"] == 10.5
    assert "--tol 10.5" in strict["results"][0]["command"]
    assert loose["summary"]["verdict"] == "pass"
    assert loose["results"][0]["gradients"]["dw"]["tolerance"] == 1e5


def test_a_fixed_step_is_used_and_may_leave_a_case_undecided(convcheck: Program) -> None:
    run = convcheck(*SMALL, "--step", "1e-9", "--json", "-")
    result = report_of(run)["results"][0]
    assert run.returncode == 3
    assert result["reason"].count("the step is fixed at 1e-09") == 3
    assert "--step 1e-09" in result["command"]
    assert convcheck(*SMALL, "--step", "0.5").returncode == 0


def test_method_is_passed_on(convcheck: Program) -> None:
    result = report_of(convcheck(*SMALL, "--method", "dense", "--json", "-"))["results"][0]
    assert {gradient["method"] for gradient in result["gradients"].values()} == {"dense"}
    assert "--method dense" in result["command"]


@pytest.mark.parametrize("flags", [SMALL, ("--HH", "3,9"), ("--HH", "9,10")], ids=["one", "a skip", "only skips"])
def test_quiet_is_one_line(convcheck: Program, flags: tuple[str, ...]) -> None:
    assert convcheck(*flags, "-q").stdout.count("\n") == 1


def test_quiet_is_one_line_of_a_failure_too(convcheck: Program, layer_file: LayerFile) -> None:
    path = layer_file(("return dx, dw, db", "return dx, 2 * dw, db"))
    run = convcheck(path, *TINY, "--N", "1,2", "-q")
    assert run.returncode == 1
    assert run.stdout == f"FAIL 0/2 {path}:conv_forward,conv_backward: dw is 2 times the derivative [factor]\n"
    assert run.stdout.count("\n") == 1


def test_verbose_prints_arrays(convcheck: Program) -> None:
    terse, verbose = convcheck(*SMALL).stdout, convcheck(*SMALL, "-v").stdout
    for name in ("out", "dx", "dw", "db"):
        for kind in ("analytic", "numeric", "error bound"):
            assert f"{name} {kind}:\n[" in verbose
    assert "db analytic:\n[1.17349147]\n" in verbose
    assert "exact at small integers: dx, dw, db; an error in one element is missed with probability 5e-07\n" in verbose
    assert "…" not in verbose
    assert "analytic:" not in terse


def test_show(convcheck: Program, layer_file: LayerFile) -> None:
    layer = layer_file(
        ("return dx, dw, db", "return dx, (dout.shape[0] if dout.shape[0] > 1 else 1) * dw, db"),
    ).name
    flags = (layer, *TINY, "--N", "2,1,3", "--HH", "3,9")

    def lines(*more: str) -> tuple[list[str], int]:
        run = convcheck(*flags, *more)
        assert run.returncode == 1
        assert "6 cases: 1 passed, 2 failed, 3 skipped" in run.stdout
        assert "skipped 3: the kernel's height of 9 does not fit" in run.stdout
        rows = [line.split()[0] for line in run.stdout.splitlines() if line.startswith("  ") and "stride" in line]
        return rows, run.stdout.count("\nreplay: ")

    everything = (["FAIL", "skip", "pass", "skip", "FAIL", "skip"], 1)
    assert lines() == lines("--show", "all") == everything
    assert lines("--show", "failed") == (["FAIL", "FAIL"], 1)
    assert lines("--show", "worst") == ([], 1)


def test_the_worst_is_shown_where_all_passed(convcheck: Program) -> None:
    run = convcheck(*TINY, "--N", "1,2", "--show", "worst")
    assert run.stdout.count("-> ") == 1
    assert run.stdout.startswith("fast, seed 0\npass 1x1x3x3 ")
    assert "eps off:" not in run.stdout  # explained where something is wrong


def test_many_cases_are_not_shown_unless_they_failed(convcheck: Program) -> None:
    twenty, more = (convcheck(*TINY, "--N", f"1..{last}") for last in (20, 21))
    assert twenty.stdout.count("  pass  ") == 20
    assert more.stdout.count("  pass  ") == 0
    assert more.stdout.count("\n") == 2
    assert convcheck("--dtype", "float64").stdout.count("\n") == 2  # nor those of the standard set


def test_version_names_what_a_result_depends_on(convcheck: Program, gradcheck: Program) -> None:
    said = f"convcheck {__version__}, python {platform.python_version()}, numpy {np.__version__}\n"
    assert convcheck("--version").stdout == said
    assert gradcheck("conv", "--version").stdout == said


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_flag_and_the_exit_codes(convcheck: Program, flag: str) -> None:
    run = convcheck(flag)
    assert (run.returncode, run.stderr) == (0, "")
    geometry = ["--N", "--C", "--H", "--W", "--F", "--HH", "--WW", "--stride", "--pad", "--dilation", "--groups"]
    check = ["--dtype", "--seed", "--method", "--tol", "--step"]
    output = ["--format", "--json", "--show", "-q, --quiet", "-v, --verbose", "--color", "--list-cases", "--version"]
    for name in (*geometry, *check, *output):
        assert f"  {name} " in run.stdout
    assert "0 passed, 1 wrong or raised, 2 usage, 3 undecided" in run.stdout
    assert max(len(line) for line in run.stdout.splitlines()) <= 80


def test_gradchecks_help_lists_the_layers(gradcheck: Program) -> None:
    run = gradcheck("--help")
    assert run.returncode == 0
    assert all(f"\n  {name} " in run.stdout for name in (*TITLES, "schema"))


def test_gradcheck_schema_prints_the_schema(gradcheck: Program) -> None:
    run = gradcheck("schema")
    jsonschema.Draft202012Validator.check_schema(json.loads(run.stdout))
    assert json.loads(run.stdout)["properties"]["schema_version"] == {"const": 1}


def test_the_package_can_be_run(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "gradcheck_cli", "conv", *SMALL, "-q"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "pass 1/1 fast\n"
