"""A run of the program, before its first result and after its last one, as frozen data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.results.result import CaseResult, Verdict


@frozen
class Run:
    """What is known of a run of the program before its first result."""

    program: str
    argv: tuple[str, ...]
    seed: int
    cases: int  #: for all implementations together, skipped ones included
    implementations: int = 1
    surveyed: bool = False  #: whether layers and implementations were found by looking through files
    random: bool = False  #: whether cases are random; smallest ones are shown in place of those that fail
    versions: Mapping[str, str]  #: of the program, Python and NumPy

    def shows(self, result: CaseResult) -> bool:
        """Tell whether a result is shown: a random case that fails is not, but the smallest one like it is."""
        return not self.random or result.smallest is not None or result.verdict in (Verdict.PASS, Verdict.SKIP)


@frozen
class Origin:
    """What the results of a run depend on besides the cases, as far as it is known."""

    layer: str | None  #: None if layers were found by looking through files
    platform: str
    settings: Mapping[str, Any]  #: by the flags that set them
    sources: Mapping[
        str, str | None
    ]  #: the fingerprint of each file or implementation, as it was named, if there is one


@frozen
class Summary:
    """The result of a run. Smallest failing cases are not counted: they were not drawn."""

    counts: Mapping[Verdict, int]
    seconds: float
    interrupted: bool = False
    stopped: bool = False  #: early, by --max-failures
    workers_lost: bool = False  #: ended early because of that
    bugs: int = 0  #: results with a bug in the checker
    carried_over: int = 0  #: cases whose results are those of an earlier run
    origin: Origin | None = None  #: if a report has it

    @classmethod
    def of(cls, verdicts: Iterable[Verdict], *, seconds: float, interrupted: bool = False) -> Summary:
        """Summarize a run from the verdicts on its cases."""
        found = Counter(verdicts)
        return cls(counts={verdict: found[verdict] for verdict in Verdict}, seconds=seconds, interrupted=interrupted)

    @property
    def cases(self) -> int:
        """Number of cases, skipped ones included."""
        return sum(self.counts.values())

    @property
    def cut_short(self) -> str:
        """How the run ended before all cases were checked; empty if it did not."""
        ends = {"stopped early": self.stopped, "cut short": self.workers_lost, "interrupted": self.interrupted}
        return next((how for how, applies in ends.items() if applies), "")

    @property
    def verdict(self) -> Verdict:
        """The verdict on the run."""
        return Verdict.worst(verdict for verdict, count in self.counts.items() if count)
