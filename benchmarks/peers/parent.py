"""Starts a process for each tool and case, and makes an outcome of however it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.child import Figures
from gradcheck_cli.data.frozen import frozen

ROOT = Path(__file__).parents[2]


@frozen
class Outcome:
    """What became of one tool on one case: figures, or why there are none, or both if the faults took too long."""

    tool: str
    figures: Figures | None
    failure: str | None


def spawn(tool: str, case_number: int, dtype: str, timeout: float) -> Outcome:
    """Measure a tool on a case in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers", "--child"]
    command += ["--case", str(case_number), "--tool", tool, "--dtype", dtype, "--timeout", str(timeout)]
    failure = None
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
        try:
            said, _ = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            child.kill()
            said, _ = child.communicate()
            failure = f"over {timeout:g} s"
        if failure is None and child.returncode:
            failure = _death(child.returncode)
    return _outcome(tool, said, failure)


def _outcome(tool: str, said: str, failure: str | None) -> Outcome:
    figures = None
    for line in said.splitlines():
        if not line.startswith("{"):  # a library's own print
            continue
        facts = json.loads(line)
        if "failure" in facts:
            failure = facts["failure"]
        else:
            figures = Figures(**facts)
    return Outcome(tool=tool, figures=figures, failure=failure)


def _death(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
