"""Hands results to reports, one after the other and each wholly, whenever Ctrl-C comes."""

from __future__ import annotations

import contextlib
import signal
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from gradcheck_cli.cli.bugs import report_bug
from gradcheck_cli.cli.output import show_printed
from gradcheck_cli.engine.stream import rest
from gradcheck_cli.result import Summary, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import FrameType

    from gradcheck_cli.cli.progress import Progress
    from gradcheck_cli.report.report import Look, Report
    from gradcheck_cli.result import CaseResult, Run


def deliver(results: Generator[CaseResult], reports: list[Report], shown: Progress, look: Look, run: Run) -> Summary:
    """Hand every result to every report; on Ctrl-C, what there is."""
    started = time.perf_counter()
    verdicts: Counter[Verdict] = Counter()
    ways = 0
    warned: set[str] = set()
    bugs: list[str] = []  # their tracebacks
    told: set[str] = set()  # of these the prints were shown: those of a first error are enough
    interrupted = False

    def report(result: CaseResult) -> None:
        nonlocal ways
        if result.warnings or result.output:
            shown.clear()
        for warning in result.warnings:
            if warning not in warned:
                warned.add(warning)
                click.echo(f"Warning: {warning}.", err=True)
        for one in reports:
            one.case(result)
        first = result.implementation not in told and run.tells(result)
        if look.verbose or (look.show != "grades" and first):
            show_printed(result, verbose=look.verbose)
            told.update({result.implementation} if result.verdict is Verdict.ERROR else ())
        verdicts[result.verdict] += result.smallest is None
        ways += result.smallest is not None
        bugs.extend([result.bug] if result.bug else [])
        shown.told(result)

    try:
        for result in results:
            with undivided():
                report(result)
    except KeyboardInterrupt:
        interrupted = True
        for result in _until_interrupted(rest(results)):
            with undivided():
                report(result)
    finally:
        results.close()
    shown.clear()
    summary = Summary(
        counts={verdict: verdicts[verdict] for verdict in Verdict},
        seconds=time.perf_counter() - started,
        interrupted=interrupted,
        stopped=not interrupted and verdicts.total() < run.cases,
        bugs=len(bugs),
        ways=ways or None,
    )
    for one in reports:
        one.finish(summary)
    if bugs:
        report_bug(bugs[0])
    return summary


def _until_interrupted(results: Generator[CaseResult]) -> Generator[CaseResult]:
    with contextlib.suppress(KeyboardInterrupt):  # there is no more
        yield from results


@contextmanager
def undivided() -> Iterator[None]:
    """Let Ctrl-C wait until the block is done: a result is reported wholly or not at all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background: nothing will come
        yield
        return
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        came.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
