"""Runs interrupted at random moments, resumed, and compared with an uninterrupted one: nothing finished is lost.

    python -m tests.interruptions 100        # so many interruptions, and what came of them

Each is a signal (Ctrl-C once or several times, SIGTERM, kill -9) to a run in one process, in two, or on a Dask cluster.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import PROGRAMS, clean_environment

#: Wrong for some shapes, so that reports have something to say, and slow enough to be interrupted.
LAYER = """\
import time
import numpy as np


def relu_forward(x):
    time.sleep(0.002)
    return np.maximum(x, 0), x


def relu_backward(dout, x):
    dx = dout * (x > 0)
    return dx[:, :2] if x.shape[1] == 3 else dx
"""
CASES = 30
SHAPES = ",".join(f"{rows}x{columns}" for rows in range(1, 7) for columns in range(1, 6))
COMMAND = (PROGRAMS / "gradcheck", "relu", "layer.py", "--shape", SHAPES)

SIGNALS = {
    "Ctrl-C": [signal.SIGINT],
    "thrice Ctrl-C": [signal.SIGINT] * 3,
    "SIGTERM": [signal.SIGTERM],
    "kill -9": [signal.SIGKILL],
}
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGKILL: -9}


@dataclass(frozen=True)
class Ended:
    """How a run ended: its exit code, what it said, and the files that it left."""

    code: int
    stderr: str
    report: dict[str, Any] | None
    kept: list[dict[str, Any]]
    others: set[str]


class Bench:
    """A folder with a layer, and what an uninterrupted run finds in it."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.folder, self._flags = folder, flags
        (folder / "layer.py").write_text(LAYER, encoding="utf-8")
        started = time.monotonic()
        whole = self.run(lambda run: None)
        self.seconds = time.monotonic() - started
        assert whole.report is not None
        self.code, self.expected = whole.code, results(whole.report)
        assert (self.code, len(self.expected), len(whole.kept)) == (1, CASES, CASES), whole

    def run(self, interrupt: Any) -> Ended:
        """Start a run, let it be interrupted, and look at what it leaves."""
        with subprocess.Popen(
            [*COMMAND, *self._flags, "--resume", "kept.jsonl", "--json", "report.json", "--debug", "case.npz"],
            cwd=self.folder,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            interrupt(run)
            _, stderr = run.communicate(timeout=120)
        report, kept = self.folder / "report.json", self.folder / "kept.jsonl"
        lines = kept.read_bytes().split(b"\n")[1:-1] if kept.exists() else []
        known = {"layer.py", "report.json", "kept.jsonl", "case.npz"}
        return Ended(
            code=run.returncode,
            stderr=stderr,
            report=json.loads(report.read_text(encoding="utf-8")) if report.exists() else None,
            kept=[json.loads(line) for line in lines],
            others={path.name for path in self.folder.iterdir()} - known,
        )

    def clear(self) -> None:
        """Begin anew."""
        for name in "report.json", "kept.jsonl", "case.npz":
            (self.folder / name).unlink(missing_ok=True)

    def interrupted(self, signals: list[signal.Signals], moment: float) -> tuple[str, int]:
        """Interrupt a run, resume it, and return what is wrong with what was left, if anything, and what was finished.

        Args:
            signals: what is sent, one shortly after the other.
            moment: when, in seconds from its start.
        """
        self.clear()

        def interrupt(run: subprocess.Popen[str]) -> None:
            time.sleep(moment)
            for number in signals:
                run.send_signal(number)
                time.sleep(0.01)

        ended = self.run(interrupt)
        if wrong := self._fault(ended, signals[0]):
            return wrong, len(ended.kept)
        (self.folder / "report.json").unlink(missing_ok=True)
        resumed = self.run(lambda run: None)
        if resumed.code != self.code or resumed.report is None or results(resumed.report) != self.expected:
            return f"resumed, it ends otherwise: {resumed.code} {resumed.stderr[-500:]}", len(ended.kept)
        if len(resumed.kept) != CASES or resumed.kept[: len(ended.kept)] != ended.kept or resumed.others:
            return f"resumed, it leaves {len(resumed.kept)} results and {resumed.others}", len(ended.kept)
        return "", len(ended.kept)

    def _fault(self, ended: Ended, number: signal.Signals) -> str:
        """Say what is wrong with what an interrupted run left."""
        done = ended.code == self.code  # it came too late
        nothing = ended.report is None and not ended.kept and not ended.others
        if nothing and ended.code in (1, -number) and "gradcheck_cli/" not in ended.stderr:
            return ""  # Python was still starting
        if not done and ended.code != CODES[number]:
            return f"exit code {ended.code}: {ended.stderr[-500:]}"
        if "Traceback" in ended.stderr:
            return f"a traceback: {ended.stderr[-500:]}"
        if number == signal.SIGKILL:
            return ""
        if ended.others:
            return f"left {ended.others}"
        if ended.report is None:
            return "no report" if ended.kept or done else ""
        found = results(ended.report)
        if len(found) != len(ended.kept):
            return f"{len(found)} results in the report, {len(ended.kept)} in the results file"
        if any(one not in self.expected for one in found):
            return "a result that is another than without an interruption"
        return "results are missing" if done and found != self.expected else ""


def results(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of a report, without how long they took."""
    return [{name: value for name, value in result.items() if name != "seconds"} for result in report["results"]]


def campaign(interruptions: int, seed: int) -> int:
    """Interrupt runs of every kind, print what came of them, and return how many went wrong."""
    source = random.Random(seed)
    outcomes: Counter[str] = Counter()
    with ExitStack() as stack:
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        benches: dict[str, Bench] = {}
        ways = {"one job": (), "two jobs": ("--jobs", "2"), "Dask": ("--dask", cluster(stack, temporary))}
        for name, flags in ways.items():
            (temporary / name).mkdir()
            benches[name] = Bench(temporary / name, *flags)
        for number in range(1, interruptions + 1):
            where, how = source.choice(list(benches)), source.choice(list(SIGNALS))
            moment = source.uniform(0.1, benches[where].seconds + 0.1)
            wrong, finished = benches[where].interrupted(SIGNALS[how], moment)
            outcomes[f"{where}, {how}: {'WRONG' if wrong else 'right'}"] += 1
            told = f"{number} {where}, {how} after {moment:.2f} s, {finished} finished: {wrong or 'right'}"
            print(told, flush=True)  # noqa: T201
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:4} {outcome}")  # noqa: T201
    return sum(count for outcome, count in outcomes.items() if outcome.endswith("WRONG"))


def cluster(stack: ExitStack, folder: Path) -> str:
    """Start a Dask scheduler and two workers, and return its address."""
    from tests.engine.test_cluster import Local

    (folder / "cluster").mkdir()
    local = Local(folder / "cluster")
    stack.callback(local.close)
    for _ in range(2):
        local.add_worker()
    return local.address


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interruptions", type=int)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sys.exit(bool(campaign(asked.interruptions, asked.seed)))
