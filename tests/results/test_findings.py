"""One finding for each distinct failure."""

from __future__ import annotations

from dataclasses import replace

from gradcheck_cli import check
from gradcheck_cli.layers.conv.conv import ConvCase, standard
from gradcheck_cli.results.findings import Findings
from gradcheck_cli.results.result import ArrayResult, CaseResult, Diagnosis, Place, SmallestFailure, Verdict
from tests.faults.conv import faulty_pair


def result(
    wrong: str,
    *,
    cause: str | None = None,
    sizes: int = 1,
    smallest: int | None = None,
    verdict: Verdict = Verdict.FAIL,
) -> CaseResult:
    gradients = {
        name: ArrayResult(
            name=name,
            verdict=verdict if name in wrong.split() else Verdict.PASS,
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
        verdict=verdict if wrong else Verdict.PASS,
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
    crop, bias = result("dx", cause="crop-empty"), result("db")
    assert findings(crop, bias, result("dx db", cause="crop-empty")) == [({"dx"}, 2, 1), ({"db"}, 2, 1)]


def test_a_fault_that_leaves_an_array_right_in_some_geometries_is_shown_where_all_are_wrong() -> None:
    for cause in (None, "crop-empty"):
        some = result("dx", cause=cause), result("dx dw", cause=cause, sizes=3), result("dx dw", cause=cause, sizes=2)
        assert findings(*some) == [({"dx", "dw"}, 3, 2)]
    missed = [result(wrong, cause="last-windows-missed") for wrong in ("dx", "dw", "dx dw")]
    assert findings(*missed) == [({"dx", "dw"}, 3, 1)]
    assert len(findings(*missed[:2])) == 2


def test_what_a_fault_looks_like_in_a_small_geometry_is_a_variant() -> None:
    collected = Findings()
    missed = [result("dx", cause="last-windows-missed", sizes=sizes) for sizes in (4, 3, 5, 6)]
    for one in (*missed, result("dx", cause="zero"), result("dx")):
        collected.add(one)
    (found,) = collected.all()
    assert (found.cases, found.result.case.geometry["N"]) == (6, 3)
    assert [(set(one.signature.causes), one.cases) for one in found.variants] == [({"zero"}, 1), (set(), 1)]


def test_what_may_be_another_fault_is_no_variant() -> None:
    missed = [result("dx", cause="last-windows-missed")] * 4
    others = (
        [result("dx", cause="crop-empty")],  # as specific
        [result("dw", cause="zero")],  # another array
        [result("dx dw", cause="zero")],  # one more array
        [result("dx", cause="zero")] * 3,  # nearly as frequent
        [result("dx", verdict=Verdict.INCONCLUSIVE)],
    )
    for other in others:
        assert len(findings(*missed, *other)) == 2


def test_errors_are_distinguished_by_their_line_unless_the_cause_is_known() -> None:
    def raised(what: str, line: int, cause: str | None = None) -> CaseResult:
        failed = result("dx", cause=cause, verdict=Verdict.ERROR)
        place = Place(file="a.py", line=line, function="b")
        return replace(failed, reason=f"b raised {what}: shapes (2,3) (4,)", place=place)

    def count(*results: CaseResult) -> int:
        return len(findings(*results))

    assert count(raised("ValueError", 3), raised("ValueError", 3)) == 1
    assert count(raised("ValueError", 3), raised("ValueError", 4)) == 2
    assert count(raised("ValueError", 3), raised("IndexError", 3)) == 2
    hung = [replace(raised("", line), reason="b took longer than 0.3 s") for line in (3, 4)]  # interrupted anywhere
    assert count(*hung) == 1
    crop = raised("ValueError", 3, "crop-empty")
    assert count(crop, raised("IndexError", 4, "crop-empty")) == 1
    assert count(crop, result("dx", cause="crop-empty")) == 1  # raises only where shapes do not fit
    assert count(crop, crop, raised("ValueError", 3)) == 1
    assert count(crop, crop, raised("ValueError", 4)) == 2


def test_one_planted_fault_is_one_finding_on_the_whole_standard_set() -> None:
    """Also one that has another cause in some geometry."""
    for name, causes in ("last_row_of_windows_missed", 1), ("db_over_too_few_axes", 2):
        pair = faulty_pair(name)
        results = [check(case, pair) for case in standard()]
        failed = [one for one in results if one.verdict is not Verdict.PASS]
        assert len({one.diagnosis[0].code for one in failed}) == causes
        collected = Findings()
        for one in results:
            collected.add(one)
        (found,) = collected.all()
        assert found.cases == len(failed)


def test_of_random_cases_the_smallest_are_the_findings() -> None:
    some = result("dx", sizes=3), result("dw", sizes=3), result("dx", sizes=1, smallest=17)
    assert findings(*some, random=True) == [({"dx"}, 17, 1)]
