"""Several implementations in one table: a row each, the worst last."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text

from gradcheck_cli.report.words import STYLES, word
from gradcheck_cli.results.result import Verdict
from gradcheck_cli.text.clean import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.report.rows import Rows
    from gradcheck_cli.results.result import CaseResult
    from gradcheck_cli.results.signature import FailureSignature

#: Characters of a reason in a row: some lines, as a terminal is wide.
_LONGEST = 400

#: From good to bad, as the rows are ordered.
_ORDER = (Verdict.PASS, Verdict.SKIP, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)


@dataclass
class _Grade:
    """What the cases of one implementation came to."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    #: What was said in each way to fail, how often; of skips, which fail in none, under None.
    reasons: dict[FailureSignature | None, Counter[str]] = field(default_factory=dict)
    remarks: Counter[str] = field(default_factory=Counter)  #: on cases that passed

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
        if self.verdict is Verdict.PASS:
            return "; ".join(remark + _share(count, self.ran) for remark, count in self.remarks.most_common())
        found = [texts for way, texts in self.reasons.items() if (way.verdict if way else Verdict.SKIP) is self.verdict]
        if not found:
            return ""
        texts = max(found, key=Counter.total)
        raised = self.verdict is Verdict.ERROR and texts.total() == self.counts[Verdict.ERROR] > 1
        which = (
            f"all {texts.total()} that raised, of {self.ran} cases"
            if raised
            else f"in {texts.total()} of {self.ran} cases"
        )
        often = [which] if texts.total() < self.ran else []
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
        if result.verdict is Verdict.PASS:
            grade.remarks.update(causes)
        elif reason := "; ".join(causes) or result.reason:
            from gradcheck_cli.results.signature import FailureSignature  # only for cases that fail

            grade.reasons.setdefault(FailureSignature.of(result), Counter())[reason] += 1

    def lines(self) -> Iterator[Text]:
        """Yield one line for each implementation: verdict, passed cases, name and cause; the worst last."""
        for (name, layer), grade in self._sorted():
            line = Text(word(grade.verdict), style=STYLES[grade.verdict])
            several = sum(name == other for other, _ in self._grades) > 1
            line.append(f" {grade.counts[Verdict.PASS]}/{grade.ran} {name}", style="default")
            line.append(f" ({layer})" if several else "", style="default")
            yield line.append(f": {clean(grade.reason, _LONGEST)}" if grade.reason else "", style="default")

    def table(self, *, layers: bool) -> Rows:
        """Make the table; with a column that says which layer it is, if that is asked for."""
        from gradcheck_cli.report.rows import Row, Rows  # only where the table is shown

        short = _short([name for name, _ in self._grades])
        rows = [
            Row(
                verdict=grade.verdict,
                cells=(f"{grade.counts[Verdict.PASS]}/{grade.ran}", *([layer] if layers else [])),
                name=short[name],
                why=clean(grade.reason, _LONGEST),
            )
            for (name, layer), grade in self._sorted()
        ]
        return Rows(heads=("passed", *(["layer"] if layers else []), "implementation", "why"), rows=rows)

    def _sorted(self) -> list[tuple[tuple[str, str], _Grade]]:
        return sorted(self._grades.items(), key=lambda item: item[1].badness)


def _share(count: int, ran: int) -> str:
    """Say in how many cases, if not in all."""
    return f" (in {count} of {ran} cases)" if count < ran else ""


def _short(names: list[str]) -> dict[str, str]:
    """Shorten `layers.py:forward,backward` to what tells it from the others: the file, or what is within one file."""
    homes = {name: name.rpartition(":")[0] or name for name in names}
    often = Counter(homes.values())
    if len(often) == 1:
        return {name: name.removeprefix(f"{homes[name]}:") for name in names}
    return {name: home if often[home] == 1 and home.endswith(".py") else name for name, home in homes.items()}
