"""A bug in the checker is an error of the case in which it is met: the others are reported, and the exit code is 4."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from gradcheck_cli.report.json import schema
from tests.conftest import SMALL, report_of
from tests.sampling import one_in

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.conftest import LayerFile, Program

#: Raises where a condition holds, in place of a function of the checker, and from a file of the checker's.
PLANT = """\
import gradcheck_cli
import {module} as module

original = module.{name}


def planted(*args, **kwargs):
    raise_where_planted({condition})
    return original(*args, **kwargs)


exec(compile(\"\"\"
def raise_where_planted(condition):
    if condition:
        raise RuntimeError('planted here')
\"\"\", gradcheck_cli.__file__, "exec"))
module.{name} = planted
"""

PASS_AND_FAIL = """\
import numpy as np


def {name}_forward(x):
    return np.tanh(x), x


def {name}_backward(dout, x):
    return {factor} * dout * (1 - np.tanh(x) ** 2)
"""


@pytest.fixture
def planted(tmp_path: Path) -> Any:
    """Plant a bug in every process that is started with the environment that is returned."""

    def plant(module: str, name: str, condition: str = "True") -> dict[str, str]:
        folder = tmp_path / "planted"
        folder.mkdir(exist_ok=True)
        text = PLANT.format(module=module, name=name, condition=condition)
        (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
        return {"PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])}

    return plant


def report_of_bug(run: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Check what holds after every bug: the exit code, one traceback and where to report it; return the JSON."""
    assert run.returncode == 4, run.stderr
    assert run.stderr.count("RuntimeError: planted here") == 1
    assert run.stderr.count("Traceback") == 1
    last = run.stderr.splitlines()[-1]
    assert "bug in the checker" in last
    assert "https://" in last
    report = report_of(run)
    jsonschema.validate(report, json.loads(schema()))
    return report


@pytest.mark.parametrize("jobs", one_in(2, ["1", "2"]))
@pytest.mark.parametrize("built_in", [True, False])
def test_in_a_check(convcheck: Program, layer_file: LayerFile, planted: Any, jobs: str, built_in: bool) -> None:
    env = planted("gradcheck_cli.checks.check", "compare_gradients", "args[0].problem.inputs['x'].shape[2] == 4")
    what = "naive" if built_in else layer_file(("db = dout.sum(", "db = 2 * dout.sum("))
    run = convcheck(what, *SMALL, "--H", "3,4,5", "--jobs", jobs, "--format", "json", env=env)
    results = report_of_bug(run)["results"]
    others = "pass" if built_in else "fail"
    assert [result["verdict"] for result in results] == [others, "error", others]
    assert results[1]["reason"] == "a bug in the checker: RuntimeError: planted here"
    assert "--H 4 " in results[1]["command"]


def test_the_table_is_shown_too(convcheck: Program, planted: Any, tmp_path: Path) -> None:
    env = planted("gradcheck_cli.checks.check", "compare_gradients", "args[0].problem.inputs['x'].shape[2] == 4")
    run = convcheck(*SMALL, "--H", "3,4", "--json", "report.json", env=env)
    assert run.returncode == 4
    assert "2 cases: 1 passed, 1 raised" in run.stdout
    assert "a bug in the checker: RuntimeError: planted here" in run.stdout
    assert "RuntimeError" in (tmp_path / "report.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("gradcheck_cli.checks.diagnosis.explain", "explain"),
        ("gradcheck_cli.checks.check", "try_duties"),
        ("gradcheck_cli.engine.checker", "sanitize"),
    ],
)
def test_wherever_it_is_met(convcheck: Program, layer_file: LayerFile, planted: Any, module: str, name: str) -> None:
    path = layer_file(("db = dout.sum(", "db = 2 * dout.sum("))
    run = convcheck(path, *SMALL, "--H", "4,5", "--format", "json", env=planted(module, name))
    report = report_of_bug(run)
    assert [result["verdict"] for result in report["results"]] == ["error", "error"]


def test_while_a_file_is_surveyed(gradcheck: Program, tmp_path: Path, planted: Any) -> None:
    (tmp_path / "right.py").write_text(PASS_AND_FAIL.format(name="tanh", factor=1))
    (tmp_path / "odd.py").write_text("def helper(a): pass\n")
    (tmp_path / "wrong.py").write_text(PASS_AND_FAIL.format(name="tanh", factor=2))
    env = planted("gradcheck_cli.engine.survey", "_take_inventory", "'odd' in args[1]")
    run = gradcheck("right.py", "odd.py", "wrong.py", "--format", "json", env=env)
    results = report_of_bug(run)["results"]
    verdicts = {result["implementation"].partition(".py")[0]: result["verdict"] for result in results}
    assert verdicts == {"odd": "error", "right": "pass", "wrong": "fail"}
    alone = gradcheck("odd.py", "--format", "json", env=env)
    (result,) = report_of_bug(alone)["results"]
    assert result["reason"] == "a bug in the checker: RuntimeError: planted here"


@pytest.mark.parametrize(
    ("name", "condition"),
    one_in(
        3,
        [
            ("find", "'odd' in args[0]"),
            ("take_inventory", "'odd' in args[0]"),
            ("examine", "'odd' in args[0].spec"),
        ],
    ),
)
def test_beside_user_code_it_is_an_error_of_the_file(
    gradcheck: Program, tmp_path: Path, planted: Any, name: str, condition: str
) -> None:
    for file, factor in {"odd": 1, "right": 1, "wrong": 2}.items():
        (tmp_path / f"{file}.py").write_text(PASS_AND_FAIL.format(name="tanh", factor=factor))
    env = planted("gradcheck_cli.engine.inside", name, condition)
    run = gradcheck("right.py", "odd.py", "wrong.py", "--format", "json", env=env)
    assert run.returncode == 1
    results = report_of(run)["results"]
    verdicts = {result["implementation"].partition(".py")[0]: result["verdict"] for result in results}
    assert verdicts == {"odd": "error", "right": "pass", "wrong": "fail"}
    reasons = {result["reason"] for result in results if result["verdict"] == "error"}
    assert reasons == {
        "the checker failed beside this code, which may have changed what both use (RuntimeError: planted here)"
    }


def test_while_a_case_is_made_smaller(convcheck: Program, layer_file: LayerFile, planted: Any) -> None:
    env = planted("gradcheck_cli.engine.failures", "shrink")
    path = layer_file(("db = dout.sum(", "db = 2 * dout.sum("))
    run = convcheck(path, "--fuzz", "3", "--format", "json", env=env)
    report = report_of_bug(run)
    assert report["summary"]["fail"] == 3
    (smallest,) = [result["smallest"] for result in report["results"] if "smallest" in result]
    assert smallest["note"].startswith("not shrunk: a bug in the checker")


def test_in_a_step_sweep(gradcheck: Program, planted: Any) -> None:
    env = planted("gradcheck_cli.checks.sweep", "call_forward")
    run = gradcheck("sweep", "conv", *SMALL, env=env)
    assert run.returncode == 4
    assert "a bug in the checker: RuntimeError: planted here" in run.stdout
    assert "https://" in run.stderr.splitlines()[-1]


def test_results_with_a_bug_are_not_kept(convcheck: Program, planted: Any, tmp_path: Path) -> None:
    env = planted("gradcheck_cli.checks.check", "compare_gradients", "args[0].problem.inputs['x'].shape[2] == 4")
    flags = (*SMALL, "--H", "3,4", "--resume", "kept.jsonl", "--format", "json")
    report_of_bug(convcheck(*flags, env=env))
    (tmp_path / "planted" / "sitecustomize.py").unlink()
    again = convcheck(*flags)
    assert (again.returncode, [r["verdict"] for r in report_of(again)["results"]]) == (0, ["pass", "pass"])


def test_sizes_that_no_machine_can_hold_are_no_bug(convcheck: Program, layer_file: LayerFile) -> None:
    for what in ("naive", layer_file()):
        run = convcheck(what, "--N", "1,99999999", "--H", "99999", "--W", "3,99999999", "--format", "json", "--H", "5")
        results = report_of(run)["results"]
        assert run.returncode == 1
        assert "bug" not in run.stderr
        assert {result["verdict"] for result in results} == {"pass", "error"}
