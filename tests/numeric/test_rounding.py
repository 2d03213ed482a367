"""Residues that can be rounding error, and those that cannot."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck_cli.numeric.rounding import ROUNDINGS, epsilon_of_values, is_rounding, root_mean_square

EPS = 2.0**-52


def test_a_residue_is_measured_by_its_own_size_first() -> None:
    size = np.array([1.0, 1e-3, 1e6])
    assert is_rounding(ROUNDINGS * EPS * size, size, EPS).all()
    assert is_rounding(1e-10 * size, size, EPS).tolist() == [
        True,
        True,
        False,
    ]  # the first two: by the size of the last


def test_one_huge_output_does_not_excuse_the_others() -> None:
    size = np.array([1.0, 1e20])
    assert is_rounding(np.array([1e-3, 0.0]), size, EPS).tolist() == [False, True]


def test_float32_values_are_recognized_in_a_wider_array() -> None:
    values = np.linspace(0.1, 0.9, 200)
    narrow = values.astype(np.float32).astype(float)
    assert epsilon_of_values(values) == 0
    assert epsilon_of_values(narrow) == np.finfo(np.float32).eps
    assert epsilon_of_values(np.append(narrow, 0.1)) == 0
    assert epsilon_of_values(np.arange(200.0)) == 0  # small integers are no evidence


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_a_root_mean_square_neither_overflows_nor_underflows(size: float) -> None:
    assert root_mean_square(size * np.array([3.0, -4.0, 0.0])) == pytest.approx(size * (25 / 3) ** 0.5, rel=1e-15)


def test_a_root_mean_square_of_nothing_is_zero() -> None:
    assert root_mean_square(np.zeros(0)) == root_mean_square(np.zeros(3)) == 0
    assert np.isnan(root_mean_square(np.array([1.0, np.inf])))
