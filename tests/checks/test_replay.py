"""The command that a failure prints: as a shell splits it, it fails in the same way."""

from __future__ import annotations

import itertools
import shlex
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli.cases.cases import Product
from gradcheck_cli.checks.replay import replay_command
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.cli.values import parameter_values
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv import ConvCase
from gradcheck_cli.layers.framework.named import ByName
from tests.conftest import SMALL, clean_environment, report_of
from tests.program import run_program
from tests.sampling import one_in

if TYPE_CHECKING:
    from pathlib import Path

    from gradcheck_cli.layers.framework.layer import Layer
    from tests.conftest import LayerFile, Program

#: Wrong in a way that depends on every value.
WRONG = ("return dx, dw, db", "return dx, dw * (1 + 0.01 * np.cos(1e3 * dw)), db")

#: Takes pairs, dilation and groups; dw is half as large again as it should be.
PAIRS = """\
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive


def conv_forward(x, w, b, conv_param):
    return conv_forward_naive(x, w, b, conv_param)


def conv_backward(dout, cache):
    dx, dw, db = conv_backward_naive(dout, cache)
    return dx, dw * dw.dtype.type(1.5), db
"""


def replayed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run what a shell makes of a command: one that prints the words, separated by zeros."""
    script = f"printf '%s\\0' {command}"
    printed = subprocess.run(["/bin/sh", "-c", script], cwd=folder, capture_output=True, check=True, encoding="utf-8")
    program, *words = printed.stdout.removesuffix("\0").split("\0")
    return run_program(program, [*words, "--json", "-"], folder, clean_environment())


def assert_same(result: dict[str, Any], folder: Path) -> None:
    again = replayed(result["command"], folder)
    assert (again.returncode, again.stderr) == (1, "")
    (repeated,) = report_of(again)["results"]
    assert {**repeated, "seconds": None} == {**result, "seconds": None}
    assert repeated["verdict"] in {"fail", "error"}


@pytest.mark.parametrize(
    "names",
    one_in(
        3,
        [
            [
                'it\'s "mine".py',
                "$HOME `pwd` \\ !.py",
                "a folder/*.py",
                "fält.py",
                "a,b.py",
            ],
            ["-q.py"],
            ["a:b.py"],
        ],
    ),
    ids=["odd for a shell", "like a flag", "with a colon"],
)
def test_a_failure_is_repeated(convcheck: Program, layer_file: LayerFile, tmp_path: Path, names: list[str]) -> None:
    for name in names:
        layer_file(WRONG, name=name)
    run = convcheck(*SMALL, "--json", "-", "--", *names)
    assert run.returncode == 1, run.stderr
    results = report_of(run)["results"]
    assert len(results) == len(names)
    for result in results:
        assert_same(result, tmp_path)


def test_every_flag_is_in_the_command(convcheck: Program, tmp_path: Path) -> None:
    (tmp_path / "pairs.py").write_text(PAIRS, encoding="utf-8")
    flags = ("--N", "1,2", "--C", "2", "--F", "2", "--stride", "2x1", "--pad", "1x0", "--dilation", "1x2")
    more = ("--groups", "2", "--dtype", "float32,float16", "--seed", "11", "--tol", "7.25", "--step", "0.125")
    results = report_of(convcheck("pairs.py", *flags, *more, "--json", "-"))["results"]
    assert [(result["case"]["N"], result["case"]["dtype"]) for result in results] == [
        (1, "float32"),
        (1, "float16"),
        (2, "float32"),
        (2, "float16"),
    ]
    for result in results:
        for words in ("--stride 2x1 --pad 1x0 --dilation 1x2 --groups 2", "--seed 11", "--tol 7.25 --step 0.125"):
            assert words in result["command"]
    assert_same(results[1], tmp_path)
    assert_same(results[2], tmp_path)


def geometry_of(command: str, layer: Layer) -> dict[str, Any]:
    """Read the flags of a command as the program reads them: what is not given is at its default."""
    words = shlex.split(command)
    assert words[-1] == "--no-config"
    given: dict[str, Any] = {}
    for parameter in layer.case.parameters():
        flag = f"--{parameter.name}"
        texts = [text for word, text in itertools.pairwise(words) if word == flag]
        values = [parameter_values(parameter).convert(text, None, None) for text in texts]
        if values:
            given[parameter.name] = parameter.combine(values) if isinstance(parameter, ByName) else values[0]
    return given


def test_what_is_at_its_default_is_left_out_and_what_is_not_is_there() -> None:
    for layer in LAYERS.values():
        for case in layer.standard():
            command = replay_command(layer.command, case, "f", Settings())
            given = geometry_of(command, layer)
            assert given  # else the whole standard set would run
            assert list(Product(case=layer.case, values=given, seed=0)) == [case], command
    least = replay_command("convcheck", ConvCase(), "f", Settings())
    assert least == "convcheck f --N 4 --no-config"
    odd = replace(ConvCase(dilation=(1, 2)), dtype="float32", seed=3)
    assert replay_command("convcheck", odd, "f", Settings(method="dense", tol=50.0, step=1e-3, repeat=9)) == (
        "convcheck f --dilation 1x2 --dtype float32 --seed 3"
        " --method dense --tol 50 --step 0.001 --repeat 9 --no-config"
    )


def test_a_configuration_has_no_say(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer = layer_file(WRONG).name
    (result,) = report_of(convcheck(layer, *SMALL, "--json", "-"))["results"]
    general = "[tool.gradcheck]\nseed = 7\ndtype = 'float32'\ntol = 1e9\nfuzz = 3\n"
    geometry = "[tool.gradcheck.conv]\npad = 2\nstride = 3\n"
    (tmp_path / "pyproject.toml").write_text(general + geometry, encoding="utf-8")
    assert_same(result, tmp_path)


def test_an_error_is_repeated(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer = layer_file(("db = dout.sum(", "db = dout.summ("))
    (result,) = report_of(convcheck(layer, *SMALL, "--json", "-"))["results"]
    assert result["verdict"] == "error"
    assert_same(result, tmp_path)


@pytest.mark.parametrize("spec", one_in(2, ["course.layers", "course.layers:conv_forward,conv_backward"]))
def test_a_module_is_found_again(convcheck: Program, layer_file: LayerFile, tmp_path: Path, spec: str) -> None:
    layer_file(WRONG, name="course/layers.py")
    (result,) = report_of(convcheck(spec, *SMALL, "--json", "-"))["results"]
    assert result["command"].startswith("convcheck course.layers:conv_forward,conv_backward ")
    assert_same(result, tmp_path)


def test_one_case_of_many_is_repeated_alone(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer = layer_file(("pad : pad + H, pad : pad + W]", "1 : 1 + H, 1 : 1 + W]"))
    results = report_of(convcheck(layer.name, *SMALL, "--pad", "0..2", "--stride", "1,2", "--json", "-"))["results"]
    failed = [result for result in results if result["verdict"] == "fail"]
    assert 0 < len(failed) < len(results)
    assert_same(failed[-1], tmp_path)


def test_the_table_prints_the_command_of_the_json(convcheck: Program, layer_file: LayerFile) -> None:
    layer = layer_file(WRONG, name="my layers.py").name
    (result,) = report_of(convcheck(layer, *SMALL, "--json", "-"))["results"]
    lines = convcheck(layer, *SMALL).stdout.splitlines()
    assert [line for line in lines if line.startswith("replay: ")] == [f"replay: {result['command']}"]
