"""Shrinking: to the smallest in every number, together where numbers depend on each other, within what flags fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gradcheck_cli import ConvCase
from gradcheck_cli.cases.fuzz import RandomCases
from gradcheck_cli.cases.shrink import shrink
from gradcheck_cli.layers.conv.conv import LAYER
from tests.sampling import one_in

ONES: dict[str, Any] = {"N": 1, "C": 1, "H": 1, "W": 1, "F": 1, "HH": 1, "WW": 1, "stride": 1, "pad": 0}

#: Conditions, the values that flags fix, and the only smallest case.
ONE_SMALLEST: dict[str, tuple[Callable[[Any], bool], dict[str, Sequence[Any]], dict[str, Any]]] = {
    "anything": (lambda case: True, {}, {}),
    "one number": (lambda case: case.H >= 4, {}, {"H": 4}),
    "several": (lambda case: case.N >= 2 and case.W >= 3 and case.F >= 3, {}, {"N": 2, "W": 3, "F": 3}),
    "an even pair": (lambda case: min(case.stride) >= 2 and min(case.pad) >= 1, {}, {"stride": 2, "pad": 1}),
    "an image with its kernel": (
        lambda case: (case.H, case.W) == (case.HH, case.WW) and min(case.HH, case.WW) >= 2,
        {},
        {"H": 2, "W": 2, "HH": 2, "WW": 2},
    ),
    "channels with their groups": (
        lambda case: case.groups >= 2,
        {"groups": (1, 2, 4)},
        {"C": 2, "F": 2, "groups": 2},
    ),
    "as flags allow": (
        lambda case: case.H >= 4 and case.stride != (1, 1),
        {"H": (2, 5, 8), "N": (3,), "stride": ((1, 1), (3, 2), (3, 3)), "dilation": ((2, 2),)},
        {"H": 5, "N": 3, "stride": (3, 2), "dilation": 2},
    ),
}


@pytest.mark.parametrize("seed", one_in(3, range(3)))
@pytest.mark.parametrize("name", ONE_SMALLEST)
def test_where_there_is_one_smallest_case_it_is_reached_from_any(name: str, seed: int) -> None:
    fails, values, numbers = ONE_SMALLEST[name]
    cases = RandomCases(layer=LAYER, values={"dtype": ("float64",), **values}, seed=seed, wanted=100)
    smallest = ConvCase(**{**ONES, **numbers}, seed=seed)
    failing = [case for case in cases if fails(case)]
    assert len(failing) >= 2
    for case in failing:
        tried: list[Any] = []

        def counted(case: Any, tried: list[Any] = tried) -> bool:
            tried.append(case)
            return fails(case)

        assert shrink(case, cases, counted) == smallest
        assert not any(case.impossible() for case in tried)
        assert len(set(tried)) <= 60


def test_what_fails_alone_is_left_as_it_is() -> None:
    cases = RandomCases(layer=LAYER, values={"dtype": ("float64",)}, seed=0, wanted=20)
    for case in cases:
        assert shrink(case, cases, lambda other: False) == case


def test_numbers_far_away_are_come_near_to_by_halves() -> None:
    values = {"dtype": ("float64",), "N": range(1, 100_001), "H": (1000,)}
    cases = RandomCases(layer=LAYER, values=values, seed=0, wanted=5)
    for case in cases:
        tried: list[Any] = []

        def fails(other: Any, tried: list[Any] = tried) -> bool:
            tried.append(other)
            return bool(other.N >= 77)

        if fails(case):
            assert shrink(case, cases, fails) == ConvCase(**{**ONES, "N": 77, "H": 1000})
            assert len(tried) < 500


def test_the_dtype_is_kept() -> None:
    cases = RandomCases(layer=LAYER, values={"dtype": ("float64", "float16")}, seed=0, wanted=10)
    for case in cases:
        assert shrink(case, cases, lambda other, dtype=case.dtype: other.dtype == dtype).dtype == case.dtype  # type: ignore[misc]


def test_the_weight_of_a_case_is_the_sum_of_its_numbers() -> None:
    assert ConvCase(**ONES).weight == 7 + 2 + 0 + 2 + 1
    assert ConvCase(**{**ONES, "stride": (2, 5), "N": 4}).weight == 10 + 7 + 0 + 2 + 1
