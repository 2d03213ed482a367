"""Random cases: possible, all different, the same for the same seed, corner cases first, within what flags fix."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gradcheck_cli import ConvCase
from gradcheck_cli.cases.fuzz import RandomCases
from gradcheck_cli.layers.conv.conv import LAYER

#: What faults depend on, each in one place at least.
KINDS: dict[str, Callable[[ConvCase], bool]] = {
    "pad 0": lambda case: case.pad == (0, 0),
    "one sample": lambda case: case.N == 1,
    "one filter": lambda case: case.F == 1,
    "kernel not square": lambda case: case.HH != case.WW,
    "image not square": lambda case: case.H != case.W,
    "not dividing evenly": lambda case: any(left_over(case)),
    "kernel as large as the image": lambda case: (case.H, case.W) == (case.HH, case.WW),
    "stride above the kernel": lambda case: case.geometry["stride"][0] > max(case.HH, case.WW),
    "pad at least the kernel": lambda case: case.geometry["pad"][0] >= max(case.HH, case.WW),
}


def left_over(case: ConvCase) -> list[int]:
    """Count the rows and columns of the padded image that lie behind the last window."""
    (sv, sh), (pv, ph) = case.geometry["stride"], case.geometry["pad"]
    axes = ((case.H + 2 * pv, case.HH, sv), (case.W + 2 * ph, case.WW, sh))
    return [size - kernel - range(0, size - kernel + 1, stride)[-1] for size, kernel, stride in axes]


def drawn(seed: int, wanted: int, **values: Sequence[Any]) -> list[Any]:
    cases = RandomCases(layer=LAYER, values={"dtype": ("float64",), **values}, seed=seed, wanted=wanted)
    listed = list(cases)
    assert cases.count == len(listed) == len(set(listed))
    assert not any(case.impossible() for case in listed)
    assert {case.seed for case in listed} <= {seed}
    return listed


@pytest.mark.parametrize("seed", range(20))
def test_corner_cases_are_among_the_first_50(seed: int) -> None:
    cases = drawn(seed, 50)
    assert len(cases) == 50
    assert [kind for kind, shows in KINDS.items() if not any(map(shows, cases))] == []


def test_of_few_cases_each_is_a_corner() -> None:
    assert len(drawn(0, 1)) == 1
    cases = drawn(0, len(KINDS))
    assert [kind for kind, shows in KINDS.items() if not any(map(shows, cases))] == []


def test_the_same_seed_draws_the_same_cases_and_another_others() -> None:
    cases = drawn(3, 100)
    random.seed(5)
    before = random.getstate()
    assert drawn(3, 100) == cases
    assert random.getstate() == before  # nobody else's random numbers are used up
    assert len({case.label() for case in cases} & {case.label() for case in drawn(4, 100)}) < 50


def test_more_cases_of_a_seed_are_as_small() -> None:
    cases = drawn(0, 500)
    assert len(cases) == 500
    assert max(max(case.H, case.W, case.HH, case.WW) for case in cases) <= 16  # some milliseconds each
    assert {tuple(case.settings) for case in cases} == {("stride", "pad")}
    assert all(sv == sh and pv == ph for case in cases for (sv, sh), (pv, ph) in [(case.stride, case.pad)])


@pytest.mark.parametrize(
    "values",
    [
        {"N": (2,), "C": (5,), "F": (7,)},
        {"H": (1,), "W": (2, 9)},
        {"HH": (5,), "WW": (1, 7)},
        {"H": (2,), "HH": (9,)},  # only with a pad of 4 or more
        {"H": (4,), "W": (4,), "pad": ((0, 0), (1, 3))},
        {"H": (3, 9), "HH": (3, 9), "pad": ((0, 0),)},
        {"stride": ((2, 1), (5, 5)), "dilation": ((1, 1), (3, 2))},
        {"groups": (1, 2, 3)},
        {"groups": (1, 2, 3), "C": (6, 7), "F": (2, 3, 6)},
        {"dtype": ("float32", "longdouble"), "W": range(20, 40)},
    ],
)
def test_what_flags_fix_is_kept_and_the_rest_is_drawn_to_fit(values: dict[str, Sequence[Any]]) -> None:
    cases = drawn(1, 60, **values)
    assert len(cases) == 60
    for name, allowed in values.items():
        assert {getattr(case, name) for case in cases} <= set(allowed)
        assert len({getattr(case, name) for case in cases}) > 1 or len(allowed) == 1
    assert len({(case.N, case.W, case.WW, case.stride) for case in cases}) > 10


def test_they_are_fewer_where_flags_leave_no_more() -> None:
    fixed: dict[str, Any] = dict.fromkeys(("N", "C", "F", "H", "W", "HH", "WW"), (3,))
    assert drawn(0, 50, **fixed, stride=((1, 1),), pad=((1, 1),)) == [
        ConvCase(N=3, C=3, F=3, H=3, W=3, HH=3, WW=3, stride=1, pad=1)
    ]
    assert len(drawn(0, 50, **fixed, stride=((1, 1), (2, 2)))) == 8  # with pad 0 to 3
    assert drawn(0, 50, H=(2,), HH=(3,), pad=((0, 0),)) == []


def test_what_was_drawn_leads_to_its_case_again() -> None:
    cases = RandomCases(layer=LAYER, values={"dtype": ("float64", "float32")}, seed=0, wanted=100)
    assert all(cases.replay(choices) == (case, choices) for case, choices in cases.choices.items())
