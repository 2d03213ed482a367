"""The distinct failures of a run: for each the simplest case that shows it, and how many cases do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.results.result import CaseResult, Verdict

if TYPE_CHECKING:
    from gradcheck_cli.results.signature import FailureSignature

    Found = dict[FailureSignature, "Finding"]

#: How many times more frequent a specific cause must be than a general one that it explains. Of the 189 planted faults
#: of the tests, 51 have several signatures on the standard set of their layer, and 6 several findings. Of 527 pairs of
#: them that differ in signatures, 20 have one finding, in which the other fault is a variant; with 1 instead of 2, 39.
_RARE = 2


@frozen
class Finding:
    """A distinct failure of one implementation."""

    signature: FailureSignature
    result: CaseResult  #: of the simplest case that fails this way, in as many arrays as any other
    cases: int  #: that fail this way, alone or together with another
    #: Of these, cases in which the same arrays are wrong, but the diagnosis says less, or what does not hold in the
    #: others; the most frequent first.
    variants: tuple[Finding, ...] = ()
    signatures: frozenset[FailureSignature] = frozenset()  #: of all that it stands for


class Findings:
    """Collects failures, by implementation and by what is wrong."""

    def __init__(self, *, random: bool = False) -> None:
        """Start without any.

        Args:
            random: whether cases are random. Then the smallest ones, made after the run, are the findings.
        """
        self._random = random
        self._found: dict[tuple[str, str], Found] = {}

    def add(self, result: CaseResult) -> None:
        """Add a result; one that passed or was skipped is ignored."""
        if result.verdict in (Verdict.PASS, Verdict.SKIP):
            return
        from gradcheck_cli.results.signature import FailureSignature  # only for cases that fail

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
        """Return the findings of an implementation, the worst and most frequent last.

        Cases that fail in several ways, each of which other cases show alone, count for those and are no finding.
        Failures that differ among geometries, but that one fault explains, are one finding.
        """
        alone, combined = self._split(implementation, layer)
        found = [_join(group, combined) for group in _group(alone)]
        return sorted(found, key=lambda finding: (finding.signature.verdict.rank, finding.cases))

    def all(self) -> list[Finding]:
        """Return the findings of all implementations, in the order in which these first failed."""
        return [finding for implementation, layer in self._found for finding in self.of(implementation, layer)]

    def by_signature(self) -> list[Finding]:
        """Return a finding for each failure signature that some case shows alone, the most frequent last."""
        split = [self._split(implementation, layer) for implementation, layer in self._found]
        return [
            finding
            for alone, combined in split
            for finding in sorted((_join([one], combined) for one in alone), key=lambda finding: finding.cases)
        ]

    def _split(self, implementation: str, layer: str) -> tuple[list[Finding], list[Finding]]:
        """Return a finding for each failure signature, and apart those that are combinations of others.

        The smallest of random cases count for combinations already.
        """
        found = self._found.get((implementation, layer), {})
        combined = [finding for signature, finding in found.items() if _is_combined(signature, found)]
        alone = [finding for finding in found.values() if finding not in combined]
        return alone, [] if self._random else combined


def _is_combined(signature: FailureSignature, found: Iterable[FailureSignature]) -> bool:
    """Tell whether a signature is a combination of others: of two faults that show in the same case."""
    others = [other for other in found if other.is_part_of(signature)]
    if not others:
        return False
    if signature.is_specific and all(other.causes == signature.causes for other in others):
        return False  # one cause explains all of its arrays
    return (
        frozenset().union(*(other.parts for other in others)) == signature.parts
        and frozenset().union(*(other.causes for other in others)) == signature.causes
        and not any(other.parts == signature.parts for other in others)
    )


def _group(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Group findings that one fault explains; the first of each group is the most telling."""
    groups: list[list[Finding]] = []
    for finding in sorted(findings, key=_telling, reverse=True):
        fitting = [group for group in groups if _belongs(finding, group[0])]
        if fitting:
            max(fitting, key=lambda group: sum(one.cases for one in group)).append(finding)
        else:
            groups.append([finding])
    return groups


def _belongs(finding: Finding, main: Finding) -> bool:
    """Tell whether one fault explains two findings; what is specific explains only what is rarer."""
    same = finding.signature.causes == main.signature.causes
    rare = _RARE * finding.cases <= main.cases or not main.signature.is_specific
    return (same or rare) and finding.signature.may_be(main.signature)


def _telling(finding: Finding) -> tuple[bool, int, int]:
    """Order findings by how much they say: a specific cause, and of that the most arrays; else the most cases."""
    signature = finding.signature
    arrays = len(signature.parts)
    return (True, arrays, finding.cases) if signature.is_specific else (False, finding.cases, arrays)


def _join(group: list[Finding], combined: Iterable[Finding]) -> Finding:
    """Make one finding of a group, which counts the combinations that it is part of."""
    same = [one for one in group if one.signature.causes == group[0].signature.causes]
    shown = max(same, key=lambda one: (one.signature.verdict.rank, len(one.signature.parts), -one.result.case.weight))
    signatures = [one.signature for one in group]
    more = sum(one.cases for one in combined if any(part.is_part_of(one.signature) for part in signatures))
    others = sorted((one for one in group if one not in same), key=lambda one: -one.cases)
    return replace(
        shown, cases=sum(one.cases for one in group) + more, variants=tuple(others), signatures=frozenset(signatures)
    )
