"""Delivers results to the reports, and has each report finished, whatever ends the run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator
from typing import Protocol

import click

from gradcheck_cli.cli.about import report_bug
from gradcheck_cli.cli.progress import ProgressLine
from gradcheck_cli.cli.streams import OutputError
from gradcheck_cli.engine import interrupts
from gradcheck_cli.engine.engine import WorkersLostError
from gradcheck_cli.report.formats import DisplayOptions, Report
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.results.run import Origin, Run, Summary


class Output(Protocol):
    """Where a report is written."""

    def commit(self) -> None:
        """Put what was written in its place.

        Raises:
            OutputError: it cannot be.
        """


class Delivery:
    """A report and where it is written. What it raises is kept, so that the other reports are written."""

    def __init__(self, report: Report, output: Output) -> None:
        self.report, self.output = report, output
        self.error: Exception | None = None

    def add(self, result: CaseResult) -> None:
        """Add one result to the report."""
        self._attempt(lambda: self.report.add(result))

    def finish(self, summary: Summary) -> None:
        """Finish the report, put it in its place, and show its remark on stderr."""

        def finish() -> None:
            remark = self.report.finish(summary)
            self.output.commit()
            if remark:
                click.echo(remark, err=True)

        self._attempt(finish)

    def _attempt(self, step: Callable[[], None]) -> None:
        if self.error is None:
            try:
                step()
            except Exception as error:  # noqa: BLE001  # raised when all others are written
                self.error = error


class Notes:
    """What stands on stderr beside the reports: warnings, and what implementations print."""

    def __init__(self, options: DisplayOptions, run: Run) -> None:
        self._options, self._run = options, run
        self._warned: set[str] = set()
        self._raised: set[str] = set()  # implementations of which the prints of an error were shown

    def add(self, result: CaseResult) -> None:
        """Show each warning once, and prints if verbose or at the first error of each implementation."""
        for warning in result.warnings:
            if warning not in self._warned:
                self._warned.add(warning)
                click.echo(f"Warning: {warning}.", err=True)
        raised = result.verdict is Verdict.ERROR and self._run.shows(result)
        first = raised and self._options.show != "grades" and result.implementation not in self._raised
        if first:
            self._raised.add(result.implementation)
        if result.output and (first or self._options.verbose):
            click.echo(f"{result.implementation} printed, in {result.case.label()}:\n{result.output}", err=True)


def deliver(
    results: Generator[CaseResult],
    deliveries: list[Delivery],
    line: ProgressLine,
    options: DisplayOptions,
    run: Run,
    origin: Callable[[], Origin] | None = None,
) -> Summary:
    """Deliver every result to every report, finish the reports, and summarize the run.

    Args:
        results: of all cases.
        deliveries: the reports.
        line: shows progress.
        options: how much is shown.
        run: what was known before.
        origin: says at the end of the run what the results depend on, if a report has that.

    Raises:
        OutputError: a report could not be written; all others are.
        Exception: there was a bug; what was finished by then is reported.
    """
    started = time.perf_counter()
    counts: Counter[Verdict] = Counter()
    carried_over, bugs, notes = 0, [], Notes(options, run)
    interrupted, lost, bug = False, None, None
    try:
        for result in results:
            if result.warnings or result.output:
                line.clear()
            notes.add(result)
            for one in deliveries:
                one.add(result)
            counts[result.verdict] += result.smallest is None
            carried_over += result.carried_over
            bugs += [result.bug] if result.bug else []
            line.add(result)
    except KeyboardInterrupt:  # it comes after what was finished
        interrupted = True
    except WorkersLostError as error:
        lost = error
    except click.ClickException:  # the only implementation cannot be found: nothing is written
        raise
    except Exception as error:  # noqa: BLE001  # raised when all reports are written
        bug = error
    finally:
        results.close()
    line.clear()
    interrupted = interrupted or interrupts.received() is not None
    summary = Summary(
        counts={verdict: counts[verdict] for verdict in Verdict},
        seconds=time.perf_counter() - started,
        interrupted=interrupted,
        stopped=not (interrupted or lost or bug) and counts.total() < run.cases,
        workers_lost=not interrupted and bool(lost or bug),
        bugs=len(bugs),
        carried_over=carried_over,
        origin=origin() if origin else None,
    )
    for one in deliveries:
        one.finish(summary)
    if lost:
        click.echo(f"Error: {lost}: {run.cases - summary.cases} of {run.cases} cases were not run.", err=True)
    _raise_first([bug, *(one.error for one in deliveries)])
    if bugs:
        report_bug(bugs[0])
    return summary


def _raise_first(errors: list[Exception | None]) -> None:
    """Raise the first bug, or else the first error of another kind; show the others."""
    found = [error for error in errors if error is not None]
    bugs = [error for error in found if not isinstance(error, OutputError)]
    if not found:
        return
    first, *others = bugs or found
    for other in others:
        click.echo(f"Error: {other}.", err=True)
    raise first
