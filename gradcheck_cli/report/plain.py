"""Results in plain text: what the reports that draw no tables say of a run and of a case."""

from __future__ import annotations

from rich.text import Text

from gradcheck_cli.report.style import COUNTED, STYLES
from gradcheck_cli.results.result import CaseResult, Place, Verdict
from gradcheck_cli.results.run import Run, Summary


def explain(result: CaseResult) -> list[str]:
    """Return why a case has its verdict, a sentence each: the causes with their codes, the place, the reasons."""
    lines = [f"{diagnosis.text} [{diagnosis.code}]" for diagnosis in result.diagnosis]
    if result.place is not None:
        lines.append(describe_place(result.place))
    as_whole = result.verdict in (Verdict.ERROR, Verdict.SKIP)
    reasons = () if as_whole else result.reasons
    return [*lines, *(reasons or filter(None, [result.reason]))]


def account_for(result: CaseResult) -> str:
    """Explain a case, with the traceback of an error and the command that replays it, in lines."""
    replay = f"replay: {result.command}" if result.command else None
    return "\n".join(filter(None, [*explain(result), result.traceback, replay]))


def describe_place(place: Place) -> str:
    """Name the place of a failure: `layers.py:12, in conv_backward: dw = ...`."""
    return f"{place.location}, in {place.function}" + (f": {place.statement}" if place.statement else "")


def describe_case(result: CaseResult) -> str:
    """Name a case in a line: geometry, dtype and seed; empty where none was run."""
    case = result.case
    return f"{case.label()}, {case.dtype}, seed {case.seed}" if result.ran else ""


def count_cases(run: Run, summary: Summary) -> Text:
    """Count the cases of a run by verdict: `31 cases: 24 passed, 7 failed in 0.25 s`, `1 case passed in 0.01 s`."""
    counts = {verdict: summary.counts[verdict] for verdict in COUNTED if summary.counts.get(verdict)}
    text = Text(f"{summary.cases:,} {'case' if summary.cases == 1 else 'cases'}")
    if summary.cut_short:
        text = Text(f"{summary.cut_short} after {summary.cases:,} of {run.cases:,} cases")
    several = len(counts) > 1 or bool(summary.cut_short)
    for number, (verdict, count) in enumerate(counts.items()):
        text.append(", " if number else ": " if several else " ")
        text.append(f"{count:,} " if several else "")
        text.append(COUNTED[verdict], style=STYLES[verdict])
    text.append(f" in {summary.seconds:.2f} s")
    return text.append(f", {summary.carried_over} carried over" if summary.carried_over else "")


def describe_versions(run: Run) -> str:
    """Name the seed and what the numbers depend on: `seed 0, convcheck 0.2.0, python 3.11.7, numpy 2.4.6`."""
    return ", ".join([f"seed {run.seed}", *(f"{name} {version}" for name, version in run.versions.items())])
