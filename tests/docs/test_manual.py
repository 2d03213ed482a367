"""The manual pages say what the programs do, and are pages that man can show."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from docs import manual
from docs.pages import DOCS
from gradcheck_cli.layers import TITLES

if TYPE_CHECKING:
    from tests.conftest import Program

PROGRAMS = ("convcheck", "gradcheck")


def test_the_pages_that_are_shipped_are_those_that_are_made() -> None:
    for program in PROGRAMS:
        shipped = (DOCS / f"{program}.1").read_text(encoding="utf-8")
        assert manual.page(program) == shipped, "write it anew: python -m docs.write"


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_page_has_all_flags_and_is_valid(convcheck: Program, gradcheck: Program, program: str) -> None:
    flags = "(?<![\\w-])--?[A-Za-z][\\w-]*"
    page = (DOCS / f"{program}.1").read_text(encoding="utf-8")
    shown = convcheck("--help") if program == "convcheck" else gradcheck("FILE.py", "--help")
    assert set(re.findall(flags, shown.stdout)) <= set(re.findall(flags, page.replace("\\-", "-")))
    if program == "gradcheck":
        assert all(f"\n.B {name}\n" in page.replace("\\-", "-") for name in TITLES)
    checkers = {"mandoc": ["-T", "lint", "-W", "warning"], "groff": ["-man", "-ww", "-z", "-K", "utf8"]}
    for checker, options in checkers.items():
        if shutil.which(checker):
            done = subprocess.run(
                [checker, *options, DOCS / f"{program}.1"], capture_output=True, text=True, check=False
            )
            remarks = [line for line in (done.stdout + done.stderr).splitlines() if "missing date" not in line]
            assert remarks == []  # a page with the day on which it was made would never be the same twice
