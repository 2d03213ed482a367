"""Exit codes, for shells and CI."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck_cli.results.run import Summary

WRONG = 1
USAGE = 2
UNDECIDED = 3
BUG = 4
INTERRUPTED = 130

#: By the value of the verdict; its class is not imported for --help.
_OF_VERDICT = {
    "pass": 0,
    "fail": WRONG,
    "error": WRONG,
    "inconclusive": UNDECIDED,
    "skip": USAGE,  # nothing ran
}


def exit_code(summary: Summary) -> int:
    """Return the exit code of a run."""
    if summary.interrupted:
        return INTERRUPTED
    if summary.bugs:
        return BUG
    code = _OF_VERDICT[summary.verdict]
    return UNDECIDED if summary.workers_lost and code != WRONG else code
