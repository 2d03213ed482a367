"""Results in plain text: what the reports that draw no tables say of a run and of a case."""

from __future__ import annotations

import re

from rich.text import Text

from gradcheck_cli.report.style import COUNTED, STYLES
from gradcheck_cli.results.findings import Finding
from gradcheck_cli.results.result import CaseResult, Place, SmallestFailure, Verdict
from gradcheck_cli.results.run import Run, Summary
from gradcheck_cli.text.names import join_names

#: What one case does, and what several do.
_HAPPENS = {
    Verdict.FAIL: ("fails", "fail"),
    Verdict.ERROR: ("fails", "fail"),
    Verdict.INCONCLUSIVE: ("is undecided", "are undecided"),
}

_EVERYWHERE = re.compile(r"(\w+) is wrong in (\d+) of \2 elements: everywhere")


def explain(result: CaseResult) -> list[str]:
    """Return why a case has its verdict, a sentence each: the causes with their codes, the place, the reasons."""
    lines = [f"{diagnosis.text} [{diagnosis.code}]" for diagnosis in result.diagnosis]
    if result.place is not None:
        lines.append(describe_place(result.place))
    return [*lines, *reasons_of(result)]


def reasons_of(result: CaseResult) -> list[str]:
    """Return the one reason of an error or a skip, of which the arrays know nothing, or those of the arrays."""
    as_whole = result.verdict in (Verdict.ERROR, Verdict.SKIP) or not result.reasons
    reasons = [*filter(None, [result.reason])] if as_whole else [*result.reasons]
    everywhere = [match[1] for reason in reasons if (match := _EVERYWHERE.fullmatch(reason))]
    if len(everywhere) < 2:
        return reasons
    rest = [reason for reason in reasons if not _EVERYWHERE.fullmatch(reason)]
    return [f"{join_names(everywhere)} are wrong everywhere", *rest]


def describe_others(finding: Finding) -> list[str]:
    """Say how many more cases fail in the same way, and which of these look different."""
    one, many = _HAPPENS[finding.result.verdict]
    more = 0 if finding.result.smallest else finding.cases - 1
    lines = [f"1 more case {one} this way" if more == 1 else f"{more:,} more cases {many} this way"] if more else []
    for variant in finding.variants:
        said = variant.result.headline if variant.result.diagnosis else "no cause was found"
        lines.append(f"in {variant.cases:,} of them: {said}")
    return lines


def describe_smallest(smallest: SmallestFailure, verdict: Verdict) -> str:
    """Say of how many random cases a case is the smallest, and why there may be a smaller one."""
    one, many = _HAPPENS[verdict]
    which = f"1 case that {one}" if smallest.failures == 1 else f"{smallest.failures:,} cases that {many}"
    return f"the smallest found of {which} this way" + (f"; {smallest.note}" if smallest.note else "")


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
