"""The verdict on one array: form first, then every element in units of roundoff."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.checks.comparison import compare
from gradcheck_cli.checks.form import Subject
from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.results.result import ArrayResult, Verdict, WorstElement, WrongElements

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

EPS = epsilon("float64")


def judge(array: object, value: Array, bound: float = 0.0, *, dtype: str = "float64", **settings: Any) -> ArrayResult:
    """Judge against values of which each is a sum of terms of total size 2."""
    wide = np.promote_types(dtype, np.float64)
    expected = Estimate(
        value=value.astype(wide),
        scale=np.full(value.shape, 2, wide),
        error_bound=np.full(value.shape, bound, wide),
        method="dense",
        evaluations=7,
    )
    return compare(Subject(name="dx", array=array, dtype=dtype, shape=value.shape), expected, Settings(**settings))


def test_the_result_of_a_right_array() -> None:
    value = np.array([[1.0, -2.0], [3.0, 0.0]])
    result = judge(value + np.array([[0, 0], [6 * EPS, 0]]), value)
    assert result == ArrayResult(
        name="dx",
        verdict=Verdict.PASS,
        reason=None,
        shape=(2, 2),
        expected_shape=(2, 2),
        dtype="float64",
        max_rel_error=6 * EPS / (6 + 6 * EPS),
        max_abs_error=6 * EPS,
        scaled_error=3.0,
        tolerance=100.0,
        floor=200 * EPS,
        worst=WorstElement(index=(1, 0), analytic=3 + 6 * EPS, numeric=3.0, error_bound=0.0),
        wrong=WrongElements(count=0, of=4, where=None),
        method="dense",
        evaluations=7,
    )


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_the_edge_of_the_tolerance(dtype: str) -> None:
    tolerance = {"float16": 4, "float32": 100, "float64": 100, "longdouble": 100}[dtype]
    value = np.zeros(3, dtype)
    spoilt = value.copy()
    spoilt[1] = 2 * epsilon(dtype) * tolerance
    assert judge(spoilt, value, dtype=dtype).verdict is Verdict.PASS
    spoilt[1] = 2 * epsilon(dtype) * tolerance * 1.01
    result = judge(spoilt, value, dtype=dtype)
    assert result.tolerance == tolerance
    assert result.verdict is Verdict.FAIL
    assert result.reason == "dx is wrong in 1 of 3 elements: at [1]"
    assert result.wrong == WrongElements(count=1, of=3, where="at [1]")


def test_the_error_bound_of_the_numeric_side_is_granted() -> None:
    value = np.ones(3)
    assert judge(value + 1e-10, value, bound=1.1e-10).verdict is Verdict.PASS
    assert judge(value + 1e-10, value, bound=0.5e-10).verdict is Verdict.FAIL


@pytest.mark.parametrize(("bound", "verdict"), [(1e-8, Verdict.PASS), (1e-7, Verdict.INCONCLUSIVE)])
def test_a_bound_that_says_too_little_decides_nothing(bound: float, verdict: Verdict) -> None:
    result = judge(np.ones(3), np.ones(3), bound=bound)
    assert result.verdict is verdict
    if verdict is Verdict.INCONCLUSIVE:
        assert "could not be decided in 3 of 3 elements" in (result.reason or "")


def test_what_is_beyond_even_a_large_bound_is_wrong() -> None:
    assert judge(np.full(3, 2.0), np.ones(3), bound=0.1).verdict is Verdict.FAIL


def test_an_element_that_the_numeric_side_could_not_see_is_undecided() -> None:
    value = np.array([1.0, math.nan, 1.0])
    result = judge(np.ones(3), value)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "1 of 3" in (result.reason or "")
    assert result.worst is not None
    assert result.worst.index != (1,)
    assert judge(np.array([1.0, 1.0, 1.1]), value).verdict is Verdict.FAIL


def test_tol_is_exactly_what_was_asked_for() -> None:
    spoilt = np.array([1.0, 1 + 2 * 8 * EPS])
    assert judge(spoilt, np.ones(2), tol=8).verdict is Verdict.PASS
    assert judge(spoilt, np.ones(2), tol=7).verdict is Verdict.FAIL
    assert judge(np.ones(2, np.float16), np.ones(2), dtype="float16", tol=200).tolerance == 200


def test_evenly_spread_roundoff_is_allowed_where_an_element_has_no_terms() -> None:
    expected = Estimate(
        value=np.zeros(4), scale=np.array([0.0, 3, 3, 3]), error_bound=np.zeros(4), method="dense", evaluations=1
    )
    subject = Subject(name="dx", array=np.array([20 * EPS, 0, 0, 0]), dtype="float64", shape=(4,))
    assert compare(subject, expected, Settings()).verdict is Verdict.PASS
    subject = Subject(name="dx", array=np.array([1e-9, 0, 0, 0]), dtype="float64", shape=(4,))
    assert compare(subject, expected, Settings()).verdict is Verdict.FAIL


def test_where_zero_is_right_anything_else_is_wrong() -> None:
    expected = Estimate(value=np.zeros(2), scale=np.zeros(2), error_bound=np.zeros(2), method="dense", evaluations=1)
    result = compare(Subject(name="dx", array=np.array([0, 1e-300]), dtype="float64", shape=(2,)), expected, Settings())
    assert result.verdict is Verdict.FAIL
    assert result.scaled_error == math.inf
    right = compare(Subject(name="dx", array=np.zeros(2), dtype="float64", shape=(2,)), expected, Settings())
    assert (right.verdict, right.scaled_error, right.max_rel_error) == (Verdict.PASS, 0.0, 0.0)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (None, "dx is missing: nothing was returned in its place"),
        ("wrong", "dx is no array but a str"),
        ([1.0], "dx is no array but a list"),
        (np.ones((2, 3)), "dx has shape (2, 3) instead of (3, 2)"),
        (np.ones((3, 1)), "dx has shape (3, 1) instead of (3, 2)"),  # it would broadcast
        (1.0, "dx has shape () instead of (3, 2)"),
        (np.ones((3, 0)), "dx is empty: shape (3, 0) instead of (3, 2)"),
        (np.ones(0), "dx is empty: shape (0,) instead of (3, 2)"),
        (np.ones((3, 2), int), "dx has dtype int64, which is not floating point"),
        (np.ones((3, 2), complex), "dx has dtype complex128, which is not floating point"),
        (np.ones((3, 2), np.float32), "dx has dtype float32, narrower than the float64 of the inputs"),
        (np.full((3, 2), np.nan), "dx is NaN in 6 of 6 elements, the first at [0, 0]"),
        (np.array([[1, 1], [1, -np.inf], [1, 1]]), "dx is infinite in 1 of 6 elements, the first at [1, 1]"),
        (np.array([[1, np.nan], [1, np.inf], [1, 1]]), "dx is NaN or infinite in 2 of 6 elements, the first at [0, 1]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_arrays_of_the_wrong_form_are_named_and_not_compared(array: object, reason: str) -> None:
    result = judge(array, np.ones((3, 2)))
    assert result.verdict is Verdict.FAIL
    assert result.reason == reason
    assert result.worst is None
    assert result.expected_shape == (3, 2)
    assert (result.shape is None) == (array is None or isinstance(array, str | list | float))


@pytest.mark.parametrize(
    ("number", "bound", "reason"),
    [
        (np.inf, 0.0, "dx is infinite"),
        (np.nan, 0.0, "dx is NaN"),
        (1.5, 0.0, "dx is wrong"),
        (1.0, np.inf, "dx could not be decided: forward is too rough there"),
    ],
)
def test_of_a_number_no_elements_are_counted(number: float, bound: float, reason: str) -> None:
    assert judge(np.array(number), np.array(1.0), bound).reason == reason


def test_a_wider_dtype_than_asked_is_right() -> None:
    assert judge(np.ones(2), np.ones(2), dtype="float32").verdict is Verdict.PASS


def test_arrays_are_kept_on_request_only() -> None:
    assert judge(np.ones(2), np.ones(2)).arrays is None
    kept = judge(np.ones(2), np.ones(2), keep_arrays=True).arrays
    assert kept is not None
    assert (kept.analytic == 1).all()


@pytest.mark.parametrize(
    "numbers", [{"tol": 0}, {"tol": math.nan}, {"step": -1}, {"step": math.inf}, {"method": "magic"}]
)
def test_settings_that_make_no_sense(numbers: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(numbers))):
        Settings(**numbers)


def test_extreme_arrays_are_judged_without_a_warning() -> None:
    """User code may return any number, and a warning, which is an error in tests, must not stop the checker."""
    extremes = np.array([0.0, 5e-324, 1e-300, 1.0, 1e300, np.inf])
    for analytic, scale, bound in itertools.product(extremes, repeat=3):
        scales, bounds = np.full(30, scale), np.full(30, bound)
        expected = Estimate(value=np.ones(30), scale=scales, error_bound=bounds, method="dense", evaluations=7)
        array = np.where(np.arange(30) == 3, analytic, 1.0)
        result = compare(Subject(name="dx", array=array, dtype="float64", shape=(30,)), expected, Settings())
        if analytic == 1:
            assert result.verdict is not Verdict.FAIL, (scale, bound)
        if np.isinf(analytic):
            assert result.verdict is not Verdict.PASS, (scale, bound)
