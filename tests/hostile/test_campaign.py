"""Files that do what they can to pass, to hang, to crash the checker or to outlive it."""

from __future__ import annotations

import os
import time
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.engine.task import Task
from gradcheck_cli.guard import process
from gradcheck_cli.guard.descendants import children
from gradcheck_cli.guard.limits import Limits
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.result import Verdict
from tests.hostile.kinds import hostile_files
from tests.sampling import one_in

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

    from tests.hostile.kinds import Hostile

FILES = list(hostile_files())

#: Files are run in so many tests: an odd number, so that each has values that are returned as `out`, and as a gradient.
PARTS = 19


def result_of(file: Hostile, folder: Path) -> tuple[str, str]:
    path = folder / "layer.py"
    path.write_text(file.text, encoding="utf-8", errors="surrogatepass")
    spec = f"{path}:tanh_forward,tanh_backward"
    task = Task(spec=spec, layer="tanh", settings=Settings(), limits=Limits(seconds=file.seconds))
    checker = Checker()
    shape: dict[str, Any] = {"shape": (3,)}
    try:
        (result,) = checker.check(task, [LAYERS["tanh"].case(**shape)])
    finally:
        checker.close()
    assert result.bug is None, f"{file.name}: {result.bug}"
    assert result.reason is None or result.reason.isprintable(), file.name
    return result.verdict, result.reason or ""


def test_there_are_enough() -> None:
    assert len(FILES) > 200
    assert len({file.name for file in FILES}) == len(FILES)


def run_campaign(part: int, folder: Path, answers: Connection) -> None:
    """Check some of the files, in a process that has no other descendants."""
    process._MOST_SECONDS = 1.0  # what a forged clock can win
    wrong = {}
    for number, file in enumerate(FILES[part::PARTS]):
        own = folder / str(number)
        own.mkdir()
        started = time.monotonic()
        verdict, reason = result_of(file, own)
        if verdict not in (Verdict.FAIL, Verdict.ERROR) or time.monotonic() - started > 30:
            wrong[file.name] = f"{verdict}: {reason} after {time.monotonic() - started:.1f} s"
    answers.send((wrong, children(os.getpid())))


@pytest.mark.parametrize("part", one_in(PARTS, range(PARTS)))
def test_nothing_passes_hangs_or_stays(part: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    context = get_context("fork")
    received, answers = context.Pipe(duplex=False)
    campaign = context.Process(target=run_campaign, args=(part, tmp_path, answers))
    campaign.start()
    answers.close()
    wrong, left = received.recv()
    campaign.join()
    assert not wrong
    assert not left  # zombies neither
    assert capfd.readouterr() == ("", "")
