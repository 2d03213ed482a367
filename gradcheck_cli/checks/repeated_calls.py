"""The duties for which forward and backward are called again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.agreement import Agreement
from gradcheck_cli.checks.cancellation import has_reference
from gradcheck_cli.checks.differentiation import noisy
from gradcheck_cli.checks.memory_layouts import layouts_matter
from gradcheck_cli.checks.other_calls import (
    AFTER_OTHERS,
    NTH,
    OTHER_CACHE,
    OTHER_INPUTS,
    SAME_CACHE,
    SAME_INPUTS,
    OtherCalls,
)
from gradcheck_cli.checks.repetition import OUTPUT, repeat
from gradcheck_cli.checks.returned import difference, is_numeric, real_arrays
from gradcheck_cli.checks.run import CaseRun, called
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from gradcheck_cli.checks.agreement import Gradients
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import Diagnosis, Repetition


#: Roundings by which a sum of gradients may differ from another one.
_SUM = 4

_USED_UP = (
    " (the first call used up what forward had left in the cache: "
    "backward must not pop from it, clear it or overwrite it)"
)


def _as_it_is(array: Array) -> Array:
    return array


class RepeatedCalls:
    """Calls forward and backward again, and compares what they return."""

    def __init__(self, run: CaseRun, agreement: Agreement, *, where: str = "") -> None:
        """Take the first calls, and by how much later ones may differ from them; call nothing yet."""
        self._run, self._problem, self._others = run, run.problem, run.others or OtherCalls(run.problem, run.settings)
        self.where = where  #: with which sizes, if these are not those of the case under test
        self.only_once = False  #: whether each pass is called only once more, as all else is tried in another case
        self._apart = agreement.apart
        self._gradients = real_arrays(run.gradients or {})
        self._cache: object = None  # one that serves more than once, if there is one
        #: Gradients that are added up from call to call, and may be: what the last call returned.
        self._sums: Gradients = {}
        self.repeatable = True  #: whether the same call gives the same result again
        self.causes: tuple[Diagnosis, ...] = ()
        self.remarks: tuple[Diagnosis, ...] = ()  #: what a pass should mention
        self._accumulates = False  #: whether each call adds to what the one before has left
        self.repetition: Repetition | None = None  #: what many more calls have shown, if they were asked for

    def deterministic(self) -> str | None:
        """Forward and backward run again give the same, and so does backward with a cache that has served before."""
        reason, times = self._run_again(), self._run.settings.repeat
        if not times or self._accumulates:
            return reason
        self.repetition, different = repeat(
            lambda number: self.again(NTH.format(number, times)), self._apart, self._first, times
        )
        self.repeatable = self.repeatable and not different
        return different or reason

    def memory_layouts(self) -> str | None:
        """Arrays in other memory layouts make no difference."""
        reason, self.remarks = layouts_matter(self.again, self.differing)
        return reason

    def again(self, when: str, lay_out: Callable[[Array], Array] = _as_it_is) -> Gradients:
        """Call both passes again, with arrays that are laid out in some way, and return gradients and output."""
        inputs, cotangent = self._others.laid_out(lay_out)
        with called(when):
            out, cache = self._run.calls.forward(inputs, self._problem.parameters)
        gradients = {} if self._run.gradients is None else real_arrays(self._backward(cache, cotangent, when=when))
        return {OUTPUT: out, **gradients} if is_numeric(out) else gradients

    def differing(self, found: Gradients) -> list[str]:
        """Name the arrays that differ from those of the first calls by more than rounding."""
        return self._apart(self._first, found)

    def _run_again(self) -> str | None:
        if (expect := self._run.calls.expect) is not None and self._run.others is None:
            steps = self._others.steps(only_once=self.only_once)
            expect(steps[:1] if self._run.gradients is None else steps)
        out, cache = self._forward()
        self.repeatable = False
        if (apart := difference(self._run.out, out)) > 0:
            return f"{noisy(apart)}{self._how_to_seed()}"
        if self._run.gradients is None:
            return None
        second = real_arrays(self._backward(cache, when=OTHER_CACHE))
        if different := self._apart(self._gradients, second):
            third = real_arrays(self._backward(self._forward()[1]))
            self._accumulates = not self._apart(self._next_sums(second, different), third, 2 * _SUM)
            if self._accumulates:
                return _accumulates(different, "is called again")
            return f"{_join(different)} came out different when backward was run again"
        self.repeatable = True
        if self._run.overwritten or self.only_once:
            return None  # what is kept of an input that was written into is no longer what it was; that is reported
        third = real_arrays(self._backward(cache, when=SAME_CACHE, hint=_USED_UP))
        if different := self._apart(self._gradients, third):
            doubled = {name: 2 * array for name, array in second.items() if name in different}
            if not self._apart(doubled, third, _SUM):
                return _accumulates(different, "is called again with the same cache")
            return (
                f"{_join(different)} came out different when backward was called again with the same cache: it "
                "changes what is in there"
            )
        self._cache = cache
        return None

    def allow_sums(self) -> None:
        """Learn which gradients are added up from call to call, and from now on look only at what each call adds."""
        with contextlib.suppress(ImplementationError):  # the duty that calls it again will report that
            second = real_arrays(self._backward(self._forward()[1]))
            different = self._apart(self._gradients, second)
            third = real_arrays(self._backward(self._forward()[1]))
            if different and not self._apart(self._next_sums(second, different), third, 2 * _SUM):
                self._sums = {name: third[name] for name in different if name in third}
                self._gradients |= {name: third[name] - second[name] for name in self._sums}

    def linear_in_cotangent(self) -> str | None:
        """Backward of zero is zero, and of a sum of two cotangents the sum of those of each."""
        zero, one, both = (
            real_arrays(self._backward(self._any_cache(), given, when=when)) for given, when in self._others.cotangents
        )
        dout = join_names(self._run.implementation.cotangents or ("dout",))
        if wrong := [name for name, value in zero.items() if self._is_not_zero(name, value)]:
            be = _be(wrong)
            if all(np.array_equal(zero[name], self._gradients.get(name, np.nan)) for name in wrong):
                return f"{_join(wrong)} {be} the same where {dout} is zero: {dout} is not used"
            return f"{_join(wrong)} {be} not zero where {dout} is zero"
        alike = [n for n, first in self._gradients.items() if n in one and first.shape == one[n].shape]
        with np.errstate(invalid="ignore"):  # infinities
            together = {name: self._gradients[name] + one[name] for name in alike}
        if wrong := self._apart(together, both, _SUM):
            return f"{_join(wrong)} {_be(wrong)} not linear in {dout}"
        return None

    def _is_not_zero(self, name: str, value: Array) -> bool:
        """Tell whether a gradient has other elements than 0, or infinities and NaN where the first has them too."""
        first = self._gradients.get(name)
        infinite = np.zeros(value.shape, bool) if first is None or first.shape != value.shape else ~np.isfinite(first)
        return bool((value[np.isfinite(value) | ~infinite] != 0).any())

    def independent_caches(self) -> str | None:
        """Backward of the first of two forwards gives the gradients of the first, and the second is right too."""
        cache, others = self._any_cache(), self._others.inputs
        with called(OTHER_INPUTS):
            out, later = self._run.calls.forward(others, self._problem.parameters)
        if self._is_wrong(out, others):
            return "forward came out wrong when it was called with other inputs of the same shapes"
        gradients = real_arrays(self._backward(cache, when=AFTER_OTHERS))
        different = self._apart(self._gradients, gradients)
        if not different or self._apart(self._gradients, real_arrays(self._backward(self._forward()[1]))):
            return None  # or it is not deterministic, which is reported
        if not self._apart(gradients, real_arrays(self._backward(later))):
            from gradcheck_cli.checks.diagnosis.codes import explanation  # only for a case that fails

            self.causes += (explanation("stale-cache").diagnosis(),)
        return f"{_join(different)} came out different when forward had been called with other inputs in between"

    def _is_wrong(self, out: object, inputs: Mapping[str, Array]) -> bool:
        """Tell whether an output at other inputs is far from the reference, where that of the case is right."""
        shape = self._problem.expected.shape
        if not has_reference(self._run) or not isinstance(out, np.ndarray) or out.shape != shape:
            return False
        expected = self._run.layer.outputs_for(self._problem, inputs)
        with np.errstate(all="ignore"):
            error = abs(out.reshape(-1)[: expected.size] - expected)
            return bool((error > epsilon(self._run.dtype) ** 0.5 * abs(expected).max(initial=0)).any())

    def _how_to_seed(self) -> str:
        if not self._problem.reference:
            return "; draw from random or np.random, which are seeded before each call"
        return '; draw with the "seed" among its parameters' if self._problem.expected_for_draws else ""

    @property
    def _first(self) -> Gradients:
        return {OUTPUT: self._run.out, **self._gradients} if is_numeric(self._run.out) else self._gradients

    def _forward(self) -> tuple[object, object]:
        with called(SAME_INPUTS):
            return self._run.calls.forward(self._problem.inputs, self._problem.parameters)

    def _backward(
        self, cache: object, cotangent: Array | None = None, *, when: str = "again", hint: str = ""
    ) -> Mapping[str, object]:
        """Call backward; of gradients that are sums of all calls, return what this call has added."""
        cotangent = self._problem.cotangent if cotangent is None else cotangent
        with called(when, hint):
            returned = self._run.calls.backward(cotangent, cache, self._problem.differentiable)
        if not (before := self._sums):
            return returned
        arrays = real_arrays({name: returned[name] for name in before if name in returned})
        added = {n: array - before[n] for n, array in arrays.items() if array.shape == before[n].shape}
        self._sums = before | arrays
        return {**returned, **added}

    def _any_cache(self) -> object:
        return self._forward()[1] if self._cache is None else self._cache

    def _next_sums(self, second: Gradients, names: Collection[str]) -> Gradients:
        """Return what a third call returns where each adds the same to what was there."""
        return {
            name: 2 * second[name] - first
            for name, first in self._gradients.items()
            if name in names and name in second and first.shape == second[name].shape
        }


def _accumulates(names: list[str], when: str) -> str:
    return (
        f"{_join(names)} {_be(names)} added up when backward {when}: it accumulates into "
        "what an earlier call left (`self.dw += ...`, or an array in the cache). "
        "If that is meant, --skip-duty deterministic accepts it"
    )


def _join(names: list[str]) -> str:
    return join_names(f"d{name}" for name in names)


def _be(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"
