"""How verdicts are written, and in which colours."""

from __future__ import annotations

from gradcheck_cli.results.result import Verdict

STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold magenta",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.SKIP: "dim",
}


def word(verdict: Verdict) -> str:
    """Write a verdict: loud unless all is well."""
    return verdict.value if verdict in (Verdict.PASS, Verdict.SKIP) else verdict.value.upper()
