"""The distinct failures of a run: for each the simplest case that shows it, and how many cases do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.results.signature import FailureSignature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.results.result import CaseResult


@frozen
class Finding:
    """A distinct failure of one implementation."""

    signature: FailureSignature
    result: CaseResult  #: of the simplest case that fails this way
    cases: int  #: that fail this way, alone or together with another


class Findings:
    """Collects failures, and keeps one result for each failure signature of each implementation."""

    def __init__(self, *, random: bool = False) -> None:
        """Start without any.

        Args:
            random: whether cases are random. Then the smallest ones, made after the run, are the findings.
        """
        self._random = random
        self._found: dict[tuple[str, str], dict[FailureSignature, Finding]] = {}

    def add(self, result: CaseResult) -> None:
        """Add a result; one that passed or was skipped is ignored."""
        signature = FailureSignature.of(result)
        if signature is None or (self._random and result.smallest is None):
            return
        found = self._found.setdefault((result.implementation, result.layer), {})
        count = result.smallest.failures if result.smallest else 1
        before = found.get(signature)
        if before is None:
            found[signature] = Finding(signature=signature, result=result, cases=count)
        else:
            simplest = min(before.result, result, key=lambda one: one.case.weight)
            found[signature] = replace(before, result=simplest, cases=before.cases + count)

    def of(self, implementation: str, layer: str) -> list[Finding]:
        """Return the findings of an implementation, the most frequent last.

        Cases that fail in several ways, each of which other cases show alone, count for those and are no finding.
        """
        found = self._found.get((implementation, layer), {})
        combined = [finding for signature, finding in found.items() if _is_combined(signature, found)]
        alone = [finding for finding in found.values() if finding not in combined]
        if not self._random:  # the smallest cases have been counted so already
            alone = [
                replace(one, cases=one.cases + sum(m.cases for m in combined if one.signature.is_part_of(m.signature)))
                for one in alone
            ]
        return sorted(alone, key=lambda finding: finding.cases)

    def all(self) -> list[Finding]:
        """Return the findings of all implementations, in the order in which these first failed."""
        return [finding for implementation, layer in self._found for finding in self.of(implementation, layer)]


def _is_combined(signature: FailureSignature, found: Mapping[FailureSignature, Finding]) -> bool:
    """Tell whether a signature is a combination of others: of two faults that show in the same case."""
    others = [other for other in found if other.is_part_of(signature)]
    return (
        frozenset().union(*(other.parts for other in others)) == signature.parts
        and frozenset().union(*(other.causes for other in others)) == signature.causes
        and not any(other.parts == signature.parts for other in others)
    )
