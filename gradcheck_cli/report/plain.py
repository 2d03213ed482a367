"""Results in plain text: what the reports that draw no tables say of a run and of a case."""

from __future__ import annotations

from gradcheck_cli.report.style import COUNTED
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


def describe_place(place: Place) -> str:
    """Name the place of a failure: `layers.py:12, in conv_backward: dw = ...`."""
    return f"{place.location}, in {place.function}" + (f": {place.statement}" if place.statement else "")


def describe_case(result: CaseResult) -> str:
    """Name a case in a line: geometry, dtype and seed; empty where none was run."""
    case = result.case
    return f"{case.label()}, {case.dtype}, seed {case.seed}" if result.ran else ""


def describe_run(run: Run, summary: Summary) -> str:
    """Count the cases of a run by verdict: `31 cases: 24 passed, 6 failed, 1 skipped`."""
    counts = [f"{count} {counted}" for verdict, counted in COUNTED.items() if (count := summary.counts[verdict])]
    text = f"{summary.cases} {'case' if summary.cases == 1 else 'cases'}: {', '.join(counts) or 'none'}"
    text += f" ({summary.carried_over} carried over from an earlier run)" if summary.carried_over else ""
    if summary.cut_short:
        text = f"{summary.cut_short} after {summary.cases} of {run.cases} cases; {text}"
    return text


def describe_versions(run: Run) -> str:
    """Name the seed and what the numbers depend on: `seed 0, convcheck 0.2.0, python 3.11.7, numpy 2.4.6`."""
    return ", ".join([f"seed {run.seed}", *(f"{name} {version}" for name, version in run.versions.items())])
