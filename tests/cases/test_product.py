"""Products of cases: every combination, in order, and none made before it is asked for."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from gradcheck_cli import ConvCase
from gradcheck_cli.cases.cases import Product


def product(seed: int = 0, **values: Any) -> Product:
    return Product(case=ConvCase, values=values, seed=seed)


def test_the_last_number_varies_fastest() -> None:
    cases = list(product(N=(2, 1), stride=(1, (2, 1)), dtype=("float32", "float64")))
    assert cases == [
        ConvCase(N=N, stride=stride, dtype=dtype)
        for N in (2, 1)
        for stride in (1, (2, 1))
        for dtype in ("float32", "float64")
    ]


def test_the_order_is_that_of_the_layer_in_whatever_order_numbers_are_given() -> None:
    wanted = [ConvCase(N=N, H=H, dtype=dtype) for N in (1, 2) for H in (5, 6) for dtype in ("float64", "float32")]
    values: dict[str, Any] = {"N": (1, 2), "H": (5, 6), "dtype": ("float64", "float32")}
    for names in itertools.permutations(values):
        assert list(product(**{name: values[name] for name in names})) == wanted


def test_it_can_be_gone_through_again() -> None:
    cases = product(N=range(1, 4))
    assert list(cases) == list(cases)


def test_the_seed_is_that_of_every_case() -> None:
    assert {case.seed for case in product(seed=7, N=(1, 2), C=(1, 2))} == {7}


def test_what_is_not_named_is_left_at_its_default() -> None:
    assert list(product(F=(3,))) == [ConvCase(F=3)]


@pytest.mark.parametrize(
    ("values", "length"),
    [
        ({}, 1),
        ({"N": (1,)}, 1),
        ({"N": (1, 2, 3), "C": (1, 2)}, 6),
        ({"N": (1, 2), "C": ()}, 0),
    ],
    ids=["none", "one", "several", "empty"],
)
def test_length(values: dict[str, Any], length: int) -> None:
    assert product(**values).count == len(list(product(**values))) == length


def test_cases_are_made_when_they_are_asked_for() -> None:
    thousand: dict[str, Any] = dict.fromkeys(("N", "C", "H", "W", "F", "HH", "WW"), range(1, 1001))
    cases = product(**thousand)
    assert cases.count == 10**21  # no length that Python's own `len` could return
    first = list(itertools.islice(cases, 1001))
    ones: dict[str, Any] = {"N": 1, "C": 1, "H": 1, "W": 1, "F": 1}
    assert first[0] == ConvCase(**ones, HH=1, WW=1)
    assert first[999:] == [ConvCase(**ones, HH=1, WW=1000), ConvCase(**ones, HH=2, WW=1)]


def test_a_value_that_no_case_can_have_is_refused_when_its_case_is_made() -> None:
    cases = iter(product(N=(1, 0)))
    assert next(cases) == ConvCase(N=1)
    with pytest.raises(ValueError, match="N must be at least 1, not 0"):
        next(cases)
