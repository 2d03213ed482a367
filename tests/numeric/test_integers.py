"""Gradients at integers: an error of one is found wherever it is, and what rounds is not judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.numeric.integers import ExactLine, ExactTest, draw_integers, largest_magnitude, on_grid

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

#: Of a matrix product, x (40, 30) * w (30, 20), in float64.
X, W = draw_integers(np.ones((40, 30)), 3, "x"), draw_integers(np.ones((30, 20)), 3, "w")
COTANGENT = draw_integers(np.ones((40, 20)), 3, "cotangent")
RIGHT = COTANGENT @ W.T


def line(gradient: Array, function: Callable[[Array], Array] = lambda x: x @ W, x: Array = X) -> ExactLine:
    out = function(x)
    return ExactLine(
        function,
        x,
        COTANGENT.astype(out.dtype),
        on_grid(out),
        gradient,
        terms=30,
        epsilon=float(np.finfo(out.dtype).eps),
    )


def test_a_right_gradient_is_equal_in_every_dtype() -> None:
    for dtype in ("float16", "float32", "float64", "longdouble"):
        found = line(RIGHT.astype(dtype)).test()
        assert found.equal
        assert found.missed <= 2.0**-20


def test_an_error_of_one_shows_in_any_element_and_is_located() -> None:
    for element in range(0, RIGHT.size, 7):
        wrong = RIGHT.astype(np.float16)
        wrong.reshape(-1)[element] += 1
        assert line(wrong).test().equal is False
        assert line(wrong).locate(4) == {element: 1.0}


def test_errors_that_cancel_in_the_sum_are_seen_and_counted_up_to_a_limit() -> None:
    wrong = RIGHT.copy()
    wrong[0, :6] += [1, -1, 2, -2, 0.5, -0.5]
    assert line(wrong).test().equal is False
    assert line(wrong).locate(10) == {0: 1, 1: -1, 2: 2, 3: -2, 4: 0.5, 5: -0.5}
    some = line(wrong)
    assert len(some.locate(2)) == 2
    assert some.evaluations <= 2 * 2 * 2 * 12


def test_a_test_takes_one_evaluation_and_no_more() -> None:
    exact = line(RIGHT)
    assert exact.test() == ExactTest(equal=True, missed=2.0**-21)
    assert exact.evaluations == 1


def test_means_of_powers_of_two_are_exact_and_thirds_are_not() -> None:
    for share, equal in ((0.25, True), (1 / 64, True), (1 / 3, None), (1 / 128, None)):

        def mean(x: Array, share: float = share) -> Array:
            return np.asarray(share * (x @ W))

        assert line(share * RIGHT, mean).test().equal is equal


def test_a_gradient_with_roundings_is_not_judged() -> None:
    assert line(RIGHT * (1 + 1e-12)).test().equal is None
    assert line(RIGHT * np.nan).test().equal is None


def test_a_hinge_met_at_integers_is_not_judged() -> None:
    def hinge(x: Array) -> Array:
        return np.asarray(np.maximum(x @ W - (X @ W)[:1], 0.0))

    out = hinge(X)
    continued = (COTANGENT * (out > 0)) @ W.T  # right but for the hinges, on which it takes one of the two sides
    assert line(continued, hinge).test().equal is None
    assert line(continued, hinge).locate(4) == {}


def test_a_function_that_computes_in_float32_is_given_smaller_integers() -> None:
    def narrow(x: Array) -> Any:
        return x.astype(np.float32) @ W.astype(np.float32)

    exact = line(RIGHT, narrow)
    found = exact.test()
    assert found.equal
    assert found.missed <= 2.0**-20
    assert exact.evaluations == 2
    wrong = RIGHT.copy()
    wrong[3, 3] += 1
    assert line(wrong, narrow).test().equal is False


def test_sums_that_are_too_long_for_a_dtype_are_not_tried() -> None:
    assert [largest_magnitude(terms, "float16") for terms in (500, 2000, 3000)] == [3, 1, None]
    assert largest_magnitude(2.0**23, "float32") == 1
    assert largest_magnitude(2.0**22, "float64") == 3


def test_integers_keep_the_zeros_and_dtype_and_have_both_signs() -> None:
    values = draw_integers(np.array([0.0, 1, 0, 2] * 50, np.float16), 3, "seed")
    assert values.dtype == np.float16
    assert not values[::2].any()
    assert set(values[1::2].tolist()) == {-3, -2, -1, 1, 2, 3}
