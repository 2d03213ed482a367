"""In which order the reasons of a case are given."""

from __future__ import annotations

from dataclasses import replace

from gradcheck_cli.results.result import Duty, Verdict
from tests.report.course import made


def test_a_difference_from_call_to_call_is_named_before_what_it_makes_wrong() -> None:
    wrong = made(Verdict.FAIL, "a.py:f,g", reason="dw is wrong")
    noisy = Duty(verdict=Verdict.FAIL, reason="dw came out different when backward was run again")
    other = Duty(verdict=Verdict.FAIL, reason="x was modified in place")
    fine = Duty(verdict=Verdict.PASS, reason=None)
    for duties, expected in (
        ({"inputs_unchanged": other, "deterministic": noisy}, (noisy.reason, "dw is wrong", other.reason)),
        ({"inputs_unchanged": other, "deterministic": fine}, ("dw is wrong", other.reason)),
    ):
        assert replace(wrong, duties=duties).reasons == expected
