"""The remaining time is estimated from the first result on, however long a case takes."""

from __future__ import annotations

import re
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gradcheck_cli import ConvCase
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.cli import progress
from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.engine.tally import Tally
from gradcheck_cli.engine.task import Task
from gradcheck_cli.guard.limits import Limits
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
            if tick < 300:
                assert left(line) is None
            else:
                right = 30 * (100 - now // 30)
                estimated = left(line)
                assert estimated is not None
                assert right <= estimated + 1 <= 2 * right + 60, now


def test_a_single_case_has_an_estimate_from_its_calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    now = 0.0
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now))
    with (tmp_path / "terminal").open("w", encoding="utf-8") as stream:
        line = progress.ProgressLine(stream, 1, iter(()), lambda: now // 10 / 60)  # a call every 10 s, and 60 of them
        for tick in range(1, 5000):
            now = tick / 10
            if now >= 10:
                estimated = left(line)
                assert estimated is not None
                right = 10 * (60 - now // 10)
                assert 0.9 * right <= estimated + 10 <= 2 * right + 60, now


def test_how_many_calls_a_case_makes_is_known_from_its_sizes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from_repository = "from gradcheck_cli.layers.conv.naive import conv_forward_naive, conv_backward_naive\n"
    (tmp_path / "mine.py").write_text(from_repository, encoding="utf-8")
    shares: list[float] = []

    def clear(tally: Tally) -> None:
        shares.append(tally.share_done())  # at the end of a case
        original(tally)

    for spec in ("fast", f"{tmp_path / 'mine.py'}:conv_forward_naive,conv_backward_naive"):
        for dtype in ("float64", "float16"):
            task = Task(spec=spec, layer="conv", settings=Settings(), limits=Limits(seconds=60))
            with closing(Checker()) as checker, monkeypatch.context() as patched:
                original = Tally.clear
                patched.setattr(Tally, "clear", clear)
                results = checker.check(task, [ConvCase(N=2, dtype=dtype)] * 2)
            assert all(result.passed for result in results), results[0].summary()
            assert checker.tally.share_done() == 0
    assert len(shares) == 8
    assert all(0.8 < share <= 1 for share in shares), shares
