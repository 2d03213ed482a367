"""From the request to the exit code: cases, through the engine, to reports."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, TextIO, cast

import click

from gradcheck_cli.cli.about import versions
from gradcheck_cli.cli.deliver import Delivery, deliver
from gradcheck_cli.cli.executors import open_engine
from gradcheck_cli.cli.exit_codes import exit_code
from gradcheck_cli.cli.outputs import Stdout, open_files, reserved_stdout
from gradcheck_cli.cli.plan import Assignment, Plan, list_cases, plan_layer, refuse_impossible
from gradcheck_cli.cli.progress import progress
from gradcheck_cli.cli.request import MANY_CASES, Request
from gradcheck_cli.cli.results_file import open_results_file
from gradcheck_cli.cli.streams import terminal_width, wants_color
from gradcheck_cli.engine import interrupts
from gradcheck_cli.engine.checker import Checker
from gradcheck_cli.engine.engine import Engine, Memory, WorkerDiedError
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.report.formats import DisplayOptions, Format, make_report
from gradcheck_cli.results.result import CaseResult
from gradcheck_cli.results.run import Run
from gradcheck_cli.text.workflow_commands import DefusedStream, in_actions

if TYPE_CHECKING:
    from gradcheck_cli.cases.fuzz import RandomCases
    from gradcheck_cli.cli.origin import Sources
    from gradcheck_cli.cli.output_file import File
    from gradcheck_cli.cli.output_folder import OutputFolder
    from gradcheck_cli.cli.since import Since

#: Columns where stdout is no terminal: the same everywhere, and a table needs no more.
_WIDTH, _VERBOSE_WIDTH = 100, 140


def run(request: Request) -> int:
    """Do what is requested, and return the exit code.

    Raises:
        click.UsageError: the request cannot be satisfied.
        OutputError: a report cannot be written.
    """
    plan = plan_layer(request, request.layer) if request.layer else None
    interrupts.defer()  # from here on there is something to lose
    with ExitStack() as stack:
        checker = stack.enter_context(closing(Checker()))
        files = stack.enter_context(open_files({} if request.list_cases else request.files, request.folders))
        sources, since = _sources(request)
        if plan is None:
            from gradcheck_cli.cli.files import plan_files  # it loads what the files need

            plan = plan_files(request, checker, sources, since)
        if request.list_cases:
            list_cases(request, plan)
            return 0
        refuse_impossible(request, plan)
        if since:
            since.set_plan(plan)
            if not request.quiet and (remark := since.remark()):
                click.echo(remark, err=True)
        stdout = stack.enter_context(reserved_stdout())
        options = _display_options(request, plan, stdout)
        described = _describe(request, plan)
        outputs: list[File | OutputFolder | Stdout] = [stdout, *files.values()]
        deliveries = [
            Delivery(report=make_report(format_, described, _stream(format_, output), options), output=output)
            for (format_, _), output in zip(request.outputs, outputs, strict=True)
        ]
        if request.outputs[0][0].name == "github":
            from gradcheck_cli.cli.step_summary import step_summary  # only in GitHub Actions

            deliveries += step_summary(described, options, request.files.values())
        results_file = stack.enter_context(open_results_file(request, plan, described.versions))
        memories = [one for one in (results_file, since) if one]
        engine = stack.enter_context(open_engine(request, plan, checker))
        line = stack.enter_context(progress(plan.count, plan.upcoming(), checker.tally.share_done))
        stdout.before_write = line.clear
        results = compute_results(request, plan, engine, memories)
        summary = deliver(results, deliveries, line, options, described, sources.origin if sources else None)
    if summary.verdict == "skip" and not (summary.interrupted or summary.workers_lost):
        click.echo("Error: No case to run: every one was skipped, for the reasons above.", err=True)
    return exit_code(summary)


def _sources(request: Request) -> tuple[Sources | None, Since | None]:
    """Take the fingerprints of what is named, if a report or --since asks for them, and read the latter's report."""
    if request.list_cases or not (request.since or any(output.tells_origin for output, _ in request.outputs)):
        return None, None
    from gradcheck_cli.cli.origin import Sources  # only here

    sources = Sources(request)
    if request.layer:
        for name in request.implementations:
            sources.take(name)
    if request.since is None:
        return sources, None
    from gradcheck_cli.cli.since import Since  # only --since needs it

    return sources, Since(request, sources, versions(request.program))


