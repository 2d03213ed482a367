"""What runs in other people's CI: the steps of the action, and the hook."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import PROGRAMS, RELU, clean_environment

ROOT = Path(__file__).parent.parent
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["name"]: step for step in ACTION["runs"]["steps"] if "run" in step}
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))

#: Inputs that a shell would run, were they part of the script.
HOSTILE = ("$(touch ran)", "`touch ran`", "; touch ran;", "'; touch ran; '", "| tee ran")


TWICE = RELU.replace("return dout", "return 2 * dout")


def run_step(
    name: str, folder: Path, variables: Mapping[str, str] | None = None, /, **inputs: str
) -> subprocess.CompletedProcess[str]:
    """Run the script of a step, as GitHub does, with the inputs that are not given at their defaults."""
    values = {f"inputs.{key}": inputs.get(key, one.get("default", "")) for key, one in ACTION["inputs"].items()}
    values["github.action_path"] = str(ROOT)
    step = STEPS[name]
    environment = dict(variables or {})
    environment |= {
        key: re.sub(r"\$\{\{ (\S+) \}\}", lambda m: values[m[1]], text) for key, text in step["env"].items()
    }
    path = f"{folder / 'bin'}{os.pathsep}{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=folder,
        env=clean_environment(PATH=path, **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_input_is_part_of_a_script() -> None:
    assert set(STEPS) == {"Install", "Check"}
    for step in STEPS.values():
        assert "${{" not in step["run"]
        assert step["shell"] == "bash"


def test_the_action_installs_its_own_checkout(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > called\n', encoding="utf-8")
    python.chmod(0o755)
    assert run_step("Install", tmp_path).returncode == 0
    assert (tmp_path / "called").read_text(encoding="utf-8").split() == ["-m", "pip", "install", "--quiet", str(ROOT)]


def test_the_action_checks(tmp_path: Path) -> None:
    for name, text in {"a": RELU, "b": TWICE}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "layers.py").write_text(text, encoding="utf-8")
    right = run_step("Check", tmp_path, files="a/layers.py", args="--dtype float32")
    assert (right.returncode, right.stderr) == (0, "")
    both = run_step("Check", tmp_path, files="*/layers.py\n", layer="relu", format="markdown")
    assert both.returncode == 1
    assert "b/layers.py" in both.stdout
    assert "dx is 2 times the derivative" in both.stdout
    assert "|" in both.stdout


def test_without_a_format_the_action_annotates_and_writes_a_summary(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text(TWICE, encoding="utf-8")
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    run = run_step("Check", tmp_path, github, files="layers.py")
    assert run.returncode == 1
    assert re.search("^::error .*dx is 2 times the derivative", run.stdout, re.MULTILINE)
    assert "dx is 2 times the derivative" in (tmp_path / "summary.md").read_text(encoding="utf-8")


def test_inputs_are_never_code(tmp_path: Path) -> None:
    hostile = " ".join(HOSTILE)
    assert run_step("Check", tmp_path, files=hostile, layer=hostile, args=hostile, format=hostile).returncode == 2
    assert not (tmp_path / "ran").exists()


def test_the_hook_runs_an_installed_program_on_files_of_a_usual_name(tmp_path: Path) -> None:
    (hook,) = HOOKS
    assert shutil.which(hook["entry"], path=str(PROGRAMS))
    wanted = {"layers.py": True, "course/layers.py": True, "my_layers.py": False, "layers.pyc": False}
    assert {name: bool(re.search(hook["files"], name)) for name in wanted} == wanted
    (tmp_path / "layers.py").write_text(RELU, encoding="utf-8")
    run = subprocess.run(
        [PROGRAMS / hook["entry"], *hook["args"], "layers.py"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout) == (0, "pass 7/7 layers.py:relu_forward,relu_backward\n")
