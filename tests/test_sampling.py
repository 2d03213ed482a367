"""The division of sweeps: every run has the first of each kind, and the long run all the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.sampling import first_of_each, in_parts, one_in


def _in_every_run(parameters: Iterable[Any]) -> list[Any]:
    return [parameter.values for parameter in parameters if not parameter.marks]


def test_one_in_so_many_is_in_every_run() -> None:
    assert _in_every_run(one_in(3, "abcdefg")) == [("a",), ("d",), ("g",)]
    assert _in_every_run(one_in(2, [(1, "x"), (2, "y"), (3, "z")])) == [(1, "x"), (3, "z")]
    assert [parameter.values for parameter in one_in(2, range(3))] == [(0,), (1,), (2,)]


def test_what_is_the_first_of_a_kind_is_in_every_run() -> None:
    assert _in_every_run(first_of_each(set, ["ab", "a", "bc", "cab", "d"])) == [("ab",), ("bc",), ("d",)]


def test_the_parts_of_a_loop_are_all_its_cases_and_every_run_has_the_first() -> None:
    _, parts = in_parts(3).args
    assert _in_every_run(parts) == [(0,)]
    assert sorted(case for (part,) in (one.values for one in parts) for case in "abcdefg"[part::3]) == [*"abcdefg"]
