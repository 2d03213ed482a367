"""Hands results to reports, one after the other and each wholly, whenever Ctrl-C comes."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from gradcheck_cli.cli.output import show_printed
from gradcheck_cli.result import Summary, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from types import FrameType

    from gradcheck_cli.cli.progress import Progress
    from gradcheck_cli.report.report import Look, Report
    from gradcheck_cli.result import CaseResult


def deliver(results: Generator[CaseResult], reports: list[Report], shown: Progress, look: Look) -> Summary:
    """Hand every result to every report; on Ctrl-C, what there is."""
    started = time.perf_counter()
    verdicts: list[Verdict] = []
    warned: set[str] = set()
    told: set[str] = set()  # of these the prints were shown: those of a first error are enough
    interrupted = False

    def report(result: CaseResult) -> None:
        if result.warnings or result.output:
            shown.clear()
        for warning in result.warnings:
            if warning not in warned:
                warned.add(warning)
                click.echo(f"Warning: {warning}.", err=True)
        for one in reports:
            one.case(result)
        if look.verbose or (look.show != "grades" and result.implementation not in told):
            show_printed(result, verbose=look.verbose)
            told.update({result.implementation} if result.verdict is Verdict.ERROR else ())
        verdicts.append(result.verdict)
        shown.told(result)

    try:
        for result in results:
            with undivided():
                report(result)
    except KeyboardInterrupt:
        interrupted = True
        for result in _left(results):
            with undivided():
                report(result)
    finally:
        results.close()
    shown.clear()
    summary = Summary.of(verdicts, seconds=time.perf_counter() - started, interrupted=interrupted)
    for one in reports:
        one.finish(summary)
    return summary


def _left(results: Generator[CaseResult]) -> Generator[CaseResult]:
    """Interrupt a run, and yield what was finished before its turn came."""
    try:
        yield results.throw(KeyboardInterrupt)
        yield from results
    except KeyboardInterrupt:  # there is no more
        return


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
