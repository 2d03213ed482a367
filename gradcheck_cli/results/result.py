"""What a check found, as frozen data: every report and the exit code are functions of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.numeric.arrays import Array


#: What is said of an array in whose place there is nothing.
MISSING = " is missing: nothing was returned in its place"


class Verdict(StrEnum):
    """The outcome of a check, of a case and of a run."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"  #: nothing is wrong as far as could be seen, and that was not far enough
    ERROR = "error"  #: the implementation raised
    SKIP = "skip"  #: no layer can have this geometry

    @classmethod
    def worst(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """Return the verdict on the whole whose parts have these; SKIP where there are none."""
        found = set(verdicts)
        ranking = (cls.FAIL, cls.ERROR, cls.INCONCLUSIVE, cls.PASS)
        return next((verdict for verdict in ranking if verdict in found), cls.SKIP)


@frozen
class Worst:
    """The element furthest beyond its tolerance, or nearest to it."""

    index: tuple[int, ...]
    analytic: float
    numeric: float
    error_bound: float  #: how far `numeric` may be from the truth, in its own units


@frozen
class Wrong:
    """How many elements are wrong, and where."""

    count: int
    of: int
    where: str | None  #: in the array's own terms, where there is a short way to say it


@frozen
class Arrays:
    """The elements behind an `ArrayResult`, kept on request."""

    analytic: Array
    numeric: Array
    error_bound: Array


@frozen
class Picture:
    """How wrong an array is, over the last two axes of the slice that holds its worst element."""

    index: tuple[int, ...]  #: of the slice, along all axes but the last two
    levels: tuple[tuple[int, ...], ...]  #: row by row: 0 where nothing is wrong, to 4 for the largest errors
    block: tuple[int, int]  #: elements, down and across, that each level stands for: that of the worst among them


@frozen
class ArrayResult:
    """One array held against what it should be: a gradient, or the output of forward.

    Errors are None where the array could not be compared element by element (missing, of the wrong shape).
    """

    name: str
    verdict: Verdict
    reason: str | None  #: why, in a sentence; None only on a pass
    shape: tuple[int, ...] | None  #: None if it was not returned
    expected_shape: tuple[int, ...]
    dtype: str | None
    max_rel_error: float | None  #: the field's usual measure, max |a - n| / max(1e-8, |a| + |n|)
    max_abs_error: float | None
    scaled_error: float | None  #: |a - n| of the worst element in roundings: eps * scale + error_bound / tolerance
    tolerance: float  #: how many roundings are allowed, beyond the error bound of the numeric side
    floor: float | None  #: how far off any one element must be, at the most, to be found wrong; in its own units
    worst: Worst | None
    wrong: Wrong | None
    method: str  #: how the numeric side was computed
    evaluations: int  #: how many calls of forward that took
    arrays: Arrays | None = field(default=None, repr=False, compare=False)
    picture: Picture | None = field(default=None, repr=False, compare=False)  #: where it is wrong in part


@frozen
class Duty:
    """What came of one of the things that a backward pass owes beside the right numbers."""

    verdict: Verdict
    reason: str | None  #: None only on a pass


@frozen
class Diagnosis:
    """A cause that was tried against the numbers and fits."""

    code: str
    text: str


@frozen
class Smallest:
    """What a case stands for that was found by shrinking a random one."""

    alike: int  #: how many of the random cases failed in the same way, alone or with another
    note: str | None  #: why there may be a smaller one


@frozen
class CaseResult:
    """One case of one implementation."""

    implementation: str
    layer: str
    case: Case
    verdict: Verdict
    reason: str | None  #: None only on a pass
    forward: ArrayResult | None = None  #: None if it raised, the case was skipped or there is no reference
    gradients: Mapping[str, ArrayResult] = field(default_factory=dict)
    duties: Mapping[str, Duty] = field(default_factory=dict)
    diagnosis: tuple[Diagnosis, ...] = ()
    traceback: str | None = None  #: of an error: the implementation's own frames
    bug: str | None = None  #: of a bug in the checker that was met: its traceback
    understood: str | None = None  #: what the implementation was taken for; None where there is nothing to say
    warnings: tuple[str, ...] = ()  #: what went wrong while it was loaded, and was got over
    command: str | None = None  #: reproduces this case; None if the implementation has no name to type
    smallest: Smallest | None = None  #: of a case that was not drawn, but is told in place of random ones that failed
    seconds: float = 0.0
    output: str = field(default="", compare=False)  #: what the implementation printed, as far as it was captured
    #: Kept on request: the inputs, "dout", "out" and the gradients ("dx") as they were returned.
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False, compare=False)

    @property
    def ran(self) -> bool:
        """Whether it came as far as to a case."""
        return bool(self.case.layer)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the parts of the case that are as bad as the whole are not right, a sentence each."""
        parts = [self.forward, *self.gradients.values()] if self.forward else [*self.gradients.values()]
        found = [part.reason for part in parts if part.verdict is self.verdict and part.reason]
        owed = [duty.reason for duty in self.duties.values() if duty.verdict is self.verdict and duty.reason]
        # What is wrong with a gradient's form or values is told by the gradient, and is a breach of a duty too.
        return _once(found + [reason for reason in owed if not set(reason.split("; ")) <= set(found)])

    @property
    def passed(self) -> bool:
        """Whether the case ran and nothing in it is wrong or undecided."""
        return self.verdict is Verdict.PASS

    def summary(self) -> str:
        """Say in a few lines what was checked and what came of it: the message of a failed assertion."""
        lines = [f"{self.implementation}: {self.layer} {self.case.label()} {self.case.dtype}: {self.verdict.upper()}"]
        lines += [line for line in (self.reason, self.traceback, self.command) if line]
        return "\n".join(lines)


def _once(reasons: list[str]) -> tuple[str, ...]:
    """Say in one sentence which arrays are missing, if several are."""
    parts = [reason.split("; ") for reason in reasons]
    missing = dict.fromkeys(part.removesuffix(MISSING) for said in parts for part in said if part.endswith(MISSING))
    if len(missing) < 2:
        return tuple(reasons)
    rest = ("; ".join(part for part in said if not part.endswith(MISSING)) for said in parts)
    return f"{join_names(missing)} are missing: nothing was returned in their place", *filter(None, rest)


@frozen
class Run:
    """What is about to be checked, as far as it is known before the first result."""

    program: str
    argv: tuple[str, ...]
    seed: int
    cases: int  #: for all implementations together, skipped ones included
    surveyed: bool = False  #: whether it was found by looking what there is to check, and of which layers
    random: bool = False  #: whether cases are random: of those that fail, smallest ones are told in their place
    versions: Mapping[str, str]  #: of the program, Python and NumPy

    def tells(self, result: CaseResult) -> bool:
        """Tell whether a result stands for itself, and not behind a smaller one that fails in the same way."""
        return not self.random or result.smallest is not None or result.verdict in (Verdict.PASS, Verdict.SKIP)


@frozen
class Summary:
    """What a run came to. Smallest cases do not count: they were not drawn."""

    counts: Mapping[Verdict, int]
    seconds: float
    interrupted: bool = False
    stopped: bool = False  #: before all cases were tried, because enough of them had failed
    lost: bool = False  #: before all cases were tried, because those who compute were lost
    bugs: int = 0  #: results in which a bug in the checker was met
    ways: int | None = None  #: of random cases, in how many ways they failed

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
    def cut_short(self) -> bool:
        """Whether the run ended before all cases were checked."""
        return self.interrupted or self.stopped or self.lost

    @property
    def verdict(self) -> Verdict:
        """The verdict on the run."""
        return Verdict.worst(verdict for verdict, count in self.counts.items() if count)
