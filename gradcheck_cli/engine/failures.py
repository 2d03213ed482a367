"""Results of random cases told apart by the way in which they fail, and for each way a smallest case."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from gradcheck_cli.cases.shrink import shrink, size
from gradcheck_cli.checks.diagnosis.codes import explanation
from gradcheck_cli.engine.blame import bug
from gradcheck_cli.engine.stream import LostError
from gradcheck_cli.results.result import SmallestFailure, Verdict
from gradcheck_cli.results.signature import FailureSignature

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator
    from threading import Event

    from gradcheck_cli.cases.fuzz import RandomCases
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult, Diagnosis

    Check = Callable[[Case], CaseResult]

#: Checks that are made to find a smallest case, at the most. The faults planted in the tests take 3 to 120.
MOST_CHECKS = 500

#: How often a case that failed is checked again, before it is shrunk and after. What fails in every other run is found
#: out with all but one in 64.
_REPEATS = 3


def until(results: Generator[CaseResult], failures: int) -> Generator[CaseResult]:
    """Pass on results up to that many that failed."""
    with closing(results):
        for result in results:
            yield result
            failures -= result.verdict in (Verdict.FAIL, Verdict.ERROR)
            if failures == 0:
                return


def with_smallest(
    results: Generator[CaseResult], failures: list[tuple[int, Failures]], ended: Event
) -> Generator[CaseResult]:
    """Pass on the results of random cases, and after those of each implementation its smallest failing ones.

    Args:
        results: of one implementation after the other.
        failures: for each of them how many results it has, and where those that failed are gathered.
        ended: set when results come to an end before their time: then those that were drawn are told as they are.

    Raises:
        KeyboardInterrupt, LostError: as `results`, or a check while a case was made smaller.
    """
    with closing(results):
        for count, found in failures:
            try:
                for result in islice(results, count):
                    found.add(result)
                    yield result
            except (KeyboardInterrupt, LostError):
                yield from found.unshrunk(_CUT)
                raise
            yield from found.unshrunk(_CUT) if ended.is_set() else found.smallest()


class Failures:
    """What failed of the random cases of one implementation."""

    def __init__(self, cases: RandomCases, check: Check, seconds: float) -> None:
        """Take note of nothing as yet.

        Args:
            cases: where the cases were drawn.
            check: checks a case of the implementation.
            seconds: the limit of time for one case: what took so long is not tried again and again.
        """
        self._cases, self._check, self._seconds = cases, check, seconds
        self._found: dict[
            FailureSignature, tuple[int, CaseResult]
        ] = {}  #: of each way how many, and the smallest that was drawn

    def add(self, result: CaseResult) -> None:
        """Take in a result."""
        if way := FailureSignature.of(result):
            count, smallest = self._found.get(way, (0, result))
            self._found[way] = count + 1, min(smallest, result, key=lambda result: size(result.case))

    def smallest(self) -> Generator[CaseResult]:
        """Yield smallest failing cases; after a bug in the checker, which must not end the run, those that were drawn.

        The drawn ones carry the bug, and say that they were not shrunk.
        """
        shown: set[FailureSignature | None] = set()
        try:
            for result in self._smallest():
                shown.add(FailureSignature.of(result))
                yield result
        except (KeyboardInterrupt, LostError):
            yield from self.unshrunk(_CUT, shown)
            raise
        except Exception as error:  # noqa: BLE001  # any bug
            blamed = bug(error)
            for result in self.unshrunk(f"not shrunk: {blamed.reason}", shown):
                yield replace(result, bug=blamed.bug)

    def unshrunk(self, note: str, shown: Container[FailureSignature | None] = ()) -> Generator[CaseResult]:
        """Yield the smallest case that was drawn for each way to fail, but for those that were shown."""
        for way, (count, first) in self._found.items():
            if way not in shown:
                yield replace(first, smallest=SmallestFailure(failures=count, note=note))

    def _smallest(self) -> Generator[CaseResult]:
        """Yield a smallest case for each way to fail, those first in which most cases fail.

        Left out are ways that are only others at once. Of those that are flaky, all together make one result.
        """
        flaky: list[CaseResult] = []
        flaky_ways: list[FailureSignature] = []
        for way, count in sorted(self._counts().items(), key=lambda item: -item[1]):
            _, first = self._found[way]
            tries = _Tries(way, first, self._check, self._seconds)
            case, note = self._shrunk(first.case, tries)
            result = replace(tries.results[case], smallest=SmallestFailure(failures=count, note=note))
            if tries.other is None:
                yield result
            else:
                flaky.append(replace(result, diagnosis=(_flaky(tries.other),)))
                flaky_ways.append(way)
        if flaky:
            alike = sum(self._found[way][0] for way in flaky_ways)
            yield replace(flaky[0], smallest=SmallestFailure(failures=alike, note=_NOT_TWICE))

    def _shrunk(self, case: Case, tries: _Tries) -> tuple[Case, str | None]:
        """Return the smallest case that was found, and why there may be a smaller one."""
        if tries.hung():
            return case, _HUNG
        if not tries.same_again(case):
            return case, _NOT_TWICE
        smallest = shrink(case, self._cases, tries)
        if tries.hung():
            return smallest, _HUNG_ON_THE_WAY
        if smallest != case and not tries.same_again(smallest):
            return smallest, _NOT_TWICE
        return smallest, None if tries.left else _NOT_TO_THE_END

    def _counts(self) -> dict[FailureSignature, int]:
        """Count for each way the cases that fail in it, those among them that fail in another way too."""
        composed = {way: count for way, (count, _) in self._found.items() if self._composed(way)}
        return {
            way: count + sum(more for other, more in composed.items() if way.is_part_of(other))
            for way, (count, _) in self._found.items()
            if way not in composed
        }

    def _composed(self, way: FailureSignature) -> bool:
        """Tell whether a way is two or more others at once: of two faults that show in the same case."""
        others = [other for other in self._found if other.is_part_of(way)]
        return (
            frozenset().union(*(other.parts for other in others)) == way.parts
            and frozenset().union(*(other.causes for other in others)) == way.causes
            and not any(other.parts == way.parts for other in others)
        )


def _flaky(other: CaseResult) -> Diagnosis:
    result = "passed" if other.verdict is Verdict.PASS else "failed in another way"
    return explanation("flaky", result=result).diagnosis()


_NOT_TWICE = "not shrunk, because it does not fail each time"
_CUT = "not shrunk, because the run was cut short"
_HUNG = "not shrunk, because each try would take as long as --timeout allows"
_HUNG_ON_THE_WAY = "not shrunk to the end, because a smaller one took longer than --timeout allows"
_NOT_TO_THE_END = f"not shrunk to the end, but for {MOST_CHECKS} tries"


class _Tries:
    """Checks cases for whether they fail in the same way; each once, and not too many."""

    def __init__(self, way: FailureSignature, first: CaseResult, check: Check, seconds: float) -> None:
        self.results = {first.case: first}
        self.other: CaseResult | None = None  #: of a case that had failed, another result
        self.left = MOST_CHECKS
        self._way, self._check, self._seconds = way, check, seconds

    def __call__(self, case: Case) -> bool:
        """Tell whether a case fails in the same way; none does when it is enough."""
        if case not in self.results:
            if self.hung() or not self.left:
                return False
            self.left -= 1
            self.results[case] = self._check(case)
        return FailureSignature.of(self.results[case]) == self._way

    def hung(self) -> bool:
        """Tell whether a check took all the time that it may; it was the last."""
        last = next(reversed(self.results.values()))
        return last.verdict is Verdict.ERROR and last.seconds >= self._seconds

    def same_again(self, case: Case) -> bool:
        """Check a case that failed again, and tell whether it always fails in the same way."""
        for _ in range(_REPEATS):
            result = self._check(case)
            if FailureSignature.of(result) != self._way:
                self.other = result
                return False
        return True
