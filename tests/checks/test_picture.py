"""The picture of an error shows the worst slice, and every wrong element of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli import ConvCase, check
from gradcheck_cli.checks.comparison import judge_elements
from gradcheck_cli.checks.picture import draw
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.numeric.estimate import Estimate
from tests.faults.conv import faulty_pair

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import Picture


def drawn(error: Array) -> Picture | None:
    ones = np.ones(error.shape)
    expected = Estimate(value=ones, scale=ones, error_bound=0 * ones, method="dense", evaluations=0)
    elements = judge_elements(ones + error, expected, "float64", Settings())
    return draw(elements.wrong, elements.error, elements.worst)


def test_levels_are_tenths_of_the_largest_error() -> None:
    error = np.zeros((2, 3, 2, 6))
    error[1, 2] = [[0, 1, 0.5, 0.05, 0.005, 0.0005], [0, 0, 0, 0, 0, 1e-15]]
    error[0, 1] = 0.5
    picture = drawn(error)
    assert picture is not None
    assert picture.index == (1, 2)
    assert picture.levels == ((0, 4, 4, 3, 2, 1), (0, 0, 0, 0, 0, 0))
    assert picture.block == (1, 1)


@pytest.mark.parametrize("size", [(16, 32), (17, 33), (64, 90), (1000, 3), (3, 1000)])
def test_large_slices_are_drawn_in_blocks_that_lose_no_element(size: tuple[int, int]) -> None:
    source = np.random.default_rng(0)
    for _ in range(20):
        error, index = np.zeros(size), tuple(source.integers(size))
        error[index] = 1
        picture = drawn(error)
        assert picture is not None
        levels = np.array(picture.levels)
        assert levels.shape[0] <= 16
        assert levels.shape[1] <= 32
        assert np.argwhere(levels).tolist() == [[index[0] // picture.block[0], index[1] // picture.block[1]]]
        assert levels.max() == 4


def test_a_vector_is_one_row() -> None:
    picture = drawn(np.array([0.0, 1.0, 0.0]))
    assert picture is not None
    assert (picture.index, picture.levels) == ((), ((0, 4, 0),))


@pytest.mark.parametrize("error", [np.ones((2, 2)), np.zeros((2, 2)), np.array(1.0), np.ones(1)])
def test_what_says_nothing_is_not_drawn(error: Array) -> None:
    assert drawn(error) is None


def test_a_slice_that_is_wrong_throughout_is_not_drawn() -> None:
    error = np.zeros((2, 3, 4))
    error[1] = 1
    assert drawn(error) is None


def test_failing_cases_carry_pictures_of_what_is_wrong_in_part() -> None:
    result = check(ConvCase(N=2, H=7, W=7, stride=2), faulty_pair("last_row_of_windows_missed"))
    dx, dw, db = result.gradients.values()
    assert dx.picture is not None
    assert [max(row) > 0 for row in dx.picture.levels] == [False] * 5 + [True] * 2
    assert dw.picture is not None
    assert db.picture is None
    assert result.forward is not None
    assert result.forward.picture is None
