"""What a check found, as frozen data: every report and the exit code are functions of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, cast

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from gradcheck_cli.results.step_sweep import Sweep


#: How a reason ends for an array that was not returned.
MISSING = " is missing: nothing was returned in its place"


class Verdict(StrEnum):
    """The outcome of a check, of a case and of a run."""

    PASS = "pass"  # noqa: S105  # no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"  #: no fault was found, but one could have been missed
    ERROR = "error"  #: the implementation raised, hung or crashed
    SKIP = "skip"  #: not checked: an impossible geometry, or one that the code cannot be asked for

    @classmethod
    def worst(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """Return the verdict on a whole from those on its parts; SKIP if there are none."""
        return max((each for each in verdicts if each is not cls.SKIP), key=_RANKING.index, default=cls.SKIP)

    @property
    def rank(self) -> int:
        """The place from good, 0, to bad."""
        return _RANKING.index(self)


_RANKING = (Verdict.PASS, Verdict.SKIP, Verdict.INCONCLUSIVE, Verdict.ERROR, Verdict.FAIL)


@frozen
class WorstElement:
    """The element furthest beyond its tolerance, or nearest to it."""

    index: tuple[int, ...]
    analytic: float
    numeric: float
    error_bound: float  #: how far `numeric` may be from the truth, in its own units


@frozen
class WrongElements:
    """How many elements of an array are wrong, and where."""

    count: int
    of: int
    where: str | None  #: in the words of its axes, such as `the last row`; None without a short description


@frozen
class Arrays:
    """The elements behind an `ArrayResult`, kept on request."""

    analytic: Array
    numeric: Array
    error_bound: Array
    wrong: Array  #: which elements are, bool


@frozen
class Picture:
    """A coarse map of the errors in the slice, over the last two axes, that holds the worst element."""

    index: tuple[int, ...]  #: of the slice, along all axes but the last two
    levels: tuple[tuple[int, ...], ...]  #: row by row: 0 where nothing is wrong, to 4 for the largest errors
    block: tuple[int, int]  #: how many elements, down and across, each level covers; it is that of the worst among them


@frozen
class ArrayResult:
    """The comparison of one array, a gradient or the output of forward, with its expected value.

    Errors are None if the array could not be compared element by element (missing, of the wrong shape).
    """

    name: str
    verdict: Verdict
    reason: str | None  #: why, in a sentence; None only on a pass
    shape: tuple[int, ...] | None  #: None if it was not returned
    expected_shape: tuple[int, ...]
    dtype: str | None
    max_rel_error: float | None = None  #: the field's usual measure, max |a - n| / max(1e-8, |a| + |n|)
    max_abs_error: float | None = None
    scaled_error: float | None = (
        None  #: |a - n| of the worst element in roundings: eps * scale + error_bound / tolerance
    )
    tolerance: float  #: how many roundings are allowed beyond the error bound of the numeric side
    floor: float | None = None  #: the smallest absolute error that is certain to be found in any element
    worst: WorstElement | None = None
    wrong: WrongElements | None = None
    exact: bool | None = None  #: whether it is exact at small integers; None where roundings are right there too
    missed: float | None = None  #: of one that is exact there: the probability that one error was missed
    accumulates_in: str | None = None  #: the dtype in which its sums are rounded, where its errors tell
    method: str = "none"  #: how the numeric side was computed
    evaluations: int = 0  #: calls of forward for it
    #: Whether the worst element, which is not wrong, is off by far more than the others.
    stands_out: bool = field(default=False, repr=False, compare=False)
    arrays: Arrays | None = field(default=None, repr=False, compare=False)
    picture: Picture | None = field(default=None, repr=False, compare=False)  #: if it is partly wrong

    @property
    def share(self) -> float:
        """The error as a share of what is allowed."""
        return (self.scaled_error or 0.0) / self.tolerance


@frozen
class Duty:
    """The verdict on one duty of a backward pass besides right numbers (`checks.settings.DUTIES`)."""

    verdict: Verdict
    reason: str | None  #: None only on a pass


@frozen
class Repetition:
    """How often forward and backward came out different when they were called again and again at the same inputs."""

    calls: int  #: of each pass
    different: int  #: calls whose results differ from what most calls give, by more than rounding
    rate: float  #: of a fault; `missed` is the probability that such a fault had shown in none of the calls
    missed: float

    @property
    def risk(self) -> str:
        """The fault that may have been missed, and how probably."""
        return f"a fault in 1 of {round(1 / self.rate):,} calls is missed with probability {self.missed:.2g}"


@frozen
class Diagnosis:
    """A cause of a failure, verified against the numbers."""

    code: str
    text: str


@frozen
class Place:
    """Where in the user's code a failure comes from."""

    file: str  #: as the user named it, or relative to the current folder
    line: int  #: of the statement if the cause tells, else of the function
    function: str  #: the backward pass, or the forward pass if that is wrong
    statement: str | None = None  #: the statement's own text, where exactly one fits the cause
    cell: int | None = None  #: of a notebook, in which lines are counted; code cells are counted from 1

    @property
    def location(self) -> str:
        """The file and the line."""
        return f"{self.file}:{self.line}" if self.cell is None else f"{self.file}, cell {self.cell}, line {self.line}"


