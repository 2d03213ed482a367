"""The verdict on each implementation of a run, with the reason and the number of cases that passed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.results.result import CaseResult
    from gradcheck_cli.results.signature import FailureSignature


@dataclass
class Grade:
    """The verdicts on the cases of one implementation."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    #: How often each reason was given, by failure signature; those of skips, which have none, under None.
    reasons: dict[FailureSignature | None, Counter[str]] = field(default_factory=dict)
    remarks: Counter[str] = field(default_factory=Counter)  #: on cases that passed

    def add(self, result: CaseResult) -> None:
        """Count a result."""
        self.counts[result.verdict] += 1
        if result.verdict is Verdict.PASS:
            self.remarks.update(result.causes)
        elif reason := result.headline:
            from gradcheck_cli.results.signature import FailureSignature  # only for cases that fail

            self.reasons.setdefault(FailureSignature.of(result), Counter())[reason] += 1

    @property
    def verdict(self) -> Verdict:
        """The verdict on the implementation."""
        return Verdict.worst(self.counts)

    @property
    def ran(self) -> int:
        """How many cases ran: all but those that were skipped."""
        return self.counts.total() - self.counts[Verdict.SKIP]

    @property
    def passed(self) -> str:
        """How many cases passed, of those that ran: `3/9`."""
        return f"{self.counts[Verdict.PASS]}/{self.ran}"

    @property
    def badness(self) -> tuple[int, float]:
        """The sort key of rows: the verdict, then the share of cases that did not pass."""
        return self.verdict.rank, 1 - self.counts[Verdict.PASS] / max(1, self.ran)

    @property
    def reason(self) -> str:
        """The most frequent reason of the most frequent failure that has the verdict, and how frequent that is."""
        ran, verdict = self.ran, self.verdict
        if verdict is Verdict.PASS:
            remarks = self.remarks.most_common()
            return "; ".join(text + (f" (in {count} of {ran} cases)" if count < ran else "") for text, count in remarks)
        failures = [texts for key, texts in self.reasons.items() if (key.verdict if key else Verdict.SKIP) is verdict]
        if not failures:
            return ""
        texts = max(failures, key=Counter.total)
        count, notes = texts.total(), []
        if count < ran:
            all_raised = verdict is Verdict.ERROR and count == self.counts[Verdict.ERROR] > 1
            notes.append(f"all {count} that raised, of {ran} cases" if all_raised else f"in {count} of {ran} cases")
        if len(failures) > 1:
            notes.append(f"{len(failures) - 1} other way{'s' if len(failures) > 2 else ''}")
        return texts.most_common(1)[0][0] + (f" ({'; '.join(notes)})" if notes else "")


class Grades:
    """Collects results by implementation."""

    def __init__(self) -> None:
        self._grades: dict[tuple[str, str], Grade] = {}  # by the implementation and its layer

    def __len__(self) -> int:
        return len(self._grades)

    def add(self, result: CaseResult) -> None:
        """Count a result."""
        self._grades.setdefault((result.implementation, result.layer), Grade()).add(result)

    def in_order(self) -> list[tuple[tuple[str, str], Grade]]:
        """Return the grades by implementation and layer, in the order of the run."""
        return list(self._grades.items())

    def items(self) -> list[tuple[tuple[str, str], Grade]]:
        """Return the grades by implementation and layer, the worst last."""
        return sorted(self._grades.items(), key=lambda item: item[1].badness)
