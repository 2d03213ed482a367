"""`--step-sweep` and `--plot`: which flags go with them, and where sweeps and the picture of one are sent."""

from __future__ import annotations

import importlib.util
import io
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

import click

from gradcheck_cli.cli.bugs import report_bug
from gradcheck_cli.cli.exit_codes import end
from gradcheck_cli.cli.output import show_printed
from gradcheck_cli.engine import interrupts
from gradcheck_cli.results.result import Summary, Verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from gradcheck_cli.cli.output import Stdout
    from gradcheck_cli.cli.outputs import Output
    from gradcheck_cli.report.report import Look
    from gradcheck_cli.results.result import CaseResult

_PICTURES = (".png", ".svg")

#: Flags that would change nothing, or ask for what there is not; and why.
_NO_PART = {
    "--step": "a sweep tries many steps, and --step fixes one",
    "--tol": "a sweep judges nothing, and --tol is about what passes",
    "--resume": "a sweep is no check, and results of checks are what is kept",
    "--show": "every sweep is shown",
    "--fuzz": "a sweep judges nothing, so that no random case could fail",
    "--max-failures": "a sweep judges nothing, so that none fails",
    "--json": "a sweep is no check, and the JSON report is of checks; its forms are the table and --plot",
    "--debug": "a sweep judges nothing, so that no case fails",
    "--format": "a sweep is no check, and the JSON report is of checks; its forms are the table and --plot",
}


def refuse_beside_sweep(given: Mapping[str, object]) -> None:
    """Refuse flags that have no part in a sweep.

    Raises:
        click.UsageError: one of them was given.
    """
    for flag, value in given.items():
        if value is not None and (flag, value) != ("--format", "table"):
            raise click.UsageError(f"{flag} does not go with --step-sweep: {_NO_PART[flag]}. Leave one of them out.")


def check_picture(path: str | None, *, swept: int) -> None:
    """Refuse a picture that cannot be drawn.

    Args:
        path: what --plot says.
        swept: sweeps that are to be made.

    Raises:
        click.UsageError: there is not one sweep to draw, no such kind of picture, or nothing to draw it with.
    """
    if path is None:
        return
    if not swept:
        raise click.UsageError("--plot draws a step sweep: give --step-sweep too.")
    if swept > 1:
        why = f"--plot draws one sweep, and there are {swept}: give one implementation and one value for each flag."
        raise click.UsageError(why)
    if Path(path).suffix.lower() not in _PICTURES:
        raise click.BadParameter(f"{path!r}: give a name that ends in {' or '.join(_PICTURES)}.", param_hint="--plot")
    if importlib.util.find_spec("matplotlib") is None:
        raise click.UsageError("--plot draws with matplotlib, which is not there: pip install 'convcheck[plot]'")


def run_sweeps(sweeps: Generator[CaseResult], stdout: Stdout, look: Look, picture: Output | None) -> int:
    """Show each sweep as it comes, draw it if that is wanted, and return the exit code.

    Raises:
        OutputError: the table or the picture cannot be written.
    """
    from gradcheck_cli.report.sweep import SweepReport  # it needs rich, which a check that writes JSON does not

    report, verdicts, started = SweepReport(cast("TextIO", stdout), look), [], time.perf_counter()
    bugs: list[str] = []  # their tracebacks
    with closing(sweeps), suppress(KeyboardInterrupt):  # what was finished is shown
        for result in sweeps:
            report.sweep(result)
            stdout.flush()
            verdicts.append(result.verdict)
            bugs.extend([result.bug] if result.bug else [])
            show_printed(result, verbose=look.verbose)
            if picture is not None and result.verdict is Verdict.PASS:
                from gradcheck_cli.report.plot import draw  # it needs Matplotlib, which only --plot does

                drawn = io.BytesIO()
                draw(result, drawn, picture.path.suffix.lower().removeprefix("."))
                picture.binary.write(drawn.getbuffer())
                picture.commit()
    if bugs:
        report_bug(bugs[0])
    interrupted = interrupts.received() is not None
    summary = Summary.of(verdicts, seconds=time.perf_counter() - started, interrupted=interrupted)
    return end(replace(summary, bugs=len(bugs)))
