"""The verdict on each implementation of a run, with the reason and the number of cases that passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gradcheck_cli.results.findings import Finding, Findings
from gradcheck_cli.results.result import CaseResult, Verdict


class Grade:
    """The verdicts on the cases of one implementation."""

    def __init__(self) -> None:
        self.counts: Counter[Verdict] = Counter()
        self.skips: Counter[str] = Counter()  #: how often each reason for a skip was given
        self.remarks: Counter[str] = Counter()  #: on cases that passed
        self._failures = Findings()

    def add(self, result: CaseResult) -> None:
        """Count a result."""
        self.counts[result.verdict] += 1
        self._failures.add(result)
        if result.verdict is Verdict.PASS:
            self.remarks.update(result.causes)
        elif result.verdict is Verdict.SKIP and result.reason:
            self.skips[result.reason] += 1

    @property
    def findings(self) -> list[Finding]:
        """The distinct failures, the worst and most frequent last."""
        return self._failures.all()

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
        """What is wrong in the worst and most frequent failure, and how frequent that is; of a pass, the remarks."""
        ran, verdict = self.ran, self.verdict
        if verdict is Verdict.PASS:
            remarks = self.remarks.most_common()
            return "; ".join(text + (f" (in {count} of {ran} cases)" if count < ran else "") for text, count in remarks)
        if verdict is Verdict.SKIP:
            return self.skips.most_common(1)[0][0] if self.skips else ""
        *others, worst = self.findings
        count, notes = worst.cases, []
        if count < ran:
            all_raised = verdict is Verdict.ERROR and count == self.counts[Verdict.ERROR] > 1
            notes.append(f"all {count} that raised, of {ran} cases" if all_raised else f"in {count} of {ran} cases")
        if others:
            notes.append(f"{len(others)} other way{'s' if len(others) > 1 else ''}")
        return worst.result.headline + (f" ({'; '.join(notes)})" if notes else "")


class Grades:
    """Collects results by implementation, and the distinct failures that a report describes."""

    def __init__(self, *, random: bool = False) -> None:
        """Start without any; of `random` cases the smallest that fail are described, which are not counted."""
        self._grades: dict[tuple[str, str], Grade] = {}  # by the implementation and its layer
        self.findings = Findings(random=random)

    def __len__(self) -> int:
        return len(self._grades)

    def add(self, result: CaseResult) -> None:
        """Count a result."""
        self.findings.add(result)
        if result.smallest is None:
            self._grades.setdefault((result.implementation, result.layer), Grade()).add(result)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return (key for key, _ in self.items())

    def all_findings(self) -> list[Finding]:
        """Return the distinct failures, the worst implementation and its most frequent failure last."""
        return [finding for name, layer in self for finding in self.findings.of(name, layer)]

    def in_order(self) -> list[tuple[tuple[str, str], Grade]]:
        """Return the grades by implementation and layer, in the order of the run."""
        return list(self._grades.items())

    def items(self) -> list[tuple[tuple[str, str], Grade]]:
        """Return the grades by implementation and layer, the worst last."""
        return sorted(self._grades.items(), key=lambda item: item[1].badness)
