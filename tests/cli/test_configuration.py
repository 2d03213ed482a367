"""Values from pyproject.toml and GRADCHECK_* variables: which count, where they come from, and what is refused."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import click
import pytest

from gradcheck_cli.cli import commands
from gradcheck_cli.cli.configuration import ConfigurationError, find_file
from gradcheck_cli.cli.defaults import _TYPED_ONLY, _by_key, _keys_of
from gradcheck_cli.cli.defaults import configure as configure_command
from gradcheck_cli.cli.flags import request_flags
from gradcheck_cli.cli.request import Request
from gradcheck_cli.cli.values import FileName
from gradcheck_cli.layers import LAYERS, TITLES
from gradcheck_cli.report.formats import FORMATS, SWEEP_FORMATS
from tests.conftest import SMALL, clean_environment, report_of
from tests.program import run_program

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.conftest import LayerFile, Program


@pytest.fixture
def configure(tmp_path: Path) -> Path:
    """Return the configuration file of the folder in which programs run."""
    return tmp_path / "pyproject.toml"


def shown(run: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """Return the value and the source of each flag."""
    assert (run.returncode, run.stderr) == (0, "")
    rows = [line.split(None, 2) for line in run.stdout.splitlines() if line.startswith("-")]
    return {flag: rest for flag, *rest in rows}


def cases(run: subprocess.CompletedProcess[str]) -> list[str]:
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout.splitlines()


def refusal(run: subprocess.CompletedProcess[str]) -> str:
    """Return the error; it is a usage error of few lines, and nothing is on stdout."""
    assert (run.returncode, run.stdout) == (2, "")
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) <= 3
    return run.stderr


def test_a_flag_overrides_a_variable_and_a_variable_the_file(convcheck: Program, configure: Path) -> None:
    configure.write_text("[tool.gradcheck]\nseed = 1\n\n[tool.gradcheck.conv]\nseed = 2\n")
    variables = {"GRADCHECK_SEED": "3", "GRADCHECK_CONV_SEED": "4"}
    flag = ("--seed", "5")
    ladder = [
        ((), {}, "2", "pyproject.toml:5 [tool.gradcheck.conv] seed"),
        ((), {"GRADCHECK_SEED": "3"}, "3", "GRADCHECK_SEED"),
        ((), variables, "4", "GRADCHECK_CONV_SEED"),
        (flag, variables, "5", "command line"),
    ]
    for args, env, value, source in ladder:
        assert shown(convcheck(*args, "--show-config", env=env))["--seed"] == [value, source]
        report = report_of(convcheck(*args, "--N", "1", "--json", "-", env=env))
        assert {one["case"]["seed"] for one in report["results"]} == {int(value)}
    assert shown(convcheck("--show-config", "--no-config", env=variables))["--seed"] == ["0", "default"]


def test_the_file_of_a_layer_and_of_all_layers(gradcheck: Program, configure: Path) -> None:
    configure.write_text("[tool.gradcheck]\nN = 2\ndtype = 'float32'\n[tool.gradcheck.lstm-step]\nH = [1, 2]\n")
    assert len(cases(gradcheck("lstm-step", "--list-cases"))) == 2
    assert all(
        line.startswith("N 2 ") and line.endswith("float32") for line in cases(gradcheck("lstm-step", "--list-cases"))
    )
    assert len(cases(gradcheck("rnn-step", "--list-cases"))) == 1
    standard = len([*LAYERS["relu"].standard()])
    assert len(cases(gradcheck("relu", "--list-cases"))) == standard  # it has neither N nor H
    assert "not for this command: pyproject.toml:2 [tool.gradcheck] N" in gradcheck("relu", "--show-config").stdout


def test_values_of_toml_are_those_of_the_command_line(convcheck: Program, gradcheck: Program, configure: Path) -> None:
    pairs = {
        "stride = 2": ("--stride", "2"),
        "stride = [1, 2]": ("--stride", "1,2"),
        "stride = [[2, 1], 3]": ("--stride", "2x1,3"),
        'pad = "0..2"': ("--pad", "0..2"),
        'N = 2\ndtype = ["float16", "float64"]': ("--N", "2", "--dtype", "float16,float64"),
        'fuzz = 3\nshard = "1/2"': ("--fuzz", "3", "--shard", "1/2"),
    }
    for text, flags in pairs.items():
        configure.write_text(f"[tool.gradcheck.conv]\n{text}\n")
        assert cases(convcheck("--list-cases")) == cases(convcheck(*flags, "--list-cases", "--no-config"))
    configure.write_text('[tool.gradcheck.function]\nshape = {x = "2,3", w = [3, 4]}\n[tool.gradcheck]\nquiet = true\n')
    typed = ("--shape", "x=2,3", "--shape", "w=3,4", "--no-config")
    assert cases(gradcheck("function", "--list-cases")) == cases(gradcheck("function", *typed, "--list-cases"))
    env = {"GRADCHECK_SHAPE": "x=2,3 w=3,4", "GRADCHECK_QUIET": "false"}
    configure.write_text("[tool.gradcheck]\nquiet = true\n")
    assert cases(gradcheck("function", "--list-cases", env=env)) == cases(gradcheck("function", *typed, "--list-cases"))
    assert shown(gradcheck("relu", "--show-config", env=env | {"GRADCHECK_SHAPE": "2x3"}))["--quiet"][0] == "off"


def refused(layer: str = "conv") -> str:
    """Configure the command of a layer in this folder, and return the error."""
    command = commands.layer_command("gradcheck", layer)
    with pytest.raises(ConfigurationError) as error:
        configure_command(click.Context(command), layer, find_file())
    return str(error.value)


def test_what_is_wrong_is_named_with_its_place(
    convcheck: Program, configure: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(configure.parent)
    wrong = {
        "[tool.gradcheck]\nsed = 1": "pyproject.toml:2 [tool.gradcheck] sed: there is no flag 'sed' (is it seed",
        "[tool.gradcheck.conv]\n\nstrid = 1": "pyproject.toml:3 [tool.gradcheck.conv] strid: conv has no flag 'strid'",
        "[tool.gradcheck.lstm]\nstride = 1": "lstm has no flag 'stride'",
        "[tool.gradcheck.lstm]\nN = 0": "pyproject.toml:2 [tool.gradcheck.lstm] N: '0': N must be at least 1",
        "[tool.gradcheck.cnov]\npad = 1": "pyproject.toml:1 [tool.gradcheck] cnov: there is no flag 'cnov' (is it conv",
        "[tool.gradcheck]\nconv = 1": "[tool.gradcheck] conv: a layer has a table",
        "[tool]\ngradcheck = 1": "tool.gradcheck is not a table",
        "[tool.gradcheck]\nseed = true": "[tool.gradcheck] seed: 'true' is not a whole number",
        "[tool.gradcheck]\nseed = 2026-11-27": "[tool.gradcheck] seed: a date or a time is no value here",
        "[tool.gradcheck]\nseed = {a = 1}": "[tool.gradcheck] seed: a table is no value here",
        "[tool.gradcheck]\ntol = nan": "[tool.gradcheck] tol: 'nan' is not a finite number above 0",
        "[tool.gradcheck]\ntol = -1": "[tool.gradcheck] tol: '-1' is not",
        "[tool.gradcheck]\nmethod = 'quick'": "[tool.gradcheck] method: 'quick' is not one of",
        "[tool.gradcheck]\nquiet = 3": "[tool.gradcheck] quiet: '3' is neither true nor false",
        "[tool.gradcheck]\nquiet = 2026-11-27": "[tool.gradcheck] quiet: a date or a time is no value here",
        "[tool.gradcheck]\nlist-cases = true": "--list-cases can only be typed",
        "[tool.gradcheck]\nno_config = true": "--no-config can only be typed",
        "[tool.gradcheck]\nseed = 1\nseed = 2": "pyproject.toml is not valid TOML",
        "[tool.gradcheck]\nseed = " + "9" * 5000: "pyproject.toml is not valid TOML",
        "[tool.gradcheck]\nseed = " + "[" * 5000: "pyproject.toml",
        '[tool.gradcheck]\n"\\u001b[31m\\u202e" = 1': "there is no flag",
    }
    for text, said in wrong.items():
        configure.write_text(text + "\n")
        assert said in refused(), text
    error = refusal(convcheck("--list-cases"))  # with the last of these, which has control characters in it
    assert not {"\x1b", "\u202e"} & {*error}
    assert cases(convcheck("--list-cases", "--no-config"))
    assert convcheck("--help").returncode == 0  # whatever the configuration is
    configure.write_bytes(b"[tool.gradcheck]\nseed = '\xff'\n")
    assert "is not valid TOML" in refusal(convcheck())


def test_a_wrong_variable_is_named(
    convcheck: Program, gradcheck: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, said in {
        "GRADCHECK_SED": "GRADCHECK_SED: there is no flag 'sed' (is it seed",
        "GRADCHECK_CONV_STRID": "GRADCHECK_CONV_STRID: conv has no flag 'strid' (is it stride",
        "GRADCHECK_LSTM_STRIDE": "lstm has no flag 'stride'",
        "GRADCHECK_STRIDE": "GRADCHECK_STRIDE: '-1': stride must be at least 1",
        "GRADCHECK_VERSION": "--version can only be typed",
        "GRADCHECK_": "there is no flag ''",
    }.items():
        with monkeypatch.context() as variables:
            variables.setenv(name, "-1")
            assert said in refused(), name
    assert "GRADCHECK_SED" in refusal(convcheck(env={"GRADCHECK_SED": "1"}))
    assert cases(convcheck("--list-cases", env={"GRADCHECK_SED": "", "GRADCHECK_N": ""}))  # not set
    assert cases(gradcheck("relu", "--list-cases", env={"GRADCHECK_STRIDE": "-1"}))  # relu has none


def test_the_nearest_file_with_the_table_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    (tmp_path / "pyproject.toml").write_text("[tool.gradcheck]\nseed = 1\n")
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'gradcheck'\n")
    found = find_file()
    assert found is not None
    assert (found.path, [entry.value for entry in found.entries]) == (str(tmp_path / "pyproject.toml"), [1])
    (inner / "pyproject.toml").write_text("tool.gradcheck.seed = 2  # in TOML the same\n")
    nearest = find_file()
    assert nearest is not None
    assert nearest.path == str(inner / "pyproject.toml")
    (inner / "pyproject.toml").write_text("gradcheck [\n")
    with pytest.raises(ConfigurationError, match="is not valid TOML"):
        find_file()
    (inner / "pyproject.toml").write_text("without it [\n")
    assert find_file() == found


def test_the_folder_of_what_is_checked_does_not_count(
    convcheck: Program, layer_file: LayerFile, tmp_path: Path
) -> None:
    layer_file(("return dx, dw, db", "return 2 * dx, dw, db"), name="theirs/layers.py")
    (tmp_path / "theirs" / "pyproject.toml").write_text("[tool.gradcheck]\nsed = 3\ntol = 1e300\n")
    assert convcheck("theirs/layers.py", "--N", "1").returncode == 1


def test_files_are_relative_to_the_file_that_names_them(tmp_path: Path, layer_file: LayerFile) -> None:
    layer_file(name="inner/layers.py")
    (tmp_path / "adapt.py").write_text("def adapt(module):\n    return module.conv_forward, module.conv_backward\n")
    text = '[tool.gradcheck]\njson = "out.json"\nadapter = "adapt.py:adapt"\n[tool.gradcheck.conv]\nN = 1\n'
    (tmp_path / "pyproject.toml").write_text(text)
    variables = {"GRADCHECK_RESUME": "kept.jsonl"}
    run = run_program("convcheck", ["layers.py"], tmp_path / "inner", clean_environment(**variables))
    assert (run.returncode, run.stderr) == (0, "")
    assert json.loads((tmp_path / "out.json").read_text())["summary"]["verdict"] == "pass"
    assert (tmp_path / "inner" / "kept.jsonl").exists()
    assert (tmp_path / "inner" / "kept.jsonl").read_text().count("../adapt.py:adapt") >= 1
    built_in = run_program("convcheck", ["-q"], tmp_path / "inner", clean_environment())
    assert built_in.returncode == 0  # the adapter is for what is named


def test_every_format_that_writes_a_file_knows_that_it_is_one() -> None:
    flags = _by_key(request_flags(Request, (*FORMATS, *SWEEP_FORMATS)))
    paths = {one.name for one in (*FORMATS, *SWEEP_FORMATS) if one.help} | {"resume", "adapter"}
    assert paths == {key for key, flag in flags.items() if isinstance(flag.type, FileName)} - {"since"}


def test_what_is_typed_replaces_what_it_excludes(convcheck: Program, configure: Path) -> None:
    configure.write_text('[tool.gradcheck]\nquiet = true\njson = "-"\ndask = "tcp://127.0.0.1:1"\n')
    assert "rel error" in convcheck("-v", "--format", "table", "--jobs", "2", "--N", "1").stdout
    assert report_of(convcheck("--jobs", "2", "--N", "1"))["summary"]["verdict"] == "pass"
    assert (
        "rel error" in convcheck("--format", "table", "--jobs", "2", "--N", "1", env={"GRADCHECK_VERBOSE": "1"}).stdout
    )
    configure.write_text("[tool.gradcheck]\nquiet = true\nverbose = true\n")
    error = refusal(convcheck())
    assert "-q and -v contradict each other" in error
    assert "-q is set by pyproject.toml:2 [tool.gradcheck] quiet" in error


def test_an_error_says_where_a_flag_that_was_not_typed_comes_from(convcheck: Program, configure: Path) -> None:
    configure.write_text('[tool.gradcheck]\njson = "nowhere/out.json"\n')
    error = refusal(convcheck())
    assert "'nowhere/out.json' cannot be written" in error
    assert "--json is set by pyproject.toml:2 [tool.gradcheck] json" in error
    assert "is set by" not in refusal(convcheck("--json", "elsewhere/out.json"))


def test_show_config_shows_every_flag_and_does_nothing(convcheck: Program, gradcheck: Program, configure: Path) -> None:
    configure.write_text('[tool.gradcheck]\njson = "out.json"\n')
    rows = shown(convcheck("no_such_file.py", "--show-config"))
    in_help = commands.layer_command("convcheck", "conv").params
    flags = {one.opts[-1] for one in in_help if isinstance(one, click.Option)}
    assert set(rows) == flags - {"--show-config", "--no-config", "--version", "--help"}
    assert not (configure.parent / "out.json").exists()
    assert shown(gradcheck("--show-config"))["--json"] == ["out.json", "pyproject.toml:2 [tool.gradcheck] json"]
    assert "--plot" in shown(gradcheck("sweep", "conv", "--show-config"))
    assert "configuration file: none" in convcheck("--show-config", "--no-config").stdout


def test_without_files_there_is_nothing_to_check(gradcheck: Program) -> None:
    assert "Missing argument" in refusal(gradcheck("--jobs", "2"))


def test_no_name_of_a_layer_is_one_of_a_flag() -> None:
    """Else a table and a key would mean two things; and each variable has to mean one."""
    keys = {*_by_key(request_flags(Request, (*FORMATS, *SWEEP_FORMATS))), *_TYPED_ONLY, *_keys_of(TITLES)}
    assert not keys & {*TITLES}
    upper = [key.replace("-", "_").upper() for key in keys]
    assert len(upper) == len(set(upper))


def test_a_replay_gives_the_same_result_whatever_is_configured(
    convcheck: Program, layer_file: LayerFile, configure: Path
) -> None:
    layer = layer_file(("return dx, dw, db", "return dx, 2 * dw, db"))
    before = report_of(convcheck(layer.name, *SMALL, "--pad", "0,1", "--dtype", "float32", "--json", "-"))
    configure.write_text(
        "[tool.gradcheck]\nseed = 7\ntol = 1e300\nstep = 10\nmethod = 'dense'\nfuzz = 9\nshard = '1/9'\n"
        "max-failures = 1\nskip-duty = 'deterministic'\ndtype = 'float16'\nquiet = true\nadapter = 'no.py:f'\n"
        "[tool.gradcheck.conv]\nN = [8, 9]\nstride = 3\ngroups = 3\n"
    )
    for result in before["results"]:
        program, *words = shlex.split(result["command"])
        assert program == "convcheck"
        if "--no-config" not in words:
            words.append("--no-config")  # until every replay command has it
        (again,) = report_of(convcheck(*words, "--json", "-", env={"GRADCHECK_TOL": "1e300"}))["results"]
        assert {**again, "seconds": 0} == {**result, "seconds": 0}
