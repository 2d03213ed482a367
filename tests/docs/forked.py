"""Runs a command line of the documentation in a copy of this process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from docs.pages import OWN, PACKAGE, environment, program, read, split
from docs.pages import run as start
from tests.program import run_program

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path


def run(command: str, folder: Path, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    if done := read(command, folder):
        return done
    if program(command) not in OWN or (folder / PACKAGE).exists():
        return start(command, folder, variables)
    own, words = split(command, folder)
    return run_program(words[0], words[1:], folder, environment(**own, **(variables or {})))