def _stream(format_: Format, output: File | OutputFolder | Stdout) -> TextIO | OutputFolder:
    """Return what a report writes to. On stdout in GitHub Actions, only the report made for it writes commands."""
    if in_actions() and isinstance(output, Stdout) and format_.name != "github":
        return cast("TextIO", DefusedStream(output))
    return output.stream


def _display_options(request: Request, plan: Plan, stdout: TextIO) -> DisplayOptions:
    names = [*(one.task.spec for one in plan.assignments), *(result.implementation for result in plan.known)]
    if request.geometry and plan.count <= MANY_CASES and not request.fuzz:
        show = "all"  # which of them pass is what was asked
    elif len({name.rpartition(":")[0] or name for name in names}) > 1:
        show = "grades"
    else:
        show = "findings"
    return DisplayOptions(
        show=request.show or show,
        by=request.by,
        quiet=request.quiet,
        verbose=request.verbose,
        color=wants_color(request.color, stdout),
        width=terminal_width(stdout, _VERBOSE_WIDTH if request.verbose else _WIDTH),
    )


def _describe(request: Request, plan: Plan) -> Run:
    return Run(
        program=request.program,
        argv=tuple(sys.argv[1:]),
        seed=request.seed,
        cases=plan.count,
        implementations=len(plan.tasks) + len(plan.known),
        surveyed=request.layer is None,
        random=request.fuzz is not None,
        versions=versions(request.program),
    )


def compute_results(request: Request, plan: Plan, engine: Engine, memories: Sequence[Memory]) -> Generator[CaseResult]:
    """Yield what is known, then the result of each case; random ones with the smallest that fail."""
    results = _computed(plan, engine, memories)
    if request.max_failures is not None:
        from gradcheck_cli.engine.failures import until  # only --max-failures needs it

        results = until(results, request.max_failures)
    if request.fuzz is not None:
        from gradcheck_cli.engine.failures import Failures, with_smallest  # only --fuzz needs it

        def collect(one: Assignment) -> Failures:
            drawn = cast("RandomCases", one.unsharded)
            return Failures(drawn, partial(engine.check, one.task))

        failures = [(one.cases.count, collect(one)) for one in plan.assignments]
        results = with_smallest(results, failures, engine.stopped)
    known: Iterable[CaseResult] = plan.known
    if request.layer is None or len(plan.assignments) > 1:
        from gradcheck_cli.cli.claimed_places import without_claimed_places  # only where there may be several files

        homes = plan.homes()
        known, results = (without_claimed_places(some, homes) for some in (known, results))
    yield from known
    yield from results


def _computed(plan: Plan, engine: Engine, memories: Sequence[Memory]) -> Generator[CaseResult]:
    """Compute the results; the implementation is found at the first, when every file is open: that may try it out.

    Raises:
        click.UsageError: the only implementation cannot be found. Of several, one is an error of its own cases.
    """
    try:
        if len(plan.assignments) == 1 and not plan.known:
            first = next(iter(plan.assignments[0].cases))
            if not any(memory.recall(0, first) for memory in memories):
                engine.find(plan.tasks[0], first)
    except ImplementationNotFoundError as error:
        raise click.UsageError(str(error)) from error
    except Exception as error:
        if not isinstance(error, MemoryError | OSError | WorkerDiedError):
            raise
        # Its first case will meet the same, and report it.
    yield from engine.results([(one.task, one.cases) for one in plan.assignments], memories)
