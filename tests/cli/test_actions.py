"""In GitHub Actions: annotations and a summary of the step without being asked, and no commands of user code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.conftest import SMALL
from tests.report.test_github import commands

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import LayerFile, Program

IN_ACTIONS = {"GITHUB_ACTIONS": "true"}
DOUBLED = ("return dx, dw, db", "return dx, 2 * dw, db")
PRINTS = """\
    print("::error::printed")
    print("  ::add-mask::a")
    print("##[warning]older")
    raise RuntimeError("raised\\n::error::raised\\n##[error]raised")
"""


def test_a_failure_is_annotated_and_summarized(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file(DOUBLED)
    (tmp_path / "summary.md").write_text("of an earlier command\n", encoding="utf-8")
    run = convcheck("layers.py", *SMALL, env=IN_ACTIONS | {"GITHUB_STEP_SUMMARY": "summary.md"})
    assert run.returncode == 1
    assert [name for name, _, _ in commands(run.stdout)] == ["error", "notice"]
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("of an earlier command\n### convcheck: FAIL\n")
    assert "```sh\nconvcheck layers.py:conv_forward,conv_backward --N 1 " in summary


def test_another_format_is_not_annotated(convcheck: Program, layer_file: LayerFile, tmp_path: Path) -> None:
    layer_file(DOUBLED)
    environment = IN_ACTIONS | {"GITHUB_STEP_SUMMARY": "summary.md"}
    for flags in ("--format", "table"), ("--json", "-"):
        run = convcheck("layers.py", *SMALL, *flags, env=environment)
        assert commands(run.stdout) == []
        if "table" not in flags:
            assert json.loads(run.stdout)["summary"]["fail"] == 1
    assert not (tmp_path / "summary.md").exists()
    run = convcheck("layers.py", *SMALL, "--markdown", "summary.md", env=environment)
    assert len(commands(run.stdout)) == 2
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").count("### convcheck: FAIL") == 1


def test_a_summary_that_cannot_be_written_is_a_warning(convcheck: Program) -> None:
    run = convcheck(*SMALL, env=IN_ACTIONS | {"GITHUB_STEP_SUMMARY": "no/such/summary.md"})
    assert run.returncode == 0
    assert run.stderr == (
        "Warning: the step's summary 'no/such/summary.md' cannot be written: No such file or directory; "
        "GITHUB_STEP_SUMMARY names it.\n"
    )


def test_user_code_makes_no_command(convcheck: Program, layer_file: LayerFile) -> None:
    layer_file(("    db = dout.sum(axis=(0, 2, 3))\n", PRINTS))
    for flags in (), ("-q",), ("--format", "table"), ("--json", "-"):
        run = convcheck("layers.py", *SMALL, *flags, env=IN_ACTIONS)
        assert run.returncode == 1
        expected = [] if len(flags) > 1 else ["error", "notice"]
        assert [name for name, _, _ in commands(run.stdout)] == expected
        assert commands(run.stderr) == []
        if "-q" not in flags:
            assert ": :error::printed\n" in run.stderr
    outside = convcheck("layers.py", *SMALL)
    assert "\n::error::printed\n" in outside.stderr
