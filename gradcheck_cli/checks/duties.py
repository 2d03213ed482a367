"""What a backward pass owes beside the right numbers: each duty is tried, and told by name."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, NamedTuple, TypeGuard

import numpy as np

from gradcheck_cli.checks.comparison import Subject, malformed, noisy, nonfinite
from gradcheck_cli.checks.settings import DUTIES
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.numeric.arrays import drawn, epsilon, working_dtype
from gradcheck_cli.numeric.rounding import root_mean_square
from gradcheck_cli.results.result import Diagnosis, Duty, Verdict
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

#: Beside the roundings of each of three gradients, those of their sum.
_TOGETHER = 4


#: Duties of forward, which it has where no backward is owed.
_OF_FORWARD = ("deterministic", "inputs_unchanged")

#: Duties for which results of several calls are compared.
_COMPARED = ("linear_in_cotangent", "independent_caches")
_UNTOLD = Duty(verdict=Verdict.INCONCLUSIVE, reason="could not be told: what is run again comes out different")

_STALE = (
    "backward uses what the latest forward left behind, whatever cache it is given. "
    "Keep what it needs in the cache, not in a variable of the module."
)


_SAME_CACHE = "a second time with the same cache"
_USED_UP = (
    " (the first call used up what forward had left in the cache: "
    "backward must not pop from it, clear it or overwrite it)"
)


class FirstRun(NamedTuple):
    """What the first calls of forward and backward left behind."""

    out: object
    gradients: Mapping[str, object] | None  #: as returned, by the names of the inputs; None where none were owed
    changed: tuple[str, ...]  #: inputs and cotangents that they have written into
    scales: Mapping[str, float]  #: for each gradient seen, the largest sum of absolute values of an element's terms
    ignored: tuple[str, ...]  #: inputs on which forward was seen not to depend
    vacuous: str | None = None  #: why the case could not show a fault, whatever the numbers


def try_duties(
    implementation: Implementation,
    problem: Problem,
    first: FirstRun,
    dtype: str,
    settings: Settings,
    *,
    rounding: str | None = None,
) -> tuple[dict[str, Duty], tuple[Diagnosis, ...]]:
    """Try every duty that is not to be skipped; each has a name, a verdict and, unless it passed, a sentence.

    That takes 3 calls of forward and 6 of backward beside the first ones, and a few more where something is wrong.
    Where no backward was owed, the duties of forward are tried alone.

    Args:
        implementation: whose duties they are.
        problem: the case as arrays.
        first: what its first run left behind.
        dtype: the dtype under test.
        settings: tolerance, and duties that are not tried.
        rounding: the dtype by whose roundings two results may differ, where the code computes in a narrower one.

    Returns:
        The duties by name, and the causes found on the way.
    """
    gradients = first.gradients or {}
    subjects = [
        Subject(name=f"d{name}", array=gradients.get(name), dtype=dtype, shape=problem.inputs[name].shape)
        for name in problem.differentiable
    ]
    well_formed = [subject for subject in subjects if not malformed(subject)]
    calls = _Calls(implementation, problem, first, rounding or dtype, settings)
    tests: dict[str, Callable[[], str | None]] = {
        "shapes": lambda: _joined(malformed(subject) for subject in subjects),
        "finite": lambda: _joined(nonfinite(subject.name, np.asarray(subject.array)) for subject in well_formed),
        "deterministic": calls.deterministic,
        "linear_in_cotangent": calls.linear_in_cotangent,
        "inputs_unchanged": lambda: _changed(first.changed),
        "independent_caches": calls.independent_caches,
    }
    duties: dict[str, Duty] = {}
    if "deterministic" in settings.skipped_duties and first.gradients is not None:
        calls.allow_sums()
    if first.gradients is None:
        tests = {name: tests[name] for name in _OF_FORWARD}
    for name, test in tests.items():
        if name not in settings.skipped_duties:
            duties[name] = _UNTOLD if name in _COMPARED and not calls.repeats else _judged(test)
    if first.gradients is not None and "not_vacuous" not in settings.skipped_duties:
        duties["not_vacuous"] = _vacuous(first)
    return duties, calls.causes


def untried_duties(settings: Settings, verdict: Verdict = Verdict.ERROR) -> dict[str, Duty]:
    """Say of every duty that it was not tried, because there was nothing to try it on."""
    untried = Duty(verdict=verdict, reason="was not tried")
    return {name: untried for name in DUTIES if name not in settings.skipped_duties}


def _judged(duty: Callable[[], str | None]) -> Duty:
    try:
        reason = duty()
    except ImplementationError as error:
        reason = str(error)
    return Duty(verdict=Verdict.FAIL if reason else Verdict.PASS, reason=reason)


def _joined(reasons: Iterable[str | None]) -> str | None:
    return "; ".join(reason for reason in reasons if reason) or None


def _changed(names: tuple[str, ...]) -> str | None:
    return f"{join_names(names)} {'was' if len(names) == 1 else 'were'} written into" if names else None


def _vacuous(first: FirstRun) -> Duty:
    reason = first.vacuous
    if first.ignored and not reason:
        reason = f"forward does not depend on {join_names(first.ignored)}: zero is right, and little could be wrong"
    return Duty(verdict=Verdict.INCONCLUSIVE if reason else Verdict.PASS, reason=reason)


class _Calls:
    """The duties for which forward and backward are called again."""

    def __init__(
        self, implementation: Implementation, problem: Problem, first: FirstRun, dtype: str, settings: Settings
    ) -> None:
        self._implementation, self._problem, self._first = implementation, problem, first
        self._rounding = settings.tolerance(dtype) * epsilon(dtype)
        self._gradients = _arrays(first.gradients or {})
        self._cache: object = None  # one that serves more than once, if there is one
        self.repeats = True  # whether what is run again comes out the same
        #: Of gradients that are added up from call to call, and may be, what the last call returned.
        self._sums: dict[str, Array] = {}
        self.causes: tuple[Diagnosis, ...] = ()

    def deterministic(self) -> str | None:
        """Forward and backward run again give the same, and so does backward with a cache that has served before."""
        out, cache = self._forward()
        self.repeats = False
        if (difference := _difference(self._first.out, out)) > 0:
            remedy = '; draw with the "seed" among its parameters' if self._problem.expected_for_draws else ""
            if not self._problem.reference:
                remedy = "; draw from random or np.random, which are seeded before each call"
            return f"{noisy(difference)}{remedy}"
        if self._first.gradients is None:
            return None
        second = _arrays(self._backward(cache, when="again, with the cache of another forward"))
        if different := self._apart(self._gradients, second, 2):
            third = _arrays(self._backward(self._forward()[1]))
            if not self._apart(self._next(second, different), third, 2 * _TOGETHER, only=different):
                return _accumulated(different, "is called again")
            return f"{join_names(different)} came out different when backward was run again"
        self.repeats = True
        if self._first.changed:
            return None  # what is kept of an input that was written into is no longer what it was; that is told
        third = _arrays(self._backward(cache, when=_SAME_CACHE, hint=_USED_UP))
        if different := self._apart(self._gradients, third, 2):
            if not self._apart({name: 2 * array for name, array in second.items()}, third, _TOGETHER, only=different):
                return _accumulated(different, "is called again with the same cache")
            return (
                f"{join_names(different)} came out different when backward was called again with the same cache: it "
                "changes what is in there"
            )
        self._cache = cache
        return None

    def allow_sums(self) -> None:
        """Learn which gradients are added up from call to call, and from now on see only what each call adds."""
        with contextlib.suppress(ImplementationError):  # what raises again is told by the duty that asks for it
            second = _arrays(self._backward(self._forward()[1]))
            different = self._apart(self._gradients, second, 2)
            third = _arrays(self._backward(self._forward()[1]))
            if different and not self._apart(self._next(second, different), third, 2 * _TOGETHER, only=different):
                self._sums = {name: third[name] for name in third if f"d{name}" in different}
                self._gradients |= {name: third[name] - second[name] for name in self._sums}

    def _next(self, second: Mapping[str, Array], names: Sequence[str]) -> dict[str, Array]:
        """Return what a third call returns where each adds the same to what was there."""
        return {
            name: 2 * second[name] - first
            for name, first in self._gradients.items()
            if f"d{name}" in names and name in second and _alike(first, second[name])
        }

    def linear_in_cotangent(self) -> str | None:
        """Backward of zero is zero, and of a sum of two cotangents the sum of those of each."""
        cotangent, source = self._problem.cotangent, random.Random(4)  # noqa: S311  # a direction, not a secret
        zero = _arrays(self._backward(self._any_cache(), np.zeros_like(cotangent), when="with a zero cotangent"))
        if wrong := [f"d{name}" for name, value in zero.items() if value[np.isfinite(value)].any()]:
            be, dout = "is" if len(wrong) == 1 else "are", join_names(self._implementation.cotangents or ("dout",))
            if all(np.array_equal(zero[name[1:]], self._gradients.get(name[1:], np.nan)) for name in wrong):
                return f"{join_names(wrong)} {be} the same where {dout} is zero: {dout} is not used"
            return f"{join_names(wrong)} {be} not zero where {dout} is zero"
        # -2 or -1/2 times the cotangent makes, added to it, -1 or 1/2 times it: both without rounding.
        odd = np.frombuffer(source.randbytes(cotangent.size), np.uint8).reshape(cotangent.shape) & 1
        share = np.where(odd, -2.0, -0.5).astype(cotangent.dtype)
        another = "with another cotangent"
        one = _arrays(self._backward(self._any_cache(), share * cotangent, when=another))
        both = _arrays(self._backward(self._any_cache(), (1 + share) * cotangent, when=another))
        first = self._gradients
        together = {name: first[name] + one[name] for name in first if name in one and _alike(first[name], one[name])}
        if wrong := self._apart(together, both, _TOGETHER):
            return f"{join_names(wrong)} {'is' if len(wrong) == 1 else 'are'} not linear in the cotangent"
        return None

    def independent_caches(self) -> str | None:
        """Backward of the first of two forwards gives the gradients of the first."""
        _, cache = self._forward()
        source = random.Random(5)  # noqa: S311  # other inputs, not secrets
        others = dict(self._problem.inputs)
        for name in self._problem.differentiable:
            within = self._problem.domain.get(name)
            others[name] = drawn(source, others[name].shape, within).astype(others[name].dtype)
        with _called("with other inputs"):
            _, later = self._implementation.forward(others, self._problem.parameters)
        gradients = self._backward(cache, when="after forward had been called with other inputs")
        if not (different := self._different(gradients)) or self._different(self._backward(self._forward()[1])):
            return None  # or it is not deterministic, and that was said
        if not self._apart(_arrays(gradients), _arrays(self._backward(later)), 2):
            self.causes = (Diagnosis(code="stale-cache", text=_STALE),)
        return f"{join_names(different)} came out different when forward had been called with other inputs in between"

    def _forward(self) -> tuple[object, object]:
        with _called("again with the same inputs"):
            return self._implementation.forward(self._problem.inputs, self._problem.parameters)

    def _backward(
        self, cache: object, cotangent: Array | None = None, *, when: str = "again", hint: str = ""
    ) -> Mapping[str, object]:
        cotangent = self._problem.cotangent if cotangent is None else cotangent
        with _called(when, hint):
            returned = self._implementation.backward(cotangent, cache, self._problem.differentiable)
        return self._added(returned) if self._sums else returned

    def _added(self, returned: Mapping[str, object]) -> dict[str, object]:
        """Return what a call has added to the gradients that are sums of all calls, and the others as they are."""
        arrays = _arrays({name: returned[name] for name in self._sums if name in returned})
        added = {name: a - self._sums[name] for name, a in arrays.items() if _alike(a, self._sums[name])}
        self._sums |= arrays
        return {**returned, **added}

    def _any_cache(self) -> object:
        return self._forward()[1] if self._cache is None else self._cache

    def _different(self, gradients: Mapping[str, object]) -> list[str]:
        """Name the gradients that are not those of the first run."""
        return self._apart(self._gradients, _arrays(gradients), 2)

    def _apart(
        self, one: Mapping[str, Array], other: Mapping[str, Array], times: float, only: Sequence[str] = ()
    ) -> list[str]:
        """Name the gradients, all or `only` these, that are further apart than `times` their rounding."""
        names = [name for name in one if not only or f"d{name}" in only]
        return [
            f"d{name}" for name in names if name not in other or not self._close(name, one[name], other[name], times)
        ]

    def _close(self, name: str, one: Array, other: Array, times: float) -> bool:
        if not _alike(one, other):
            return False
        if (one == other).all():
            return True
        scale = self._first.scales.get(name, float(abs(one[np.isfinite(one)]).max(initial=0)))
        with np.errstate(all="ignore"):
            same = (abs(one - other) <= times * self._rounding * scale) | (one == other)
        return bool((same | (np.isnan(one) & np.isnan(other))).all())


@contextlib.contextmanager
def _called(when: str, hint: str = "") -> Iterator[None]:
    """Say in an error of user code in which of several calls it was raised."""
    try:
        yield
    except ImplementationError as error:
        raise ImplementationError(f"called {when}, {error}{hint}", error.traceback) from error


def _accumulated(names: Sequence[str], when: str) -> str:
    return (
        f"{join_names(names)} {'is' if len(names) == 1 else 'are'} added up when backward {when}: it accumulates into "
        "what an earlier call left (`self.dw += ...`, or an array in the cache). "
        "If that is meant, --skip-duty deterministic accepts it"
    )


def _difference(one: object, other: object) -> float:
    """The root mean square difference of two outputs, 0 where they are no arrays of numbers."""
    if _is_numeric(one) and _is_numeric(other) and one.shape == other.shape:
        if (one == other).all():
            return 0.0
        with np.errstate(invalid="ignore"):  # infinities
            return root_mean_square(one.astype(working_dtype(one.dtype)) - other)
    return 0.0


def _is_numeric(value: object) -> TypeGuard[Array]:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufc"


def _alike(one: Array, other: Array) -> bool:
    return one.shape == other.shape


def _arrays(gradients: Mapping[str, object]) -> dict[str, Array]:
    """Pick the gradients that are arrays of numbers, in float64 or wider."""
    arrays = {name: np.asarray(value) for name, value in gradients.items() if isinstance(value, np.ndarray | float)}
    return {name: array.astype(working_dtype(array.dtype)) for name, array in arrays.items() if array.dtype.kind == "f"}
