"""The duties of a backward pass besides right numbers: each is tried, and has a name and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gradcheck_cli.checks.agreement import Agreement
from gradcheck_cli.checks.comparison import Comparison
from gradcheck_cli.checks.precision import narrowest_rounding
from gradcheck_cli.checks.repeated_calls import RepeatedCalls
from gradcheck_cli.checks.run import CaseRun
from gradcheck_cli.checks.settings import DUTIES, Settings
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.results.result import Diagnosis, Duty, Repetition, Verdict
from gradcheck_cli.text.names import join_names

#: Duties of forward, which it has where no backward is expected.
_OF_FORWARD = ("deterministic", "inputs_unchanged")

#: The duty of which a breach is a remark; and those for which results of several calls are compared.
_LAYOUTS = "memory_layouts"
_COMPARED = ("linear_in_cotangent", "independent_caches", _LAYOUTS)
_CANNOT_TELL = Duty(
    verdict=Verdict.INCONCLUSIVE, reason="could not be decided: the same call gives another result each time"
)


class TriedDuties(NamedTuple):
    """The duties by name, the causes that were found on the way, and what a pass should mention."""

    verdicts: dict[str, Duty]
    causes: tuple[Diagnosis, ...]
    remarks: tuple[Diagnosis, ...]
    repetition: Repetition | None = None

    @property
    def decisive(self) -> list[Duty]:
        """The duties that the verdict on a case depends on.

        Whether code is given arrays in other layouts is for its author to say: a well-known course's fast convolution
        computes strides from shapes, and is right in all that calls it. That is a remark.
        """
        return [duty for name, duty in self.verdicts.items() if not (self.remarks and name == _LAYOUTS)]


def try_duties(run: CaseRun, comparison: Comparison) -> TriedDuties:
    """Try every duty that is not to be skipped; each has a verdict and, unless it passed, a sentence.

    That takes 5 more calls of forward and 8 of backward, and a few more where something is wrong.
    Where no backward is expected, the duties of forward are tried alone.
    """
    skipped, owes_backward = run.settings.skipped_duties, run.gradients is not None
    subjects = run.subjects.values()
    calls = RepeatedCalls(run, Agreement(run, comparison.expected, _rounding_dtype(run, comparison)))
    if "deterministic" in skipped and owes_backward:
        calls.allow_sums()
    tests: dict[str, Callable[[], str | None]] = {
        "shapes": lambda: _join(subject.malformed for subject in subjects),
        "finite": lambda: _join(subject.nonfinite for subject in subjects),
        "deterministic": calls.deterministic,
        "linear_in_cotangent": calls.linear_in_cotangent,
        "inputs_unchanged": lambda: _overwritten(run.overwritten),
        "independent_caches": calls.independent_caches,
        _LAYOUTS: calls.memory_layouts,
    }
    owed = [name for name in tests if name not in skipped and (owes_backward or name in _OF_FORWARD)]
    duties = {name: _CANNOT_TELL if name in _COMPARED and not calls.repeatable else _try(tests[name]) for name in owed}
    if calls.remarks:
        duties[_LAYOUTS] = replace(duties[_LAYOUTS], verdict=Verdict.INCONCLUSIVE)
    if owes_backward and "not_vacuous" not in skipped:
        duties["not_vacuous"] = _vacuous(run.problem.why_vacuous(run.out), comparison.ignored)
    return TriedDuties(duties, calls.causes, calls.remarks, calls.repetition)


def untried_duties(settings: Settings, verdict: Verdict = Verdict.ERROR) -> dict[str, Duty]:
    """Say of every duty that it was not tried, because there was nothing to try it on."""
    untried = Duty(verdict=verdict, reason="was not tried")
    return {name: untried for name in DUTIES if name not in settings.skipped_duties}


def _try(test: Callable[[], str | None]) -> Duty:
    try:
        reason = test()
    except ImplementationError as error:
        reason = str(error)
    return Duty(verdict=Verdict.FAIL if reason else Verdict.PASS, reason=reason)


def _rounding_dtype(run: CaseRun, comparison: Comparison) -> str:
    """Name the dtype whose roundings two results may differ by: a narrower one if they were computed in it."""
    failing = [run.out] if run.forward and run.forward.verdict is Verdict.FAIL else []
    failing += [
        (run.gradients or {}).get(name)
        for name in run.problem.differentiable
        if comparison.verdict_on(name) is Verdict.FAIL
    ]
    return narrowest_rounding(failing, run.dtype)


def _join(reasons: Iterable[str | None]) -> str | None:
    return "; ".join(reason for reason in reasons if reason) or None


def _overwritten(names: tuple[str, ...]) -> str | None:
    return f"{join_names(names)} {'was' if len(names) == 1 else 'were'} modified in place" if names else None


def _vacuous(reason: str | None, ignored: tuple[str, ...]) -> Duty:
    if ignored and not reason:
        reason = f"forward does not depend on {join_names(ignored)}: zero is right, and little could be wrong"
    return Duty(verdict=Verdict.INCONCLUSIVE if reason else Verdict.PASS, reason=reason)
