"""`--fuzz`, `--shard` and `--max-failures`, as a shell sees them."""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from gradcheck_cli.report.json import schema
from tests.checks.test_replay import assert_same
from tests.conftest import SMALL, report_of

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.conftest import LayerFile, Program

#: Right but at pad 0, where dx is empty.
EMPTY_CROP = ("dx_padded[:, :, pad : pad + H, pad : pad + W]", "dx_padded[:, :, pad:-pad, pad:-pad]")
#: Wrong for one sample, and in another gradient.
ONE_SAMPLE = ("db = dout.sum(axis=(0, 2, 3))", "db = dout.sum(axis=(0, 2, 3)) * (-1 if len(x) == 1 else 1)")
NEVER = ("return dx, dw, db", "return dx, dw * 2, db")

#: The numbers of a smallest geometry.
ONES = {"N": 1, "C": 1, "H": 1, "W": 1, "F": 1, "HH": 1, "WW": 1}
ONES_AND_PAIRS = {**ONES, "stride": [1, 1], "pad": [0, 0], "dilation": [1, 1], "groups": 1}

#: Flags that leave little to draw from, and make cases of a few milliseconds.
FEW = ("--N", "1,2", "--C", "1", "--F", "1", "--H", "3,4", "--W", "3,4", "--HH", "2,3")

REFUSED = [
    (["--fuzz", "0"], "'0' is not a whole number of 1 or more"),
    (["--fuzz", "-3"], "'-3' is not a whole number of 1 or more"),
    (["--fuzz", "many"], "'many' is not a whole number of 1 or more"),
    (["--fuzz", "100001"], "'100001' is more than 100,000; for others, give other seeds"),
    (["--fuzz", "9", "--H", "2", "--HH", "3", "--pad", "0"], "--fuzz: the other flags leave no geometry in which"),
    (["--fuzz", "9", "--groups", "2", "--C", "3"], "--fuzz: the other flags leave no geometry in which a"),
    (["--max-failures", "0"], "'0' is not a whole number of 1 or more"),
    (["--shard", "3"], "'3' is not a part of a number of parts; give it such as 2/5"),
    (["--shard", "a/b"], "'a/b' is not a part of a number of parts; give it such as 2/5"),
    (["--shard", "1/2/3"], "'1/2/3' is not a part of a number of parts; give it such as 2/5"),
    (["--shard", "0/5"], "'0/5': there is no part 0 of 5; give 1/5 to 5/5"),
    (["--shard", "6/5"], "'6/5': there is no part 6 of 5; give 1/5 to 5/5"),
    (["--shard", "1/0"], "'1/0': there are no parts; give 1/1 or more"),
]


@pytest.mark.parametrize(("flags", "said"), REFUSED)
def test_what_cannot_be_is_2_before_anything_runs(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path, flags: list[str], said: str
) -> None:
    layer = layer_file(("    N, C, H, W = x.shape\n", "    open('ran', 'w').close()\n    N, C, H, W = x.shape\n"))
    run = convcheck(layer, *flags)
    assert (run.returncode, run.stdout) == (2, "")
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["layers.py"]


