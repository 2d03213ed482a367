"""From flags to cases, through the engine to the reports and the exit code: wiring, and nothing else."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from gradcheck_cli.cases.product import Product
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.cli.exit_codes import exit_code
from gradcheck_cli.cli.flags import MANY_CASES, versions
from gradcheck_cli.cli.output import Stdout, wants_color, whole_file, width
from gradcheck_cli.engine import make_checker, run
from gradcheck_cli.guard.limits import GIGABYTE, Limits
from gradcheck_cli.implementation.find import ImplementationNotFoundError
from gradcheck_cli.report.report import Look, make_report
from gradcheck_cli.result import Run, Summary, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator

    from gradcheck_cli.layers.layer import Case, Layer
    from gradcheck_cli.report.report import Report
    from gradcheck_cli.result import CaseResult

    Cases = Product | tuple[Case, ...]


def run_checks(
    layer: Layer,
    *,
    implementation: tuple[str, ...],
    dtype: tuple[str, ...],
    seed: int,
    method: str,
    tol: float | None,
    step: float | None,
    adapter: str | None,
    timeout: float,
    memory: float | None,
    format_: str | None,
    json_path: str | None,
    show: str | None,
    quiet: bool,
    verbose: bool,
    color: str,
    list_cases: bool,
    **geometry: tuple[Any, ...] | None,
) -> int:
    """Do what the flags say, and return the exit code.

    Raises:
        click.UsageError: the flags ask for something that cannot be.
    """
    cases = _cases(layer, {name: values for name, values in geometry.items() if values}, dtype, seed)
    if list_cases:
        for case in cases:
            reason = case.impossible()
            click.echo(f"{case.label()} {case.dtype}" + (f"  (skipped: {reason})" if reason else ""))
        return 0
    if quiet and verbose:
        raise click.UsageError("-q and -v contradict each other; give one of them.")
    if json_path == "-" and format_ not in (None, "json"):
        raise click.UsageError(f"--json - and --format {format_} both write to stdout; leave one of them out.")
    if len(cases) == 1 and (reason := next(iter(cases)).impossible()):
        raise click.UsageError(f"Impossible geometry: {reason}.")

    if adapter and not implementation:
        raise click.UsageError(f"--adapter {adapter} has nothing to adapt; name an IMPLEMENTATION, such as FILE.py.")
    names = implementation or (next(iter(layer.builtin)),)
    settings = Settings(method=method, tol=tol, step=step, adapter=adapter, keep_arrays=verbose)
    limits = Limits(seconds=timeout, memory=None if memory is None else int(memory * GIGABYTE))
    checkers = [make_checker(name, layer, settings, limits) for name in names]
    stdout = cast("TextIO", Stdout())
    total = len(cases) * len(names)
    look = Look(
        show=show or ("failed" if total > MANY_CASES else "all"),
        quiet=quiet,
        verbose=verbose,
        color=wants_color(color, stdout),
        width=width(stdout, verbose=verbose),
    )
    described = Run(
        program=layer.command, argv=tuple(sys.argv[1:]), seed=seed, cases=total, versions=versions(layer.command)
    )
    with ExitStack() as files:
        reports = [make_report("json" if json_path == "-" else format_ or "table", described, stdout, look)]
        if json_path is not None and json_path != "-":
            stream = files.enter_context(whole_file(Path(json_path), "--json"))
            reports.append(make_report("json", described, stream, look))
        # Only now, when every file can be written, does user code run: finding it may try it out.
        if len(checkers) == 1:  # of several, one that cannot be found is an error of its own cases
            try:
                checkers[0].open()
            except ImplementationNotFoundError as error:
                raise click.UsageError(str(error)) from error
        summary = _report(run(cases, checkers), reports, verbose=verbose)
        stdout.flush()
    if summary.verdict is Verdict.SKIP and not summary.interrupted:
        click.echo("Error: No case to run: every one was skipped, for the reasons above.", err=True)
    return exit_code(summary)


def _cases(layer: Layer, geometry: dict[str, tuple[Any, ...]], dtypes: tuple[str, ...], seed: int) -> Cases:
    if geometry:
        return Product(case=layer.case, values={**geometry, "dtype": dtypes}, seed=seed)
    return tuple(replace(case, dtype=dtype, seed=seed) for case in layer.standard() for dtype in dtypes)


def _report(results: Generator[CaseResult], reports: list[Report], *, verbose: bool) -> Summary:
    """Hand every result to every report; on Ctrl-C, what there is."""
    started = time.perf_counter()
    verdicts: list[Verdict] = []
    warned: set[str] = set()
    interrupted = False
    try:
        for result in results:
            for warning in result.warnings:
                if warning not in warned:
                    warned.add(warning)
                    click.echo(f"Warning: {warning}.", err=True)
            for report in reports:
                report.case(result)
            if result.output and (verbose or result.verdict is Verdict.ERROR):
                click.echo(f"{result.implementation} printed, in {result.case.label()}:\n{result.output}", err=True)
            verdicts.append(result.verdict)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        results.close()  # and with it every process
    summary = Summary.of(verdicts, seconds=time.perf_counter() - started, interrupted=interrupted)
    for report in reports:
        report.finish(summary)
    return summary
