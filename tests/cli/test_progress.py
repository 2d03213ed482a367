"""The remaining time is estimated from the first result on, however long a case takes."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gradcheck_cli.cli import progress
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def left(line: progress.ProgressLine) -> float | None:
    """Return the seconds that the line says are left."""
    found = re.search(r"(?:(\d+):)?(\d+):(\d\d) left", line.text(200))
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    return 3600 * hours + 60 * minutes + seconds if found else None


def test_cases_of_half_a_minute_have_an_estimate_within_the_first_minute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = 0.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now))
    result: Any = SimpleNamespace(smallest=None, verdict=Verdict.PASS)
    with (tmp_path / "terminal").open("w", encoding="utf-8") as stream:
        line = progress.ProgressLine(stream, 100, iter(()))
        for tick in range(1, 1500):
            now = tick / 10
            if tick % 300 == 0:  # every 30 s
                line.add(result)
            line.draw()
            if tick < 300:
                assert left(line) is None
            else:
                right = 30 * (100 - now // 30)
                estimated = left(line)
                assert estimated is not None
                assert right <= estimated + 1 <= 2 * right + 60, now
        assert len(line._history) < 200  # however long it takes


def test_the_pace_is_that_of_the_last_seconds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = 0.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now))
    result: Any = SimpleNamespace(smallest=None, verdict=Verdict.PASS)
    with (tmp_path / "terminal").open("w", encoding="utf-8") as stream:
        line = progress.ProgressLine(stream, 10_000, iter(()))
        for tick in range(1, 600):  # 10 a second for half a minute, then 1
            now = tick / 10
            if tick < 300 or tick % 10 == 0:
                line.add(result)
            line.draw()
        assert re.search(r"(0.9|1.0)/s", line.text(200))  # and not the 5.5 since the start
