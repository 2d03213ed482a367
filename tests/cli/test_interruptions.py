"""A few of the interruptions that `python -m tests.interruptions` makes many of."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests.interruptions import CASES, SIGNALS, Bench

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")


@pytest.mark.long  # `test_exit_codes.py` interrupts runs, `test_bulk.py` resumes one
@pytest.mark.parametrize(
    ("jobs", "how"),
    [("1", "SIGTERM"), ("2", "thrice Ctrl-C"), ("2", "kill -9")],
)
def test_no_finished_result_is_lost_and_a_resumed_run_equals_an_uninterrupted_one(
    jobs: str, how: str, tmp_path: Path
) -> None:
    bench = Bench(tmp_path, "--jobs", jobs)
    wrong, finished = bench.interrupted(SIGNALS[how], 0.6 * bench.seconds)
    assert wrong == ""
    assert finished <= CASES
