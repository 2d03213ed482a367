"""Random cases that fail: found, distinguished, and shrunk until no number of them can be smaller."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from gradcheck_cli import CaseResult, ConvCase, Verdict
from gradcheck_cli.cases.fuzz import RandomCases
from gradcheck_cli.checks.check import check_case, failed_case
from gradcheck_cli.checks.settings import DUTIES, Settings
from gradcheck_cli.engine.failures import MOST_CHECKS, Failures, until, with_smallest
from gradcheck_cli.implementation.from_python import from_functions
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.conv import LAYER
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.results.result import SmallestFailure
from gradcheck_cli.results.signature import FailureSignature
from tests.faults.corners import CORNERS, with_change
from tests.sampling import one_in

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case
    from tests.faults.conv import Gradients

    Pair = tuple[Callable[..., Any], Callable[..., Any]]

#: Gradients alone: the faults here are in them, and duties take as long again.
SETTINGS = Settings(skipped_duties=DUTIES)
ONES = ConvCase(N=1, C=1, H=1, W=1, F=1, HH=1, WW=1, stride=1, pad=0)


def counted(results: list[CaseResult], fails: Callable[[Any], bool]) -> int:
    """Count the cases that have a fault, and did not raise before it could show."""
    return sum(fails(result.case) and result.verdict is Verdict.FAIL for result in results)


class Checker:
    """Checks cases of a pair of functions, and counts."""

    def __init__(self, pair: Pair) -> None:
        self._implementation = from_functions(pair, LAYERS["conv"])
        self.checks = 0

    def __call__(self, case: Case) -> CaseResult:
        self.checks += 1
        return check_case(case, self._implementation, SETTINGS)


@functools.cache
def drawn(seed: int, wanted: int = 200, **values: Any) -> RandomCases:
    return RandomCases(layer=LAYER, values={"dtype": ("float64",), **values}, seed=seed, wanted=wanted)


def smallest(cases: RandomCases, check: Callable[[Case], CaseResult], *, failures: int = 10**6) -> list[CaseResult]:
    found = Failures(cases, check)
    for result in until((check(case) for case in cases), failures):
        found.add(result)
    return list(found.smallest())


def one_smaller(case: Any, values: dict[str, tuple[Any, ...]]) -> Iterator[Case]:
    """Yield what a case becomes with each of its numbers one smaller, where there is such a geometry."""
    for name, value in case.geometry.items():
        parts = list(value) if isinstance(value, tuple) else [value]
        for place in range(len(parts)):
            lower = [part - (place == other) for other, part in enumerate(parts)]
            number = tuple(lower) if isinstance(value, tuple) else lower[0]
            if name in values and number not in values[name]:
                continue
            try:
                smaller = replace(case, **{name: number})
            except ValueError:  # below the least that it may be
                continue
            if smaller.impossible() is None:
                yield smaller


#: Where there is one smallest case, which: with nothing to sum over, but for what the fault takes.
ONLY: dict[str, dict[str, Any]] = {"pad 0": {}, "last filter": {"F": 2}, "groups": {"C": 2, "F": 2, "groups": 2}}


@pytest.mark.parametrize("fault", one_in(8, CORNERS))
def test_200_cases_find_what_few_show_and_no_number_can_be_one_smaller(fault: str) -> None:
    seed = list(CORNERS).index(fault) % 2
    slip, values = CORNERS[fault]
    check = Checker(with_change(slip))
    (found,) = smallest(drawn(seed, **values), check, failures=1)
    assert found.verdict is Verdict.FAIL
    assert found.smallest == SmallestFailure(failures=1, note=None)
    geometry = found.case.geometry
    for case in one_smaller(found.case, values):
        assert FailureSignature.of(check(case)) != FailureSignature.of(found), case.label()
    assert max(geometry[name] for name in ("N", "C", "F")) <= 2
    assert max(geometry[name] for name in ("H", "W")) <= 4
    if fault in ONLY:
        assert found.case == replace(ONES, seed=seed, **ONLY[fault])


def spoilt(spoil: Callable[[Gradients, Any, dict[str, Any]], None]) -> Pair:
    """Return a pair of which the gradients, by name, are spoilt in place."""

    def backward(dout: Any, cache: Any) -> Any:
        grads = dict(zip(("dx", "dw", "db"), conv_backward_naive(dout, cache), strict=True))
        spoil(grads, cache[0], cache[3])
        return tuple(grads.values())

    return conv_forward_naive, backward


def test_each_of_several_faults_is_reported_once_with_its_own_smallest_case() -> None:
    def spoil(grads: Gradients, x: Any, conv_param: dict[str, Any]) -> None:
        if len(x) > 1:
            grads["db"] = -grads["db"]
        if x.shape[3] >= 3:
            grads["dw"] = 2 * grads["dw"]
        if conv_param["stride"] == 2:
            raise ArithmeticError(f"of {x.shape}")

    check = Checker(spoilt(spoil))
    cases = drawn(0, 25)
    results = {case: check(case) for case in cases}
    found = smallest(cases, lambda case: results.get(case) or check(case))
    assert {result.case for result in found} == {
        replace(ONES, N=2),
        replace(ONES, W=3),
        replace(ONES, stride=2),
    }
    assert {
        frozenset(name for name, g in result.gradients.items() if g.verdict is Verdict.FAIL) for result in found
    } == {
        frozenset({"db"}),
        frozenset({"dw"}),
        frozenset(),
    }
    # Those that show two faults at once count for both, and are no third.
    alike = {result.case: result.smallest.failures for result in found if result.smallest}
    assert alike[replace(ONES, N=2)] == counted([*results.values()], lambda case: case.N > 1)
    assert alike[replace(ONES, W=3)] == counted([*results.values()], lambda case: case.W > 2)
    assert alike[replace(ONES, stride=2)] == sum(r.verdict is Verdict.ERROR for r in results.values())
    assert list(alike.values()) == sorted(alike.values(), reverse=True)


def test_errors_differ_by_what_was_raised_not_by_its_figures() -> None:
    def spoil(grads: Gradients, x: Any, conv_param: dict[str, Any]) -> None:
        if x.shape[2] > 3:
            raise ValueError(f"shapes {x.shape} and {grads['dw'].shape}")
        if x.shape[0] == 3:
            raise IndexError(len(x))

    found = smallest(drawn(0, 20), Checker(spoilt(spoil)))
    assert [(result.verdict, result.case) for result in found] == [
        (Verdict.ERROR, replace(ONES, H=4)),
        (Verdict.ERROR, replace(ONES, N=3)),
    ]


def test_where_all_pass_nothing_is_reported_and_nothing_more_checked() -> None:
    check = Checker((conv_forward_naive, conv_backward_naive))
    assert smallest(drawn(0, 30), check) == []
    assert check.checks == 30


def test_what_does_not_fail_each_time_is_called_flaky_and_not_shrunk() -> None:
    source = random.Random(0)

    def spoil(grads: Gradients, x: Any, conv_param: dict[str, Any]) -> None:
        if source.random() < 0.5:
            grads["dx"] = 2 * grads["dx"]
        if source.random() < 0.5:
            grads["db"] = -grads["db"]

    check = Checker(spoilt(spoil))
    (found,) = smallest(drawn(0, 20), check)
    assert [diagnosis.code for diagnosis in found.diagnosis] == ["flaky"]
    assert "checked again, this case" in found.diagnosis[0].text
    assert found.smallest is not None
    assert found.smallest.note is not None
    assert found.case in set(drawn(0, 20))
    assert check.checks <= 20 + 3 * 3  # two or three ways to fail, each seen again or not


def test_a_right_layer_with_a_state_that_turns_later_is_flaky() -> None:
    """It fails when it is shrunk, and no more when its smallest case is looked at again."""
    calls = 0

    def spoil(grads: Gradients, x: Any, conv_param: dict[str, Any]) -> None:
        nonlocal calls
        calls += 1
        if calls <= 5 + 3 + 1:  # when one smaller case has failed
            grads["dx"] = 2 * grads["dx"]

    (found,) = smallest(drawn(0, 5), Checker(spoilt(spoil)))
    assert [diagnosis.code for diagnosis in found.diagnosis] == ["flaky"]


class Slow:
    """Makes up results: of cases that fail by being stopped, or that fail in another way."""

    def __init__(self, stopped: Callable[[Any], bool], failing: Callable[[Any], bool]) -> None:
        self._stopped, self._failing = stopped, failing
        self.stops = self.checks = 0

    def __call__(self, case: Case) -> CaseResult:
        self.checks += 1
        if self._stopped(case):
            self.stops += 1
            failed = failed_case(case, "slow", None, SETTINGS, "forward was stopped after 60 s; --timeout allows more")
            return replace(failed, seconds=60.1, hung=True)
        if self._failing(case):
            return failed_case(case, "slow", None, SETTINGS, "forward raised ValueError: no")
        return CaseResult(implementation="slow", layer="conv", case=case, verdict=Verdict.PASS, reason=None)


def test_what_takes_too_long_is_not_tried_again() -> None:
    check = Slow(stopped=lambda case: case.F == 3, failing=lambda case: False)
    cases = drawn(0, 60)
    (found,) = smallest(cases, check)
    assert check.stops == sum(case.F == 3 for case in cases)  # type: ignore[attr-defined]
    assert check.checks == 60
    assert found.smallest is not None
    assert "not shrunk, because each try would take as long as --timeout allows" in (found.smallest.note or "")
    assert found.case in set(cases)


def test_shrinking_ends_where_a_smaller_case_takes_too_long() -> None:
    cases = drawn(0, 5)  # none of them a smallest one
    check = Slow(stopped=lambda case: case not in cases.choices, failing=lambda case: True)
    (found,) = smallest(cases, check)
    assert check.stops == 1
    assert found.smallest is not None
    assert "not shrunk to the end, because a smaller one took longer" in (found.smallest.note or "")


def test_the_number_of_checks_is_bounded() -> None:
    values = {name: range(1, 100_000) for name in ("N", "C", "F", "H", "W")}
    cases = drawn(0, 5, **values)
    seen: set[Case] = set()

    def tough(case: Any) -> bool:
        """Fails unless a number was lowered by more than one: so that there are as many steps as can be."""
        near = any(sum(abs(case.geometry[n] - other.geometry[n]) for n in values) <= 1 for other in seen)
        if near or not seen:
            seen.add(case)
        return near or case in seen

    check = Slow(stopped=lambda case: False, failing=tough)
    found = Failures(cases, check)
    found.add(check(next(iter(cases))))
    (result,) = found.smallest()
    assert check.checks <= 1 + 3 + MOST_CHECKS + 3
    assert result.smallest is not None
    assert result.smallest.note == f"not shrunk to the end, but for {MOST_CHECKS} tries"


@pytest.mark.parametrize(("most", "passed_on"), [(1, 2), (2, 4), (3, 5), (9, 6)])
def test_results_end_after_so_many_failures(most: int, passed_on: int) -> None:
    verdicts = [Verdict.PASS, Verdict.FAIL, Verdict.SKIP, Verdict.ERROR, Verdict.FAIL, Verdict.INCONCLUSIVE]
    closed = False

    def results() -> Generator[CaseResult]:
        nonlocal closed
        try:
            for verdict in verdicts:
                yield CaseResult(implementation="f", layer="conv", case=ONES, verdict=verdict, reason="")
        finally:
            closed = True

    assert [result.verdict for result in until(results(), most)] == verdicts[:passed_on]
    assert closed


def test_a_run_that_is_cut_short_tells_of_what_failed_as_it_was_drawn() -> None:
    cases = drawn(0, 20)
    check = Checker(spoilt(lambda grads, x, param: grads["dw"].__imul__(2)))
    results = [check(case) for case in itertools.islice(cases, 6)]

    def interrupted(case: Case) -> CaseResult:
        raise KeyboardInterrupt

    def until_interrupted() -> Generator[CaseResult]:
        yield from results
        raise KeyboardInterrupt

    alike = sum(result.verdict is Verdict.FAIL for result in results)
    assert alike > 1
    for before, source in (6, (result for result in results)), (20, until_interrupted()):  # in shrinking, in drawing
        found: list[CaseResult] = []
        with pytest.raises(KeyboardInterrupt):
            found.extend(with_smallest(source, [(before, Failures(cases, interrupted))], Event()))
        assert found[:6] == results
        (told,) = found[6:]
        assert told.smallest == SmallestFailure(failures=alike, note="not shrunk, because the run was cut short")
        assert told.case in {result.case for result in results}
