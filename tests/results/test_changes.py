"""What counts as better, worse and changed between two runs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradcheck_cli import CaseResult, ConvCase, Verdict, check
from gradcheck_cli.layers.framework.case import NoCase
from gradcheck_cli.results.changes import Kind, compare
from gradcheck_cli.results.result import Diagnosis, Duty, SmallestFailure

PASSED = check(ConvCase(N=1, C=1, H=3, W=3, F=1), "naive")


def failed(*arrays: str, verdict: Verdict = Verdict.FAIL, cause: str | None = None, duty: str = "") -> CaseResult:
    """Return the result with these arrays wrong, and perhaps a cause and a violated duty."""
    gradients = {
        name: replace(array, verdict=verdict, reason=f"{name} is wrong") if name in arrays else array
        for name, array in PASSED.gradients.items()
    }
    duties = {name: Duty(verdict=verdict, reason="so") if name == duty else one for name, one in PASSED.duties.items()}
    diagnosis = (Diagnosis(code=cause, text="A cause. And its remedy."),) if cause else ()
    return replace(PASSED, verdict=verdict, reason="wrong", gradients=gradients, duties=duties, diagnosis=diagnosis)


def raised(reason: str) -> CaseResult:
    return replace(PASSED, verdict=Verdict.ERROR, reason=reason, forward=None, gradients={}, duties={})


SKIPPED = replace(PASSED, verdict=Verdict.SKIP, reason="it does not fit", forward=None, gradients={}, duties={})
UNDECIDED = failed("dx", verdict=Verdict.INCONCLUSIVE)


def shortened(result: CaseResult) -> CaseResult:
    """Leave out what is right, as a large JSON report does."""
    wrong = {name: one for name, one in result.gradients.items() if one.verdict is Verdict.FAIL}
    return replace(result, forward=None, gradients=wrong, duties={})


#: From the better to the worse; the other way round it is the other way round.
WORSE = {
    "it passed": (PASSED, failed("dx")),
    "it passed and is undecided": (PASSED, UNDECIDED),
    "it passed and is skipped": (PASSED, SKIPPED),
    "it passed and raises": (PASSED, raised("ValueError: 3")),
    "it was undecided": (UNDECIDED, failed("dx")),
    "one more array is wrong": (failed("dx"), failed("dx", "dw")),
    "one more is wrong of what is known": (shortened(failed("dx")), shortened(failed("dx", "dw"))),
    "one more is wrong than is known": (failed("dx"), shortened(failed("dx", "dw"))),
    "a duty is violated too": (failed("dx"), failed("dx", duty="deterministic")),
}

SAME: dict[str, tuple[CaseResult, CaseResult]] = {
    "passed": (PASSED, replace(PASSED, seconds=9.0)),
    "the same failure": (failed("dx", cause="zero"), failed("dx", cause="zero")),
    "without its figures": (failed("dx", cause="zero"), shortened(failed("dx", cause="zero"))),
    "raised with other numbers": (raised("IndexError: index 3"), raised("IndexError: index 4")),
}

CHANGED: dict[str, tuple[CaseResult, CaseResult]] = {
    "the cause": (failed("dx", cause="zero"), failed("dx", cause="factor")),
    "a cause is known": (failed("dx"), failed("dx", cause="factor")),
    "what is raised": (raised("IndexError: 3"), raised("ValueError: 3")),
    "it raises": (failed("dx"), raised("ValueError: 3")),
}


def kind(old: CaseResult, new: CaseResult) -> Kind:
    (change,) = compare([old], [new])
    return change.kind


@pytest.mark.parametrize("name", WORSE)
def test_worse_is_the_opposite_of_better(name: str) -> None:
    better, worse = WORSE[name]
    assert (kind(better, worse), kind(worse, better)) == (Kind.WORSE, Kind.BETTER)
    assert [one.is_regression for one in compare([better, worse], [worse, better])] == [True, False]


def test_one_array_for_another_is_worse_in_both_directions() -> None:
    assert kind(failed("dx"), failed("dw")) is kind(failed("dw"), failed("dx")) is Kind.WORSE


@pytest.mark.parametrize("name", [*SAME, *CHANGED])
def test_the_same_verdict_on_the_same_parts(name: str) -> None:
    one, other = (SAME | CHANGED)[name]
    assert kind(one, other) is kind(other, one) is (Kind.CHANGED if name in CHANGED else Kind.UNCHANGED)


def test_new_and_gone() -> None:
    other = replace(PASSED, implementation="another")
    wrong = replace(failed("dx"), implementation="another")
    assert [one.kind for one in compare([PASSED], [PASSED, other])] == [Kind.UNCHANGED, Kind.NEW]
    assert [one.kind for one in compare([PASSED, other], [PASSED])] == [Kind.UNCHANGED, Kind.GONE]
    assert [one.is_regression for one in compare([PASSED], [PASSED, other])] == [False, False]
    assert [one.is_regression for one in compare([PASSED], [PASSED, wrong])] == [False, True]
    assert [one.is_regression for one in compare([PASSED, wrong], [PASSED])] == [False, False]


def test_what_is_found_in_a_file_that_could_not_be_loaded_is_better() -> None:
    broken = replace(raised("a syntax error"), implementation="a.py", layer="", case=NoCase())
    wrong = replace(failed("dx"), implementation="a.py:f,b")
    kinds = {change.result.implementation: change.kind for change in compare([broken], [wrong])}
    assert kinds == {"a.py": Kind.GONE, "a.py:f,b": Kind.BETTER}
    (new,) = [change for change in compare([broken], [wrong]) if change.new]
    assert not new.is_regression
    other = replace(failed("dx"), implementation="b.py:f,b")
    (new,) = [change for change in compare([broken], [other]) if change.new]
    assert new.is_regression


def test_a_case_is_the_same_if_all_that_decides_it_is() -> None:
    for other in (
        replace(PASSED, case=replace(PASSED.case, seed=1)),
        replace(PASSED, case=replace(PASSED.case, dtype="float32")),
        replace(PASSED, case=ConvCase(N=1, C=1, H=3, W=3, F=1, pad=0)),
        replace(PASSED, layer="conv2"),
        replace(PASSED, implementation="other"),
    ):
        assert [one.kind for one in compare([PASSED], [other])] == [Kind.GONE, Kind.NEW]
    smallest = replace(failed("dx"), smallest=SmallestFailure(failures=3, note=None))
    assert [one.kind for one in compare([PASSED, smallest], [PASSED])] == [Kind.UNCHANGED]


def test_an_implementation_that_is_named_twice_is_compared_in_order() -> None:
    changes = compare([PASSED, failed("dx")], [PASSED, PASSED])
    assert [one.kind for one in changes] == [Kind.UNCHANGED, Kind.BETTER]
