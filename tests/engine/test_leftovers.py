"""Temporary files are removed if their process has ended, and was of this machine, this user and this program."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from gradcheck_cli.engine.leftovers import fresh_name, remove_leftovers

if TYPE_CHECKING:
    from pathlib import Path


def dead_process() -> int:
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_names_are_new_and_short() -> None:
    names = {fresh_name(".draft") for _ in range(100)}
    assert len(names) == 100
    assert max(map(len, names)) < 60


def test_only_what_dead_processes_left_is_removed(tmp_path: Path) -> None:
    dead = dead_process()
    ours = fresh_name(".draft")
    left = ours.replace(f"-{os.getpid()}-", f"-{dead}-")
    machine = left.split("-")[1]
    kept = [
        ours,  # of this process
        left.replace(machine, "0" * 8 if machine != "0" * 8 else "1" * 8),  # of another machine
        left.replace(".draft", ".other"),
        f"{left}.json",  # what somebody has made of it
        left[:-1],
        "results.json",
    ]
    for name in (left, *kept):
        (tmp_path / name).touch()
    folder = left[:-1] + ("0" if left[-1] != "0" else "1")
    (tmp_path / folder / "inner").mkdir(parents=True)
    link = left[:-2] + "aa" if left[-2:] != "aa" else left[:-2] + "bb"
    (tmp_path / link).symlink_to(tmp_path / "results.json")
    remove_leftovers(tmp_path, ".draft")
    assert {path.name for path in tmp_path.iterdir()} == {*kept, link}


def test_a_folder_that_is_not_there_has_no_leftovers(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "nowhere", ".draft")
