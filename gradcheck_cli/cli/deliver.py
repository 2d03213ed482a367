"""Hands results to reports, one after the other, and has each report put its file in place when the run is over."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import click

from gradcheck_cli.cli.bugs import report_bug
from gradcheck_cli.cli.output import show_printed
from gradcheck_cli.cli.streams import OutputError
from gradcheck_cli.engine import interrupts
from gradcheck_cli.engine.stream import LostError
from gradcheck_cli.results.result import Summary, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator

    from gradcheck_cli.cli.progress import Progress
    from gradcheck_cli.report.report import Look, Report
    from gradcheck_cli.results.result import CaseResult, Run


class Target(Protocol):
    """Where a report is written: a file, or stdout."""

    def commit(self) -> None:
        """Make sure that what was written has arrived.

        Raises:
            OutputError: it cannot be.
        """


@dataclass(kw_only=True)
class Delivery:
    """A report and where it is written; one that fails takes no other along."""

    report: Report
    target: Target
    error: Exception | None = field(default=None, init=False)  #: what became of it, if it failed

    def case(self, result: CaseResult) -> None:
        """Hand over one result."""
        if self.error is None:
            try:
                self.report.case(result)
            except Exception as error:  # noqa: BLE001  # raised when all others are written
                self.error = error

    def finish(self, summary: Summary) -> None:
        """Have the report written, and put it in its place."""
        if self.error is None:
            try:
                self.report.finish(summary)
                self.target.commit()
            except Exception as error:  # noqa: BLE001  # raised when all others are written
                self.error = error


def deliver(
    results: Generator[CaseResult], deliveries: list[Delivery], shown: Progress, look: Look, run: Run
) -> Summary:
    """Hand every result to every report, and have them written, whatever ends the run.

    Raises:
        OutputError: a report could not be written; all others are.
        Exception: there was a bug; what was finished by then is reported.
    """
    started = time.perf_counter()
    verdicts: Counter[Verdict] = Counter()
    ways = 0
    warned: set[str] = set()
    bugs: list[str] = []  # their tracebacks
    told: set[str] = set()  # of these the prints were shown: those of a first error are enough
    interrupted = False
    lost: LostError | None = None
    bug: Exception | None = None

    def report(result: CaseResult) -> None:
        nonlocal ways
        if result.warnings or result.output:
            shown.clear()
        for warning in result.warnings:
            if warning not in warned:
                warned.add(warning)
                click.echo(f"Warning: {warning}.", err=True)
        for one in deliveries:
            one.case(result)
        first = result.implementation not in told and run.shows(result)
        if look.verbose or (look.show != "grades" and first):
            show_printed(result, verbose=look.verbose)
            told.update({result.implementation} if result.verdict is Verdict.ERROR else ())
        verdicts[result.verdict] += result.smallest is None
        ways += result.smallest is not None
        bugs.extend([result.bug] if result.bug else [])
        shown.told(result)

    try:
        for result in results:
            report(result)
    except KeyboardInterrupt:  # what was finished has come before it
        interrupted = True
    except LostError as error:
        lost = error
    except click.ClickException:  # the only implementation cannot be found: nothing is written
        raise
    except Exception as error:  # noqa: BLE001  # raised when all is written
        bug = error
    finally:
        results.close()
    shown.clear()
    interrupted = interrupted or interrupts.received() is not None
    summary = Summary(
        counts={verdict: verdicts[verdict] for verdict in Verdict},
        seconds=time.perf_counter() - started,
        interrupted=interrupted,
        stopped=not (interrupted or lost or bug) and verdicts.total() < run.cases,
        workers_lost=not interrupted and bool(lost or bug),
        bugs=len(bugs),
        signatures=ways or None,
    )
    for one in deliveries:
        one.finish(summary)
    if lost:
        missing = run.cases - verdicts.total()
        click.echo(f"Error: {lost}: {missing} of {run.cases} cases were not run.", err=True)
    _raise_first([bug, *(one.error for one in deliveries)])
    if bugs:
        report_bug(bugs[0])
    return summary


def _raise_first(errors: list[Exception | None]) -> None:
    """Raise the first bug, or else the first error of another kind; of the others say what they were."""
    found = [error for error in errors if error is not None]
    bugs = [error for error in found if not isinstance(error, OutputError)]
    if not found:
        return
    first, *others = bugs or found
    for other in others:
        click.echo(f"Error: {other}.", err=True)
    raise first
