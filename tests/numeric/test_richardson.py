"""Richardson's tableau: exact for polynomials of a degree that grows with its columns."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck_cli.numeric.richardson import tableau_row


@pytest.mark.parametrize("degree", [1, 3, 5, 7])
def test_each_column_is_exact_for_two_more_degrees(degree: int) -> None:
    """The error of a central difference of x**n is a polynomial in h**2, of degree (n - 1) / 2."""
    x, exact_from = np.array([0.5, -2.0]), (degree - 1) // 2
    row = np.empty((0, x.size))
    for h in (1.0, 0.5, 0.25, 0.125):
        row = tableau_row(row, ((x + h) ** degree - (x - h) ** degree) / (2 * h))
    error = abs(row / (degree * x ** (degree - 1)) - 1).max(axis=1)
    assert row.shape == (4, 2)
    assert (error[exact_from:] < 1e-12).all()
    assert (error[:exact_from] > 1e-6).all()
