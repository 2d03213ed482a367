"""The duties of a backward pass besides right numbers: each is tried, and has a name and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from gradcheck_cli.checks.agreement import Agreement
from gradcheck_cli.checks.cancellation import has_reference
from gradcheck_cli.checks.comparison import Comparison
from gradcheck_cli.checks.precision import narrowest_rounding
from gradcheck_cli.checks.repeated_calls import RepeatedCalls
from gradcheck_cli.checks.run import CaseRun, RunStoppedError, call_passes, called, make_run
from gradcheck_cli.checks.settings import DUTIES, Settings
from gradcheck_cli.checks.small_case import is_large, small_case
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
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

    That takes 4 more calls of forward and 8 of backward, and a few more where something is wrong. Of a large case, all
    but the first of each are made in a small case of the same kind. Where no backward is expected, the duties of
    forward are tried alone.
    """
    skipped, owes_backward = run.settings.skipped_duties, run.gradients is not None
    owed = [name for name in DUTIES if name not in skipped and (owes_backward or name in _OF_FORWARD)]
    calls = RepeatedCalls(run, Agreement(run, comparison.expected, _rounding_dtype(run, comparison)))
    if "deterministic" in skipped and owes_backward:
        calls.allow_sums()
    subjects = run.subjects.values()
    of_first = {
        "shapes": _duty(_join(subject.malformed for subject in subjects)),
        "finite": _duty(_join(subject.nonfinite for subject in subjects)),
        "inputs_unchanged": _duty(_overwritten(run.overwritten)),
        "not_vacuous": _vacuous(run.problem.why_vacuous(run.out), comparison.ignored),
    }
    calls.only_once = is_large(run.problem) and owes_backward and "deterministic" in owed
    others, repeated = calls, _try_repeated(calls, ["deterministic"] if calls.only_once else owed)
    if calls.only_once:
        others = (_in_small_case(run) if calls.repeatable else None) or calls
        others.only_once = False
        in_small = _try_repeated(others, owed)
        repeated = in_small if repeated["deterministic"].verdict is Verdict.PASS else {**in_small, **repeated}
    duties = {**of_first, **repeated}
    return TriedDuties({name: duties[name] for name in owed}, others.causes, others.remarks, calls.repetition)


def _try_repeated(calls: RepeatedCalls, owed: Iterable[str]) -> dict[str, Duty]:
    """Try those of the duties for which both passes are called again."""
    tests = {
        "deterministic": calls.deterministic,
        "linear_in_cotangent": calls.linear_in_cotangent,
        "independent_caches": calls.independent_caches,
        _LAYOUTS: calls.memory_layouts,
    }
    found: dict[str, Duty] = {}
    for name in owed:
        if name in tests:
            cannot_tell = name in _COMPARED and not calls.repeatable
            found[name] = _CANNOT_TELL if cannot_tell else _try(tests[name], calls.where)
    if calls.remarks:
        found[_LAYOUTS] = replace(found[_LAYOUTS], verdict=Verdict.INCONCLUSIVE)
    return found


def _in_small_case(run: CaseRun) -> RepeatedCalls | None:
    """Return calls in a small case of the same kind; None if there is none, or code is not right there.

    Compiled code, for instance, may take a few sizes only.
    """
    case = small_case(run.case, run.layer)
    if case == run.case or not has_reference(run):
        return None
    from gradcheck_cli.checks.same_function import reference_before  # only for a large case

    where = f"with {case.label()}"
    try:
        with called(where):
            small = call_passes(make_run(case, run.layer, run.implementation, replace(run.settings, repeat=0)))
    except (RunStoppedError, ImplementationError, NotExpressibleError):
        return None
    if is_large(small.problem) or not has_reference(small):
        return None
    expected = reference_before(case, run.implementation.absent).estimates
    return RepeatedCalls(small, Agreement(small, expected, run.dtype), where=where)


def untried_duties(settings: Settings, verdict: Verdict = Verdict.ERROR) -> dict[str, Duty]:
    """Say of every duty that it was not tried, because there was nothing to try it on."""
    untried = Duty(verdict=verdict, reason="was not tried")
    return {name: untried for name in DUTIES if name not in settings.skipped_duties}


def _try(test: Callable[[], str | None], where: str) -> Duty:
    try:
        reason = test()
    except ImplementationError as error:
        reason = str(error)
    return _duty(f"{where}, {reason}" if where and reason else reason)


def _duty(reason: str | None) -> Duty:
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
