"""The failures of random cases by signature, and for each signature the smallest case that has it."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from gradcheck_cli.cases.shrink import shrink
from gradcheck_cli.checks.diagnosis.codes import explanation
from gradcheck_cli.engine.engine import GIVEN_UP, WorkersLostError
from gradcheck_cli.engine.errors import describe_bug
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.results.findings import Finding, Findings
from gradcheck_cli.results.result import CaseResult, SmallestFailure, Verdict
from gradcheck_cli.results.signature import FailureSignature

if TYPE_CHECKING:
    from threading import Event

    from gradcheck_cli.cases.fuzz import RandomCases

    Check = Callable[[Case], CaseResult]

#: Checks that are made to find one smallest case, at most. The faults in the tests take 3 to 120.
MOST_CHECKS = 500

#: How often a failed case is checked again, before and after it is shrunk. A fault that shows in every other call is
#: found to be flaky with a probability of 63 in 64.
_REPEATS = 3

_NOT_TWICE = "not shrunk, because it does not fail each time"
_CUT = "not shrunk, because the run was cut short"
_HUNG = "not shrunk, because each try would take as long as --timeout allows"
_HUNG_WHILE_SHRUNK = "not shrunk to the end, because a smaller one took longer than --timeout allows"
_NOT_TO_THE_END = f"not shrunk to the end, but for {MOST_CHECKS} tries"


def until(results: Generator[CaseResult], failures: int) -> Generator[CaseResult]:
    """Yield results up to a number of failures."""
    with closing(results):
        for result in results:
            yield result
            failures -= result.verdict in (Verdict.FAIL, Verdict.ERROR)
            if failures == 0:
                return


def with_smallest(
    results: Generator[CaseResult], failures: list[tuple[int, Failures]], stopped: Event
) -> Generator[CaseResult]:
    """Yield the results of random cases, and after those of each implementation its smallest failing cases.

    Args:
        results: of one implementation after the other.
        failures: for each implementation, the number of its results, and what collects those that failed.
        stopped: set when the run ends early; then no case is shrunk.

    Raises:
        KeyboardInterrupt, WorkersLostError: as `results` does, or a check while a case was shrunk.
    """
    with closing(results):
        for count, collected in failures:
            try:
                for result in islice(results, count):
                    collected.add(result)
                    yield result
            except (KeyboardInterrupt, WorkersLostError):
                yield from collected.unshrunk(_CUT)
                raise
            yield from collected.unshrunk(_CUT) if stopped.is_set() else collected.smallest()


class Failures:
    """The failures among the random cases of one implementation."""

    def __init__(self, cases: RandomCases, check: Check) -> None:
        """Start without any.

        Args:
            cases: where the cases are drawn.
            check: checks a case of the implementation.
        """
        self._cases, self._check = cases, check
        self._findings = Findings()

    def add(self, result: CaseResult) -> None:
        """Add a result, unless the case was not tried."""
        if result.reason != GIVEN_UP:
            self._findings.add(result)

    def smallest(self) -> Generator[CaseResult]:
        """Yield the smallest failing cases, shrunk.

        A bug in the checker must not end the run: after it the smallest drawn cases follow, with the bug.
        """
        shown: set[FailureSignature | None] = set()
        try:
            for result in self._smallest():
                shown.add(FailureSignature.of(result))
                yield result
        except (KeyboardInterrupt, WorkersLostError):
            yield from self.unshrunk(_CUT, shown)
            raise
        except Exception as error:  # noqa: BLE001  # any bug
            report = describe_bug(error)
            for result in self.unshrunk(f"not shrunk: {report.reason}", shown):
                yield replace(result, bug=report.bug)

    def unshrunk(self, note: str, shown: Container[FailureSignature | None] = ()) -> Generator[CaseResult]:
        """Yield the smallest drawn case for each signature that was not shown."""
        for finding in self._most_frequent_first():
            if finding.signature not in shown:
                yield replace(finding.result, smallest=SmallestFailure(failures=finding.cases, note=note))

    def _smallest(self) -> Generator[CaseResult]:
        """Yield a smallest case for each finding. All flaky ones together make one result."""
        flaky: list[tuple[int, CaseResult]] = []
        for finding in self._most_frequent_first():
            tries = _Tries(finding.signature, finding.result, self._check)
            case, note = self._shrink(finding.result.case, tries)
            result = replace(tries.results[case], smallest=SmallestFailure(failures=finding.cases, note=note))
            if tries.other is None:
                yield result
            else:
                other = "passed" if tries.other.verdict is Verdict.PASS else "failed in another way"
                cause = explanation("flaky", result=other).diagnosis()
                flaky.append((finding.cases, replace(result, diagnosis=(cause,))))
        if flaky:
            count = sum(cases for cases, _ in flaky)
            yield replace(flaky[0][1], smallest=SmallestFailure(failures=count, note=_NOT_TWICE))

    def _most_frequent_first(self) -> list[Finding]:
        return self._findings.by_signature()[::-1]

    def _shrink(self, case: Case, tries: _Tries) -> tuple[Case, str | None]:
        """Return the smallest case that was found, and why there may be a smaller one."""
        if tries.hung():
            return case, _HUNG
        if not tries.fails_again(case):
            return case, _NOT_TWICE
        smallest = shrink(case, self._cases, tries)
        if tries.hung():
            return smallest, _HUNG_WHILE_SHRUNK
        if smallest != case and not tries.fails_again(smallest):
            return smallest, _NOT_TWICE
        return smallest, None if tries.left else _NOT_TO_THE_END


class _Tries:
    """Checks whether cases have a signature; each case once, and not too many."""

    def __init__(self, signature: FailureSignature, first: CaseResult, check: Check) -> None:
        self.results = {first.case: first}
        self.other: CaseResult | None = None  #: of a case that had failed, a result with another signature
        self.left = MOST_CHECKS
        self._signature, self._check = signature, check

    def __call__(self, case: Case) -> bool:
        """Tell whether a case has the signature; none has when there were enough tries."""
        if case not in self.results:
            if self.hung() or not self.left:
                return False
            self.left -= 1
            self.results[case] = self._check(case)
        return FailureSignature.of(self.results[case]) == self._signature

    def hung(self) -> bool:
        """Tell whether the latest check took all of its time; no other follows it."""
        return next(reversed(self.results.values())).hung

    def fails_again(self, case: Case) -> bool:
        """Check a case that failed again, and tell whether it has the signature each time."""
        for _ in range(_REPEATS):
            result = self._check(case)
            if FailureSignature.of(result) != self._signature:
                self.other = result
                return False
        return True
