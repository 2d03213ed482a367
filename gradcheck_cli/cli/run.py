"""From flags to cases, through the engine to the reports and the exit code: wiring, and nothing else."""

from __future__ import annotations

import errno
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click

from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.cli.bulk import cores, crew, journal
from gradcheck_cli.cli.deliver import Delivery, deliver
from gradcheck_cli.cli.exit_codes import end
from gradcheck_cli.cli.flags import MANY_CASES, versions
from gradcheck_cli.cli.output import Stdout, wants_color, width
from gradcheck_cli.cli.outputs import opened, refuse_collisions
from gradcheck_cli.cli.plan import Asked, Plan, plan_files, plan_layer
from gradcheck_cli.cli.plan import list_cases as show_cases
from gradcheck_cli.cli.progress import progress
from gradcheck_cli.cli.types import quoted
from gradcheck_cli.engine import interrupts
from gradcheck_cli.engine.runner import do, find_out
from gradcheck_cli.engine.stream import is_broken, run
from gradcheck_cli.guard.limits import GIGABYTE, Limits
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.report.report import Look, make_report
from gradcheck_cli.results.result import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from gradcheck_cli.cases.fuzz import RandomCases
    from gradcheck_cli.cli.outputs import Output
    from gradcheck_cli.engine.runner import Work
    from gradcheck_cli.engine.stream import Crew, Memory
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.report.report import Report
    from gradcheck_cli.results.result import CaseResult


def run_checks(
    layer: Layer | None,
    *,
    implementation: tuple[str, ...],
    shard: tuple[int, int] | None,
    max_failures: int | None,
    dtype: tuple[str, ...],
    seed: int,
    method: str,
    tol: float | None,
    step: float | None,
    skipped_duties: tuple[str, ...],
    timeout: float,
    memory: float | None,
    jobs: int,
    dask: str | None,
    resume: str | None,
    format_: str | None,
    json_path: str | None,
    debug_path: str | None,
    show: str | None,
    quiet: bool,
    verbose: bool,
    color: str,
    list_cases: bool,
    fuzz: int | None = None,
    step_sweep: bool = False,
    adapter: str | None = None,
    plot_path: str | None = None,
    **geometry: tuple[Any, ...] | None,
) -> int:
    """Do what the flags say of a layer, or of all layers that the implementations have; return the exit code.

    Raises:
        click.UsageError: the flags ask for something that cannot be.
    """
    given = {name: values for name, values in geometry.items() if values}
    if step_sweep:
        from gradcheck_cli.cli.sweep import refuse_beside_sweep, run_sweeps

        checking = {"--step": step, "--tol": tol, "--show": show, "--debug": debug_path, "--resume": resume}
        many = {"--fuzz": fuzz, "--max-failures": max_failures}
        refuse_beside_sweep({**checking, **many, "--format": format_, "--json": json_path})
    _require_current_folder()
    _refuse_contradictions(quiet=quiet, verbose=verbose, json_path=json_path, format_=format_)
    if adapter and not implementation:
        raise click.UsageError(f"--adapter {adapter} has nothing to adapt; name an IMPLEMENTATION, such as FILE.py.")
    if dask is not None and jobs != 1:
        raise click.UsageError("--jobs are processes here, and --dask computes elsewhere; give one of them.")
    settings = Settings(
        method=method,
        tol=tol,
        step=step,
        adapter=adapter,
        skipped_duties=skipped_duties,
        keep_arrays=verbose or debug_path is not None,
    )
    limits = Limits(seconds=timeout, memory=None if memory is None else int(memory * GIGABYTE))
    asked = Asked(
        sweep=step_sweep,
        settings=settings,
        limits=limits,
        dtypes=dtype,
        seed=seed,
        fuzz=fuzz,
        shard=shard,
    )
    written = {"--json": None if json_path == "-" else json_path, "--debug": debug_path, "--plot": plot_path}
    _refuse_names(layer, implementation, adapter, written, resume)
    plan = plan_layer(layer, implementation, given, asked) if layer else None
    interrupts.defer()  # from here on there is something to lose
    with ExitStack() as open_:
        outputs = open_.enter_context(opened({} if list_cases else written))
        if plan is None:  # finding out what files have runs them
            plan = plan_files(implementation, asked, quiet=quiet, verbose=verbose)
        if list_cases:
            return show_cases(plan, layers=layer is None)
        works, total = plan.works, plan.count
        if layer and plan.parts[0].cases.count == 1 and (reason := next(iter(plan.parts[0].cases)).impossible()):
            raise click.UsageError(f"Impossible geometry: {reason}.")
        _check_picture(plot_path, swept=total if step_sweep else 0)

        stdout = Stdout()
        few = "all" if total <= MANY_CASES and not fuzz else "failed" if len(works) == 1 else "grades"
        look = Look(
            show=show or (few if layer else "all" if verbose else "grades"),
            quiet=quiet,
            verbose=verbose,
            color=wants_color(color, cast("TextIO", stdout)),
            width=width(cast("TextIO", stdout), verbose=verbose),
        )
        program = layer.command.split()[0] if layer else "gradcheck"
        described = Run(
            program=program,
            argv=tuple(sys.argv[1:]),
            seed=seed,
            cases=total,
            surveyed=layer is None,
            random=fuzz is not None,
            versions=versions(program),
        )
        kept = open_.enter_context(journal(resume, works, dict(described.versions)))
        workers = open_.enter_context(crew(jobs or cores(), dask, works, total))
        if step_sweep:
            return run_sweeps(_results(workers, plan), stdout, look, outputs.get("--plot"))
        shown = open_.enter_context(progress(total, plan.upcoming()))
        stdout.before_write = shown.clear
        results = _results(workers, plan, kept)
        if max_failures is not None:
            from gradcheck_cli.engine.failures import until  # only --max-failures needs it

            results = until(results, max_failures)
        if fuzz is not None:
            results = _with_smallest(results, plan, workers)
        format_ = "json" if json_path == "-" else format_ or "table"
        deliveries = _deliveries(stdout, format_, outputs, described, look)
        summary = deliver(_after(plan.known, results), deliveries, shown, look, described)
        if kept is not None and kept.error is not None:
            raise kept.error
    return end(summary)


