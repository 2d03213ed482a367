"""How the results of one run differ from those of another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping
from enum import StrEnum
from itertools import zip_longest

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.results.result import CaseResult, Verdict

#: How bad a verdict is. To raise is as bad as to return something wrong: neither is an improvement on the other.
_BADNESS = {Verdict.PASS: 0, Verdict.SKIP: 1, Verdict.INCONCLUSIVE: 2, Verdict.ERROR: 3, Verdict.FAIL: 3}


class Kind(StrEnum):
    """How a case has changed, from good to bad."""

    UNCHANGED = "unchanged"
    GONE = "gone"
    BETTER = "better"
    CHANGED = "changed"  #: it fails as before, but in another way
    NEW = "new"
    WORSE = "worse"


@frozen
class Change:
    """A case in two runs. At least one of them has it."""

    kind: Kind
    old: CaseResult | None
    new: CaseResult | None

    @property
    def result(self) -> CaseResult:
        """The result of the later run that has the case."""
        result = self.new or self.old
        assert result is not None
        return result

    @property
    def is_regression(self) -> bool:
        """Whether the case is worse than it was, or new and wrong."""
        return self.kind is Kind.WORSE or (self.kind is Kind.NEW and _BADNESS[self.result.verdict] == 3)


def compare(old: Iterable[CaseResult], new: Iterable[CaseResult]) -> list[Change]:
    """Compare two runs, case by case: of the same implementation, layer, geometry, dtype and seed.

    The smallest of random cases, which were not drawn, are left out. Whatever is found in a file that could not be
    loaded before is better.
    """
    before, after = _by_case(old), _by_case(new)
    unloaded = {implementation for implementation, layer, _ in before if not layer}
    return [
        Change(kind=_kind(first, second, unloaded), old=first, new=second)
        for key in dict.fromkeys([*before, *after])
        for first, second in zip_longest(before.get(key, []), after.get(key, []))
    ]


def _by_case(results: Iterable[CaseResult]) -> Mapping[tuple[str, str, Case], list[CaseResult]]:
    found: dict[tuple[str, str, Case], list[CaseResult]] = defaultdict(list)
    for result in results:
        if result.smallest is None:
            found[result.implementation, result.layer, result.case].append(result)
    return found


def _kind(old: CaseResult | None, new: CaseResult | None, unloaded: Container[str]) -> Kind:
    if new is None:
        return Kind.GONE
    if old is None:
        return Kind.BETTER if new.implementation.partition(":")[0] in unloaded else Kind.NEW
    step = _BADNESS[new.verdict] - _BADNESS[old.verdict]
    if not step:  # some of its parts may be better or worse
        before, after = _parts(old), _parts(new)
        # Of a shortened result only what is wrong is known; of one that raised, nothing.
        names = before.keys() | after.keys() if before and after else ()
        steps = [after.get(name, 0) - before.get(name, 0) for name in names]
        step = max(steps, default=0) or min(steps, default=0)
    if step:
        return Kind.WORSE if step > 0 else Kind.BETTER
    return Kind.UNCHANGED if _cause(old) == _cause(new) else Kind.CHANGED


def _parts(result: CaseResult) -> dict[str, int]:
    """Return how bad each array and each duty is."""
    verdicts = {name: array.verdict for name, array in result.gradients.items()}
    verdicts |= {name: duty.verdict for name, duty in result.duties.items()}
    if result.forward:
        verdicts["out"] = result.forward.verdict
    return {name: _BADNESS[verdict] for name, verdict in verdicts.items()}


def _cause(result: CaseResult) -> object:
    """Return what tells a failure from another: the causes, or for what raised the kind of exception."""
    raised = re.sub(r"\d+", "", (result.reason or "").partition(": ")[0]) if result.verdict is Verdict.ERROR else ""
    return result.verdict, frozenset(cause.code for cause in result.diagnosis) or raised
