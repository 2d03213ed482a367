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
from gradcheck_cli.cli.debug import DebugFile
from gradcheck_cli.cli.exit_codes import end
from gradcheck_cli.cli.flags import MANY_CASES, versions
from gradcheck_cli.cli.output import Stdout, show_printed, wants_color, whole_file, width
from gradcheck_cli.cli.sweep import refuse_beside_sweep, run_sweeps, wanted_picture
from gradcheck_cli.engine import CHECK, SWEEP, make_runner, run
from gradcheck_cli.guard.limits import GIGABYTE, Limits
from gradcheck_cli.implementation.find import ImplementationNotFoundError
from gradcheck_cli.report.report import Look, make_report
from gradcheck_cli.result import Run, Summary, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator

    from gradcheck_cli.engine import Result, Runner
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
    skipped_duties: tuple[str, ...],
    step_sweep: bool,
    adapter: str | None,
    timeout: float,
    memory: float | None,
    format_: str | None,
    json_path: str | None,
    plot_path: str | None,
    debug_path: str | None,
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
    given = {name: values for name, values in geometry.items() if values}
    cases = _cases(layer, given, dtype, seed, alone=step_sweep)
    if list_cases:
        return _list(cases)
    if quiet and verbose:
        raise click.UsageError("-q and -v contradict each other; give one of them.")
    if json_path == "-" and format_ not in (None, "json"):
        raise click.UsageError(f"--json - and --format {format_} both write to stdout; leave one of them out.")
    if len(cases) == 1 and (reason := next(iter(cases)).impossible()):
        raise click.UsageError(f"Impossible geometry: {reason}.")
    if adapter and not implementation:
        raise click.UsageError(f"--adapter {adapter} has nothing to adapt; name an IMPLEMENTATION, such as FILE.py.")
    names = implementation or (next(iter(layer.builtin)),)
    total = len(cases) * len(names)
    if step_sweep:
        checking = {"--step": step, "--tol": tol, "--show": show, "--debug": debug_path}
        refuse_beside_sweep({**checking, "--format": format_, "--json": json_path})
    picture = wanted_picture(plot_path, swept=total if step_sweep else 0)

    settings = Settings(
        method=method,
        tol=tol,
        step=step,
        adapter=adapter,
        skipped_duties=skipped_duties,
        keep_arrays=verbose or debug_path is not None,
    )
    limits = Limits(seconds=timeout, memory=None if memory is None else int(memory * GIGABYTE))
    stdout = cast("TextIO", Stdout())
    look = Look(
        show=show or ("all" if total <= MANY_CASES else "failed" if len(names) == 1 else "grades"),
        quiet=quiet,
        verbose=verbose,
        color=wants_color(color, stdout),
        width=width(stdout, verbose=verbose),
    )
    if step_sweep:
        sweepers = [make_runner(SWEEP, name, layer, settings, limits) for name in names]
        return run_sweeps(_results(cases, sweepers), stdout, look, picture)
    checkers = [make_runner(CHECK, name, layer, settings, limits) for name in names]
    program = layer.command.split()[0]
    described = Run(program=program, argv=tuple(sys.argv[1:]), seed=seed, cases=total, versions=versions(program))
    with ExitStack() as files:
        reports = [make_report("json" if json_path == "-" else format_ or "table", described, stdout, look)]
        if json_path is not None and json_path != "-":
            stream = files.enter_context(whole_file(Path(json_path), "--json"))
            reports.append(make_report("json", described, stream, look))
        if debug_path is not None:
            debug = DebugFile(Path(debug_path))
            files.enter_context(debug.opened())
            reports.append(debug)
        summary = _report(_results(cases, checkers), reports, look)
        stdout.flush()
    return end(summary)


def _list(cases: Cases) -> int:
    for case in cases:
        reason = case.impossible()
        click.echo(f"{case.label()} {case.dtype}" + (f"  (skipped: {reason})" if reason else ""))
    return 0


def _cases(
    layer: Layer, geometry: dict[str, tuple[Any, ...]], dtypes: tuple[str, ...], seed: int, *, alone: bool
) -> Cases:
    """Make the cases: what is given, or else the standard set; `alone`, the default geometry instead of a set."""
    if geometry or alone:
        return Product(case=layer.case, values={**geometry, "dtype": dtypes}, seed=seed)
    return tuple(replace(case, dtype=dtype, seed=seed) for case in layer.standard() for dtype in dtypes)


def _results(cases: Cases, runners: list[Runner[Result]]) -> Generator[Result]:
    """Run; the implementation is found at the first result, when every file is open: finding it may try it out.

    Raises:
        click.UsageError: the only implementation cannot be found. Of several, one is an error of its own cases.
    """
    try:
        if len(runners) == 1:
            runners[0].open()
    except ImplementationNotFoundError as error:
        raise click.UsageError(str(error)) from error
    yield from run(cases, runners)


def _report(results: Generator[CaseResult], reports: list[Report], look: Look) -> Summary:
    """Hand every result to every report; on Ctrl-C, what there is."""
    started = time.perf_counter()
    verdicts: list[Verdict] = []
    warned: set[str] = set()
    told: set[str] = set()  # of these the prints were shown: those of a first error are enough
    interrupted = False
    try:
        for result in results:
            for warning in result.warnings:
                if warning not in warned:
                    warned.add(warning)
                    click.echo(f"Warning: {warning}.", err=True)
            for report in reports:
                report.case(result)
            if look.verbose or (look.show != "grades" and result.implementation not in told):
                show_printed(result, verbose=look.verbose)
                told |= {result.implementation} if result.verdict is Verdict.ERROR else set()
            verdicts.append(result.verdict)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        results.close()  # and with it every process
    summary = Summary.of(verdicts, seconds=time.perf_counter() - started, interrupted=interrupted)
    for report in reports:
        report.finish(summary)
    return summary