def _deliveries(stdout: Stdout, format_: str, outputs: Mapping[str, Output], run: Run, look: Look) -> list[Delivery]:
    """Make the reports, that on stdout first."""
    deliveries = [Delivery(report=make_report(format_, run, cast("TextIO", stdout), look), target=stdout)]
    for flag, output in outputs.items():
        deliveries.append(Delivery(report=_report(flag, output, run, look), target=output))
    return deliveries


def _check_picture(path: str | None, *, swept: int) -> None:
    if path is not None:
        from gradcheck_cli.cli.sweep import check_picture  # only --plot needs it

        check_picture(path, swept=swept)


def _report(flag: str, output: Output, run: Run, look: Look) -> Report:
    """Make the report that is written to a file."""
    if flag == "--debug":
        from gradcheck_cli.cli.debug import DebugFile  # not before it is needed

        return DebugFile(output)
    return make_report("json", run, output.stream, look)


def _refuse_names(
    layer: Layer | None,
    implementation: tuple[str, ...],
    adapter: str | None,
    written: Mapping[str, str | None],
    resume: str | None,
) -> None:
    """Refuse names of implementations that no file system takes, and outputs that would overwrite something."""
    if "" in implementation:
        raise click.UsageError("'' is no implementation: the name is empty; give FILE.py.")
    names = [name for name in (*implementation, adapter) if name and not (layer and name in layer.builtin)]
    for name in names:
        home = name if name.endswith(".py") else name.rpartition(":")[0] or name
        try:
            Path(home).stat()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise click.UsageError(f"{quoted(name)}: {error.strerror}; give FILE.py.") from error
    refuse_collisions(written, resume, names)


def _require_current_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        why = f"The current folder cannot be used ({error.strerror}): it may have been deleted; change to another."
        raise click.UsageError(why) from error


def _refuse_contradictions(*, quiet: bool, verbose: bool, json_path: str | None, format_: str | None) -> None:
    if quiet and verbose:
        raise click.UsageError("-q and -v contradict each other; give one of them.")
    if json_path == "-" and format_ not in (None, "json"):
        raise click.UsageError(f"--json - and --format {format_} both write to stdout; leave one of them out.")


def _after(known: tuple[CaseResult, ...], results: Generator[CaseResult]) -> Generator[CaseResult]:
    yield from known
    yield from results


def _with_smallest(results: Generator[CaseResult], plan: Plan, workers: Crew) -> Generator[CaseResult]:
    from gradcheck_cli.engine.failures import Failures, with_smallest  # only --fuzz needs it

    def alone(work: Work) -> Callable[[Case], CaseResult]:
        return lambda case: workers.executor.submit(do, work, [case]).result()[0]

    failures = [
        (part.cases.count, Failures(cast("RandomCases", part.drawn), alone(part.work), part.work.limits.seconds))
        for part in plan.parts
    ]
    return with_smallest(results, failures, workers.ended)


def _results(workers: Crew, plan: Plan, memory: Memory | None = None) -> Generator[Any]:
    """Run; the implementation is found at the first result, when every file is open: finding it may try it out.

    Raises:
        click.UsageError: the only implementation cannot be found. Of several, one is an error of its own cases.
    """
    try:
        if len(plan.parts) == 1 and not plan.known:
            workers.executor.submit(find_out, plan.parts[0].work, next(iter(plan.parts[0].cases))).result()
    except ImplementationNotFoundError as error:
        raise click.UsageError(str(error)) from error
    except Exception as error:
        if not (isinstance(error, MemoryError | OSError) or is_broken(error)):
            raise
        # Its first case will meet the same, and report it.
    yield from run(workers, [(part.work, part.cases) for part in plan.parts], memory)