@frozen
class SmallestFailure:
    """How many random cases the smallest one that fails like them represents."""

    failures: int  #: random cases with this failure signature, alone or with another
    note: str | None  #: why there may be a smaller case


@frozen
class CaseResult:
    """One case of one implementation."""

    implementation: str
    layer: str
    case: Case
    verdict: Verdict
    reason: str | None  #: None only on a pass
    forward: ArrayResult | None = None  #: None if it raised, the case was skipped, or there is no reference
    gradients: Mapping[str, ArrayResult] = field(default_factory=dict)
    duties: Mapping[str, Duty] = field(default_factory=dict)
    repetition: Repetition | None = None  #: with --repeat, unless a call came out different for a known reason
    diagnosis: tuple[Diagnosis, ...] = ()
    place: Place | None = None  #: of what is wrong; None if the source is unknown
    #: By the gradient's name: of a step sweep, or on request of the worst element of each wrong gradient.
    sweeps: Mapping[str, Sweep] = field(default_factory=dict)
    traceback: str | None = None  #: of an error: the implementation's own frames
    bug: str | None = None  #: the traceback of a bug in the checker
    understood: str | None = None  #: how the implementation's calling convention was read; None for the built-in ones
    warnings: tuple[str, ...] = ()  #: problems while it was loaded that did not prevent the check
    command: str | None = None  #: reproduces this case; None if the implementation has no name to type
    smallest: SmallestFailure | None = None  #: set on a case that is shown in place of random ones that failed
    seconds: float = 0.0
    hung: bool = False  #: whether a call took longer than its time limit, or the case was not tried because others had
    carried_over: bool = False  #: from an earlier run, in which nothing that it depends on was different
    output: str = field(default="", compare=False)  #: what the implementation printed, as far as it was captured
    #: On request: the inputs, "dout", "out" and the gradients ("dx") as they were returned.
    arrays: Mapping[str, Array] = field(default_factory=dict, repr=False, compare=False)

    @property
    def ran(self) -> bool:
        """Whether a case was run."""
        return bool(self.case.layer)

    @property
    def compared(self) -> tuple[ArrayResult, ...]:
        """The output, as far as it is compared, and the gradients."""
        return (*([self.forward] if self.forward else ()), *self.gradients.values())

    @property
    def worst_array(self) -> ArrayResult | None:
        """The array whose error is the largest share of what is allowed; None if none has figures."""
        figures = [array for array in self.compared if array.scaled_error is not None]
        return max(figures, key=lambda array: array.share, default=None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """The reasons of the parts that have the verdict of the whole, a sentence each."""
        found = [part.reason for part in self.compared if part.verdict is self.verdict and part.reason]
        duties = [duty.reason for duty in self.duties.values() if duty.verdict is self.verdict and duty.reason]
        # A gradient of the wrong form fails a duty for the same reason, which is given once.
        reasons = found + [reason for reason in duties if not set(reason.split("; ")) <= set(found)]
        # What differs from call to call is bound to be wrong: that it differs comes first.
        unsteady = self.duties.get("deterministic")
        first = unsteady.reason if unsteady and unsteady.verdict is self.verdict else None
        return _join_missing(sorted(reasons, key=lambda reason: reason != first))

    @property
    def causes(self) -> tuple[str, ...]:
        """The causes without their remedies, a sentence each; of a case that passed, remarks."""
        return tuple(diagnosis.text.partition(". ")[0].removesuffix(".") for diagnosis in self.diagnosis)

    @property
    def headline(self) -> str:
        """What is wrong, in one line: the causes with their codes, or else the reason; empty on a pass.

        A cause says more than its effects, and the same cause reads the same in cases of different sizes.
        """
        if self.verdict is Verdict.PASS:
            return ""
        causes = (f"{text} [{one.code}]" for text, one in zip(self.causes, self.diagnosis, strict=True))
        return "; ".join(causes) or self.reason or ""

    @property
    def passed(self) -> bool:
        """Whether the case ran, and nothing in it is wrong or undecided."""
        return self.verdict is Verdict.PASS

    def summary(self) -> str:
        """Return the message of a failed assertion: case, verdict, reason, causes and replay command, a line each."""
        lines = [f"{self.implementation}: {self.layer} {self.case.label()} {self.case.dtype}: {self.verdict.upper()}"]
        if self.place:
            lines.append(f"{self.place.location}, in {self.place.function}")
        lines += filter(None, [self.reason])
        lines += [f"{cause.text} [{cause.code}]" for cause in self.diagnosis]
        lines += filter(None, [self.traceback, self.command and f"replay: {self.command}"])
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Return what a notebook shows of it."""
        # By name, as report formats are: reports import results, and not the other way round.
        return cast("str", import_module("gradcheck_cli.report.html.notebook").fragment(self))


def _join_missing(reasons: list[str]) -> tuple[str, ...]:
    """Name several missing arrays in one sentence."""
    split = [reason.split("; ") for reason in reasons]
    missing = dict.fromkeys(part.removesuffix(MISSING) for parts in split for part in parts if part.endswith(MISSING))
    if len(missing) < 2:
        return tuple(reasons)
    rest = ("; ".join(part for part in parts if not part.endswith(MISSING)) for parts in split)
    return f"{join_names(missing)} are missing: nothing was returned in their place", *filter(None, rest)
