"""A course in one run: every submission gets its verdict, whatever it does, and all reports agree."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.readers import ALL_REPORTS, disagreements
from tests.report.test_github import commands
from tests.submissions import BAD, NAMES, write_submissions, wrong_rows

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Program

KINDS = ["right", "doubled", "inverted mask", *BAD, "no Python"]


@pytest.mark.long
def test_a_course_of_hostile_submissions(gradcheck: Program, tmp_path: Path) -> None:
    assert len(KINDS) == len(NAMES)
    submissions = write_submissions(tmp_path, KINDS, ("affine", "relu"))
    run = gradcheck(
        *(one.path.relative_to(tmp_path) for one in submissions),
        *(*ALL_REPORTS, "--jobs", "2", "--timeout", "2"),
        env={"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": "summary.md"},
    )
    assert run.returncode == 1
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert wrong_rows(submissions, tmp_path, report) == []
    assert disagreements(tmp_path) == []
    assert [name for name, _, _ in commands(run.stdout)] == ["error"] * 10 + ["notice"]
    assert commands(run.stderr) == []
    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == (tmp_path / "report.md").read_text(encoding="utf-8")