def test_a_right_layer_passes_and_nothing_is_written(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    run = convcheck(layer_file(), "--fuzz", "8")
    assert (run.returncode, run.stderr) == (0, "")
    assert re.fullmatch(r"\S+, seed 0\nunderstood as .*\n8 cases passed in .*\n", run.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["layers.py"]


def test_each_fault_is_reported_with_its_smallest_case_which_can_be_replayed(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    layer_file(EMPTY_CROP, ONE_SAMPLE)
    run = convcheck("layers.py", "--C", "1", "--F", "1", "--fuzz", "12", "--json", "report.json")
    assert (run.returncode, run.stderr) == (1, "")
    smallest = re.findall(r"^the smallest found of (\d+) cases that fail this way$", run.stdout, re.MULTILINE)
    assert len(smallest) == 2
    assert run.stdout.count("replay: ") == 2
    assert re.search(r"^12 cases: \d+ passed, \d+ failed in .* s$", run.stdout, re.MULTILINE)
    report = read(tmp_path / "report.json")
    drawn = [result for result in report["results"] if "smallest" not in result]
    told = [result for result in report["results"] if "smallest" in result]
    assert report["results"] == drawn + told
    assert [str(result["smallest"]["alike"]) for result in told[::-1]] == smallest  # the most frequent last
    assert len(drawn) == report["summary"]["cases"] == 12
    assert report["summary"]["fail"] == sum(result["verdict"] == "fail" for result in drawn)
    (crop, bias) = sorted(told, key=lambda result: result["gradients"]["dx"]["verdict"])
    assert crop["case"] == {**ONES_AND_PAIRS, "N": 2, "dtype": "float64", "seed": 0}  # of one sample db is wrong too
    assert bias["case"] == {**ONES_AND_PAIRS, "pad": [1, 1], "dtype": "float64", "seed": 0}
    for result in told:
        assert_same({name: value for name, value in result.items() if name != "smallest"}, tmp_path)


BATCHNORM = """\
from gradcheck_cli.layers.norm.batchnorm import batchnorm_backward, batchnorm_forward as of_all


def batchnorm_forward(x, gamma, beta, bn_param):
    out, cache = of_all(x, gamma, beta, bn_param)
    return out, (cache, bn_param)


def batchnorm_backward_test(dout, cache):
    (normal, gamma, deviation, train), bn_param = cache
    dx, dgamma, dbeta = batchnorm_backward(dout, (normal, gamma, deviation, train))
    return (dx if train or bn_param["momentum"] < 0.5 else dx * (2 + normal)), dgamma, dbeta
"""


@pytest.mark.long
def test_words_and_reals_of_other_layers_are_drawn_shrunk_and_replayed(gradcheck: Program, tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text(BATCHNORM, encoding="utf-8")
    spec = "layers.py:batchnorm_forward,batchnorm_backward_test"
    run = gradcheck(
        "batchnorm", spec, "--fuzz", "40", "--N", "2..5", "--T", "1", "--momentum", "0,0.5,1", "--json", "-"
    )
    report = report_of(run)
    assert (run.returncode, run.stderr) == (1, "")
    assert {result["case"]["mode"] for result in report["results"] if result["verdict"] == "pass"} == {"train", "test"}
    told = [result for result in report["results"] if "smallest" in result]
    settings = {"T": 1, "mode": "test", "eps": 1e-5, "momentum": 0.5, "dtype": "float64", "seed": 0}
    assert [result["case"] for result in told] == [{"N": 2, "D": 1, **settings}]
    assert_same({name: value for name, value in told[0].items() if name != "smallest"}, tmp_path)


def test_shapes_given_are_what_is_drawn_from(gradcheck: Program) -> None:
    run = gradcheck("tanh", "--shape", "2x3,4,1x1x1", "--fuzz", "20", "--list-cases")
    assert sorted(run.stdout.splitlines()) == ["1x1x1 float64", "2x3 float64", "4 float64"]
    assert gradcheck("tanh", "--fuzz", "20", "-q").stdout == "pass 20/20 vectorized\n"
    refused = gradcheck("batchnorm", "--N", "1", "--T", "1", "--mode", "train", "--fuzz", "5")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "the other flags leave no geometry in which a fault could show" in refused.stderr


def read(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator(json.loads(schema())).validate(report)
    return report


def cases_of(run: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [result["case"] for result in report_of(run)["results"]]


def test_list_cases_shows_what_would_be_tried_and_shards_share_it(convcheck: Program) -> None:
    flags = ("--fuzz", "40", "--F", "2,5", "--dtype", "float32,float16")
    run = convcheck(*flags, "--list-cases")
    listed = run.stdout.splitlines()
    assert (run.returncode, len(listed), len(set(listed))) == (0, 40, 40)
    assert {re.sub(r".* \* (\d+)x.* (\w+)$", r"\1 \2", line) for line in listed} == {
        f"{F} {dtype}" for F in (2, 5) for dtype in ("float32", "float16")
    }
    parts = [convcheck(*flags, "--shard", f"{part}/3", "--list-cases").stdout.splitlines() for part in (1, 2, 3)]
    assert sorted(itertools.chain(*parts)) == sorted(listed)
    assert all(len(part) < 40 for part in parts)
    checked = convcheck(*flags, "--shard", "2/3", "--json", "-")
    assert report_of(checked)["summary"]["cases"] == len(parts[1])


def test_shards_of_a_product(convcheck: Program) -> None:
    flags = (*SMALL, "--stride", "1..4", "--dtype", "float32,float64")
    whole = cases_of(convcheck(*flags, "--json", "-"))
    parts = [cases_of(convcheck(*flags, "--json", "-", "--shard", f"{part}/2")) for part in (1, 2)]
    assert all(parts)
    assert sorted(map(str, itertools.chain(*parts))) == sorted(map(str, whole))
    assert [case for case in whole if case in parts[0]] == parts[0]


def test_an_empty_shard_has_no_case_to_run(convcheck: Program) -> None:
    runs = [convcheck(*SMALL, "--shard", f"{part}/2") for part in (1, 2)]
    full, empty = sorted(runs, key=lambda run: run.returncode)
    assert (full.returncode, empty.returncode, empty.stdout) == (0, 2, "")
    assert re.search(r"No case to run: shard ./2 has none of the 1 cases; split them into fewer\.", empty.stderr)


def test_flags_in_any_order_make_the_same_product_in_the_same_order(convcheck: Program) -> None:
    flags = [("--stride", "2,1"), ("--N", "1,2"), ("--dtype", "float32,float64"), ("--H", "3,4")]
    run, backwards = (
        convcheck(*[word for flag in order for word in flag], "--list-cases") for order in (flags, flags[::-1])
    )
    assert run.stdout == backwards.stdout
    assert [line[:7] for line in run.stdout.splitlines()] == [
        f"{N}x3x{H}x5" for N in (1, 2) for H in (3, 4) for _ in range(4)
    ]


def test_a_product_larger_than_any_memory_is_listed_as_far_as_anyone_reads(convcheck: Program) -> None:
    million = [word for name in ("N", "C", "H", "W", "F") for word in (f"--{name}", "1..100000")]
    run = convcheck("layers.py", *million, "--timeout", "5")  # there is no such file: it is made, and not gone through
    assert (run.returncode, run.stdout) == (2, "")
    assert "layers.py" in run.stderr


def test_a_run_ends_after_so_many_failures(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(NEVER)
    flags = (*SMALL, "--N", "1..9", "--max-failures", "3")
    run = convcheck("layers.py", *flags)
    assert (run.returncode, run.stderr) == (1, "")
    assert "stopped early after 3 of 9 cases: 3 failed" in run.stdout
    summary = report_of(convcheck("layers.py", *flags, "--json", "-"))["summary"]
    assert (summary["cases"], summary["fail"], summary["stopped"]) == (3, 3, True)


def test_failures_count_over_all_implementations(convcheck: Program, layer_file: LayerFile) -> None:
    for name in ("a.py", "b.py", "c.py"):
        layer_file(NEVER, name=name)
    run = convcheck("naive", "a.py", "b.py", "c.py", *SMALL, "--N", "1..2", "--max-failures", "3", "--json", "-")
    report = report_of(run)
    assert run.returncode == 1
    assert [result["implementation"][:1] for result in report["results"]] == ["n", "n", "a", "a", "b"]
    assert report["summary"]["stopped"]


def test_enough_failures_at_the_very_end_stop_nothing(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(NEVER)
    run = convcheck("layers.py", *SMALL, "--N", "1..2", "--max-failures", "2", "--json", "-")
    assert report_of(run)["summary"]["stopped"] is False


@pytest.mark.long
def test_after_enough_failures_what_was_found_is_shrunk(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(EMPTY_CROP)
    run = convcheck("layers.py", "--fuzz", "30", "--max-failures", "2", "--json", "-")
    report = report_of(run)
    assert report["summary"]["fail"] == 2
    (smallest,) = [result for result in report["results"] if "smallest" in result]
    assert smallest["smallest"] == {"alike": 2, "note": None}
    assert smallest["case"] == {**ONES_AND_PAIRS, "dtype": "float64", "seed": 0}


@pytest.mark.long
def test_each_implementation_has_its_own_smallest_cases(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    layer_file(EMPTY_CROP, name="a.py")
    layer_file(ONE_SAMPLE, name="b.py")
    table = convcheck("a.py", "fast", "b.py", "--fuzz", "10", *FEW, "--json", "report.json").stdout
    results = read(tmp_path / "report.json")["results"]
    assert [result["implementation"][:1] for result in results if "smallest" in result] == ["a", "b"]
    assert [result["implementation"][:1] for result in results] == ["a"] * 11 + ["f"] * 10 + ["b"] * 11
    assert re.search(r"^FAIL +\d+/10 +a\.py", table, re.MULTILINE)  # smallest cases are no more failures
    assert re.search(r"^pass +10/10 +fast", table, re.MULTILINE)


def test_what_hangs_is_reported_and_not_tried_again(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(("    N, C, H, W = x.shape\n", "    N, C, H, W = x.shape\n    while N == 1:\n        pass\n"))
    run = convcheck("layers.py", "--fuzz", "8", "--timeout", "0.3", "--json", "-")
    results = report_of(run)["results"]
    (told,) = [result for result in results if "smallest" in result]
    assert told["verdict"] == "error"
    assert "each try would take as long as --timeout allows" in told["smallest"]["note"]
    assert told["smallest"]["alike"] == sum(result["case"]["N"] == 1 for result in results) - 1 >= 1


@pytest.mark.long
def test_a_run_that_stops_early_still_finds_the_smallest_with_several_jobs(
    convcheck: Program, layer_file: LayerFile
) -> None:
    layer_file(EMPTY_CROP)
    run = convcheck("layers.py", "--fuzz", "40", "--max-failures", "1", "--jobs", "2", "--json", "-")
    assert (run.returncode, run.stderr) == (1, "")
    report = report_of(run)
    assert report["summary"]["fail"] == 1
    (smallest,) = [result for result in report["results"] if "smallest" in result]
    assert smallest["case"] == {**ONES_AND_PAIRS, "dtype": "float64", "seed": 0}
