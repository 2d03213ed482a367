"""What calls do in worker processes: a module of its own, for a worker imports it, and should not import pytest."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from gradcheck_cli.results.result import CaseResult, Verdict

if TYPE_CHECKING:
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.engine.checker import Checker
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case


def by_seed(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    """Do as the seed says: 1 kills the worker at once, 2 hangs, 3 takes some time."""
    if case.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep({2: 1000, 3: 0.3}.get(case.seed, 0))
    return CaseResult(implementation="x", layer="conv", case=case, verdict=Verdict.PASS, reason=str(os.getpid()))


def hanging(case: Case, implementation: Implementation, settings: Settings) -> CaseResult:
    """Report every third seed as one that hung; another one does hang."""
    time.sleep(1000 if case.seed == 100 else 0)
    hung = case.seed % 3 == 0
    verdict, reason = (Verdict.ERROR, "stopped") if hung else (Verdict.PASS, None)
    return CaseResult(implementation="x", layer="conv", case=case, verdict=verdict, reason=reason, hung=hung)


def sleep(checker: Checker, seconds: float) -> None:
    time.sleep(seconds)


def fail_with(checker: Checker, message: str) -> None:
    raise ValueError(message)
