"""Arrays laid in another order of axes: each element is where a slow loop puts it, and comes back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gradcheck_cli.implementation.conventions.layout import Layout

W = np.arange(4 * 2 * 3 * 5).reshape(4, 2, 3, 5)


@pytest.mark.parametrize(
    ("there", "shape", "index"),
    [
        ("F C HH WW", (4, 2, 3, 5), lambda f, c, i, j: (f, c, i, j)),
        ("HH WW C F", (3, 5, 2, 4), lambda f, c, i, j: (i, j, c, f)),
        ("C F HH WW", (2, 4, 3, 5), lambda f, c, i, j: (c, f, i, j)),
        ("1 F C HH WW", (1, 4, 2, 3, 5), lambda f, c, i, j: (0, f, c, i, j)),
        ("F (C HH WW)", (4, 30), lambda f, c, i, j: (f, (c * 3 + i) * 5 + j)),
        ("(HH WW C) F", (30, 4), lambda f, c, i, j: ((i * 5 + j) * 2 + c, f)),
    ],
)
def test_there_and_back(there: str, shape: tuple[int, ...], index: Callable[..., tuple[int, ...]]) -> None:
    layout = Layout("F C HH WW", there)
    assert layout.shape(W.shape) == shape
    laid = layout.give(W)
    assert laid.shape == shape
    for at in np.ndindex(W.shape):
        assert laid[index(*at)] == W[at]
    assert np.array_equal(np.asarray(layout.take(laid, W.shape)), W)


@pytest.mark.parametrize("there", ["F", "F 1", "1 F", "1 1 1 F", "1 F 1 1"])
def test_a_vector(there: str) -> None:
    layout, b = Layout("F", there), np.arange(3.0)
    assert layout.give(b).ravel().tolist() == [0.0, 1.0, 2.0]
    assert np.array_equal(np.asarray(layout.take(layout.give(b), (3,))), b)


def test_without_the_shape_here() -> None:
    layout = Layout("N F H W", "N H W F")
    out = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    assert np.array_equal(np.asarray(layout.take(layout.give(out))), out)


@pytest.mark.parametrize("returned", [None, "dw", [1.0], np.zeros((2, 4, 3, 5)), np.zeros(3)], ids=str)
def test_what_has_not_the_shape_of_there_is_left_as_it_is(returned: object) -> None:
    assert Layout("F C HH WW", "HH WW C F").take(returned, W.shape) is returned
