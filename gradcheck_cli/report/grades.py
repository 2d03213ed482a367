"""Several implementations in one table: a row each, the worst last."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from gradcheck_cli.report.words import STYLES, word
from gradcheck_cli.result import Verdict
from gradcheck_cli.way import Way

if TYPE_CHECKING:
    from gradcheck_cli.result import CaseResult

#: From good to bad, as the rows are ordered.
_ORDER = (Verdict.PASS, Verdict.SKIP, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)


@dataclass
class _Grade:
    """What the cases of one implementation came to."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    #: What was said in each way to fail, how often; of skips, which fail in none, under None.
    reasons: dict[Way | None, Counter[str]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        return Verdict.worst(self.counts)

    @property
    def ran(self) -> int:
        return self.counts.total() - self.counts[Verdict.SKIP]

    @property
    def badness(self) -> tuple[int, float]:
        """By verdict, and then by the share of cases that did not pass."""
        return _ORDER.index(self.verdict), 1 - self.counts[Verdict.PASS] / max(1, self.ran)

    @property
    def reason(self) -> str:
        """What was said most often of the most frequent way to come to the verdict, and how frequent that is."""
        found = [texts for way, texts in self.reasons.items() if (way.verdict if way else Verdict.SKIP) is self.verdict]
        if not found:
            return ""
        texts = max(found, key=Counter.total)
        often = [f"in {texts.total()} of {self.ran} cases"] if texts.total() < self.ran else []
        others = [f"{len(found) - 1} other way{'s' if len(found) > 2 else ''}"] if len(found) > 1 else []
        said = texts.most_common(1)[0][0]
        return said + (f" ({'; '.join(often + others)})" if often or others else "")


class Grades:
    """Gathers results by implementation."""

    def __init__(self) -> None:
        self._grades: dict[tuple[str, str], _Grade] = {}  #: by the implementation and its layer

    def __len__(self) -> int:
        return len(self._grades)

    def add(self, result: CaseResult) -> None:
        """Count a result."""
        grade = self._grades.setdefault((result.implementation, result.layer), _Grade())
        grade.counts[result.verdict] += 1
        # A cause says more than what it led to, and the same cause is told alike in cases of different sizes.
        causes = [diagnosis.text.partition(". ")[0] for diagnosis in result.diagnosis]
        if reason := "; ".join(causes) or result.reason:
            grade.reasons.setdefault(Way.of(result), Counter())[reason] += 1

    def table(self, *, layers: bool) -> Table:
        """Make the table; with a column that says which layer it is, if that is asked for."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="default")
        table.add_column("")
        table.add_column("passed", justify="right")
        if layers:
            table.add_column("layer", no_wrap=True)
        table.add_column("implementation", overflow="fold", ratio=2)
        table.add_column("why", overflow="fold", ratio=3)
        short = _short([name for name, _ in self._grades])
        for (name, layer), grade in sorted(self._grades.items(), key=lambda item: item[1].badness):
            verdict = Text(word(grade.verdict), style=STYLES[grade.verdict])
            passed = f"{grade.counts[Verdict.PASS]}/{grade.ran}"
            table.add_row(verdict, passed, *([layer] if layers else []), Text(short[name]), Text(grade.reason))
        return table


def _short(names: list[str]) -> dict[str, str]:
    """Shorten `layers.py:forward,backward` to what tells it from the others: the file, or what is within one file."""
    homes = {name: name.rpartition(":")[0] or name for name in names}
    often = Counter(homes.values())
    if len(often) == 1:
        return {name: name.removeprefix(f"{homes[name]}:") for name in names}
    return {name: home if often[home] == 1 and home.endswith(".py") else name for name, home in homes.items()}
