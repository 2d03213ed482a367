"""One finding for each distinct failure."""

from __future__ import annotations

from gradcheck_cli.layers.conv.case import ConvCase
from gradcheck_cli.results.findings import Findings
from gradcheck_cli.results.result import ArrayResult, CaseResult, Diagnosis, SmallestFailure, Verdict


def result(wrong: str, *, cause: str | None = None, sizes: int = 1, smallest: int | None = None) -> CaseResult:
    gradients = {
        name: ArrayResult(
            name=name,
            verdict=Verdict.FAIL if name in wrong.split() else Verdict.PASS,
            reason="wrong" if name in wrong.split() else None,
            shape=(1,),
            expected_shape=(1,),
            dtype="float64",
            tolerance=100.0,
        )
        for name in ("dx", "dw", "db")
    }
    return CaseResult(
        implementation="a.py:f,b",
        layer="conv",
        case=ConvCase(N=sizes, C=1, H=5, W=5, F=1, HH=1, WW=1),
        verdict=Verdict.FAIL if wrong else Verdict.PASS,
        reason="wrong" if wrong else None,
        gradients=gradients,
        diagnosis=(Diagnosis(code=cause, text=cause),) if cause else (),
        smallest=SmallestFailure(failures=smallest, note=None) if smallest else None,
    )


def findings(*results: CaseResult, random: bool = False) -> list[tuple[set[str], int, int]]:
    """Return for each finding the arrays that are wrong, the number of cases, and the number of samples shown."""
    collected = Findings(random=random)
    for one in results:
        collected.add(one)
    return [(set(one.signature.parts), one.cases, one.result.case.geometry["N"]) for one in collected.all()]


def test_cases_that_fail_in_the_same_way_are_one_finding_shown_by_the_simplest() -> None:
    assert findings(result("dx", sizes=3), result("", sizes=1), result("dx", sizes=2), result("dx", sizes=4)) == [
        ({"dx"}, 3, 2)
    ]


def test_another_cause_is_another_finding_and_the_most_frequent_comes_last() -> None:
    some = result("dx", cause="zero"), result("dx", cause="zero"), result("dx", cause="factor"), result("dw")
    assert findings(*some) == [({"dx"}, 1, 1), ({"dw"}, 1, 1), ({"dx"}, 2, 1)]


def test_a_combination_of_two_findings_counts_for_both() -> None:
    assert findings(result("dx"), result("dw"), result("dx dw", sizes=3)) == [({"dx"}, 2, 1), ({"dw"}, 2, 1)]
    assert findings(result("dx"), result("dx dw", sizes=3)) == [({"dx"}, 1, 1), ({"dx", "dw"}, 1, 3)]


def test_of_random_cases_the_smallest_are_the_findings() -> None:
    some = result("dx", sizes=3), result("dw", sizes=3), result("dx", sizes=1, smallest=17)
    assert findings(*some, random=True) == [({"dx"}, 17, 1)]
