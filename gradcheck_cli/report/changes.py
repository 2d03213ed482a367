"""The differences between two runs, for people: a line for each implementation and kind of change, the worst last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from typing import TextIO

from rich.text import Text

from gradcheck_cli.report.formats import DisplayOptions
from gradcheck_cli.report.style import COUNTED, STYLES, hang, make_console
from gradcheck_cli.results.changes import Change, Kind
from gradcheck_cli.results.result import CaseResult, Verdict
from gradcheck_cli.text.clean import clean, escaped

#: Characters of a cause, and of a name.
_LONGEST, _LONGEST_NAME = 400, 200

#: Columns before the text.
_INDENT = 9

_STYLES = {
    Kind.GONE: "dim",
    Kind.BETTER: STYLES[Verdict.PASS],
    Kind.CHANGED: STYLES[Verdict.INCONCLUSIVE],
    Kind.NEW: "default",
    Kind.WORSE: STYLES[Verdict.FAIL],
}


def write_changes(changes: Sequence[Change], stream: TextIO, options: DisplayOptions) -> None:
    """Write what has changed, and how many cases in each way; if quiet, only that."""
    console = make_console(stream, options)
    if not options.quiet:
        for group in _groups(changes):
            kind, regression = group[0].kind, group[0].is_regression
            word = f"{kind.upper() if regression else kind:<{_INDENT}}"
            line = Text(word, style=_STYLES[Kind.WORSE if regression else kind])
            for part in hang(line.append(_describe(group), style="default"), console, _INDENT):
                console.print(part)
            shown = _most_telling([change.new or change.old for change in group])
            if regression and shown and (command := shown.command):
                console.print(Text(f"{' ' * _INDENT}replay: {command}"), soft_wrap=True)
    console.print(Text(count(changes)), soft_wrap=True)


def count(changes: Iterable[Change]) -> str:
    """Say how many cases have changed in which way, in one line."""
    changes = list(changes)
    kinds = Counter(change.kind for change in changes)
    wrong = sum(change.is_regression for change in changes if change.kind is Kind.NEW)
    both = len(changes) - kinds[Kind.NEW] - kinds[Kind.GONE]
    parts = [f"{kinds[kind]} {kind}" for kind in (Kind.WORSE, Kind.BETTER, Kind.CHANGED, Kind.UNCHANGED) if kinds[kind]]
    line = f"{both} {'case' if both == 1 else 'cases'} in both" + (f": {', '.join(parts)}" if parts else "")
    new = f"; {kinds[Kind.NEW]} new" + (f", of which {wrong} wrong" if wrong else "") if kinds[Kind.NEW] else ""
    return line + new + (f"; {kinds[Kind.GONE]} gone" if kinds[Kind.GONE] else "")


def _groups(changes: Iterable[Change]) -> list[list[Change]]:
    """Group what has changed by implementation and kind, the worst last."""
    groups: dict[tuple[object, ...], list[Change]] = {}
    for change in changes:
        if change.kind is not Kind.UNCHANGED:
            key = change.result.implementation, change.result.layer, change.kind, change.is_regression
            groups.setdefault(key, []).append(change)
    order = list(Kind)
    return sorted(groups.values(), key=lambda group: (group[0].is_regression, order.index(group[0].kind)))


def _describe(group: list[Change]) -> str:
    """Say of how many cases the group is, and what is wrong in most of them."""
    first = group[0]
    cases = f"{len(group)} {'case' if len(group) == 1 else 'cases'}"
    layer = f" ({first.result.layer})" if first.result.layer else ""
    text = f"{escaped(first.result.implementation, _LONGEST_NAME)}{layer}: {cases}"
    before, after = _headline([one.old for one in group]), _headline([one.new for one in group])
    if first.kind is Kind.BETTER:
        return f"{text}, before: {before}" + (f"; now: {after}" if after else "")
    if first.kind in (Kind.WORSE, Kind.CHANGED):
        return f"{text}: {after}" + (f"; before: {before}" if before else "")
    if first.kind is Kind.NEW and not first.is_regression:
        text = f"{text}{_counts(group)}"
    if first.kind is Kind.GONE and not first.result.layer:  # a file that could not be loaded
        return f"{text}, before: {before}"
    return text + (f": {after}" if after else "")


def _counts(group: list[Change]) -> str:
    """Say how new cases ended of which none is wrong: `, passed`, or `: 9 passed, 1 skipped`."""
    verdicts = Counter(change.result.verdict for change in group)
    if len(verdicts) == 1:
        return f", {COUNTED[group[0].result.verdict]}"
    return ": " + ", ".join(f"{verdicts[one]} {counted}" for one, counted in COUNTED.items() if verdicts[one])


def _headline(results: Iterable[CaseResult | None]) -> str:
    shown = _most_telling(results)
    return clean(shown.headline, _LONGEST) if shown else ""


def _most_telling(results: Iterable[CaseResult | None]) -> CaseResult | None:
    """Return the simplest of the cases that fail in the most frequent way; None if all passed."""
    others = [one for one in results if one and one.verdict is not Verdict.PASS]
    ways = Counter(map(_way, others))
    return max(
        others, key=lambda one: (one.verdict is not Verdict.SKIP, ways[_way(one)], -one.case.weight), default=None
    )


def _way(result: CaseResult) -> Hashable:
    """Return what tells one failure from another: the causes, whose numbers differ with the sizes, or the reason."""
    return frozenset(cause.code for cause in result.diagnosis) or result.headline
