"""What a shell and CI are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gradcheck_cli.results.result import Summary

WRONG = 1
USAGE = 2
UNDECIDED = 3
BUG = 4
INTERRUPTED = 130

#: By the value of the verdict: its class belongs to results, which --help has none of.
_OF_VERDICT = {
    "pass": 0,
    "fail": WRONG,
    "error": WRONG,
    "inconclusive": UNDECIDED,
    "skip": USAGE,  # nothing ran
}


def exit_code(summary: Summary) -> int:
    """Return the exit code of a run that came to this."""
    if summary.interrupted:
        return INTERRUPTED
    if summary.bugs:
        return BUG
    code = _OF_VERDICT[summary.verdict]
    return UNDECIDED if summary.workers_lost and code != WRONG else code


def end(summary: Summary) -> int:
    """Return the exit code of a run that came to this; say on stderr if nothing ran."""
    if summary.verdict == "skip" and not (summary.interrupted or summary.workers_lost):
        click.echo("Error: No case to run: every one was skipped, for the reasons above.", err=True)
    return exit_code(summary)
