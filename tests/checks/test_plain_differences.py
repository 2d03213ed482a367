"""Errors of plain differences, step by step, against closed forms of the truncation and a slow loop."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli.checks.plain_differences import sweep
from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.numeric.colored import Coupling
from gradcheck_cli.numeric.derivative import differentiate
from gradcheck_cli.numeric.estimate import Estimate
from gradcheck_cli.results.step_sweep import STEPS, ErrorSource, Sweep

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.black_box import Function

X = signed_uniform(random.Random(0), (4, 3))
DOUT = signed_uniform(random.Random(1), (4, 3))
MIXING = signed_uniform(random.Random(2), (12, 12))

#: One colour for each row of 3; every element reaches the output in its own place.
BY_ROW = Coupling(
    colors=4, owner=lambda row: np.where(np.arange(12).reshape(4, 3) // 3 == row, np.arange(12).reshape(4, 3), -1)
)


def exactly(value: Array, scale: Array | None = None, bound: float = 1e-16, step: float = 0.25) -> Estimate:
    """Make the estimate that a closed form gives."""
    scale = abs(value) if scale is None else scale
    return Estimate(
        value=value,
        scale=scale,
        error_bound=bound * scale,
        step=np.full(value.shape, step),
        second_difference=np.zeros(value.shape),
        kinks=np.zeros(value.shape, bool),
    )


def errors(found: Sweep, above: float, below: float = 10) -> dict[float, float]:
    return {d.step: d.error for d in found.errors if above < d.step < below}


def mixed(x: Array) -> Array:
    return np.asarray(MIXING.astype(x.dtype) @ x.reshape(-1)).reshape(4, 3)


def test_the_steps_are_half_decades_and_the_floats_of_a_notebook() -> None:
    assert STEPS[::2] == (1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12)
    np.testing.assert_allclose(np.diff(np.log10(STEPS)), -0.5)


@pytest.mark.parametrize(
    ("function", "derivative", "truncation"),
    [
        # (x + h)^3 - (x - h)^3 = 6 x^2 h + 2 h^3; of exp and sin the factors are sinh h / h and sin h / h.
        (lambda x: x**3, 3 * X**2, lambda h: h**2 / (3 * X**2)),
        (np.exp, np.exp(X), lambda h: np.full(X.shape, math.sinh(h) / h - 1)),
        (np.sin, np.cos(X), lambda h: np.full(X.shape, 1 - math.sin(h) / h)),
    ],
)
def test_truncation_is_what_theory_says(
    function: Function, derivative: Array, truncation: Callable[[float], Array]
) -> None:
    found = sweep(function, X, DOUT, exactly(DOUT * derivative))
    for step, error in errors(found, above=5e-3).items():
        assert error == pytest.approx(float(truncation(step).max()), rel=1e-6)
    for difference in found.errors:
        if 5e-4 < difference.step < 0.5:
            assert difference.source is ErrorSource.TRUNCATION
            assert difference.slope == pytest.approx(2, abs=0.1)
        if difference.step < 1e-6:
            assert difference.source is ErrorSource.ROUNDOFF
    slopes = [d.slope for d in found.errors if d.step < 1e-6 and d.slope is not None]
    assert np.median(slopes) == pytest.approx(-1, abs=0.2)  # each is a fit to a few largest of 12 roundings
    assert not found.affine


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_affine_function_has_roundoff_of_eps_over_h_and_no_truncation(dtype: str) -> None:
    x, eps = X.astype(dtype), float(np.finfo(dtype).eps)
    reference = differentiate(mixed, x.astype(float), DOUT, resolution=0)
    found = sweep(mixed, x, DOUT, reference)
    assert found.affine
    assert {d.source for d in found.errors} <= {ErrorSource.ROUNDOFF, ErrorSource.UNSEEN, ErrorSource.LOST}
    seen = [d for d in found.errors if d.source is ErrorSource.ROUNDOFF and d.step < 0.2]
    assert len(seen) >= 10
    for difference in seen:
        assert 0.05 * eps < difference.error * difference.step < 50 * eps
    slopes = [difference.slope for difference in seen if difference.slope is not None]
    assert np.median(slopes) == pytest.approx(-1, abs=0.2)


def test_a_quadratic_has_no_truncation() -> None:
    found = sweep(np.square, X, DOUT, exactly(2 * X * DOUT))  # a cubic term is what a central difference truncates
    assert ErrorSource.TRUNCATION not in {d.source for d in found.errors if d.step < 0.5}


def test_truncation_has_any_slope_where_h_exceeds_the_features_of_the_function() -> None:
    found = sweep(lambda x: np.sin(10 * x), X, DOUT, exactly(10 * np.cos(10 * X) * DOUT))
    assert {d.source for d in found.errors if d.step > 1e-3} == {ErrorSource.TRUNCATION}
    first = found.errors[0]
    assert first.slope is not None
    assert first.slope < 1


def test_the_step_of_the_estimate_is_tried_too_if_it_is_the_same_for_all_elements() -> None:
    reference = differentiate(mixed, X, DOUT, resolution=0)
    found = sweep(mixed, X, DOUT, reference)
    assert [d.step for d in found.errors] == [64, *STEPS]
    assert found.steps == (64, 64, 64)
    assert found.bound == (reference.error_bound / reference.scale).max()
    curved = sweep(np.tanh, X, DOUT, differentiate(np.tanh, X, DOUT, resolution=0))
    assert [d.step for d in curved.errors] == list(STEPS)
    assert curved.steps[0] <= curved.steps[1] <= curved.steps[2] <= 0.5


def notebook(function: Function, x: Array, h: float) -> Array:
    """Differentiate as course code does, one element after the other."""
    gradient = np.zeros(x.shape)
    for p in np.ndindex(x.shape):
        moved = x.copy()
        moved[p] = x[p] + x.dtype.type(h)
        ahead = function(moved).astype(float)
        moved[p] = x[p] - x.dtype.type(h)
        behind = function(moved).astype(float)
        gradient[p] = ((ahead - behind) * DOUT).sum() / (2 * h)
    return gradient


@pytest.mark.parametrize("coupling", [None, BY_ROW], ids=["dense", "colored"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_errors_are_those_of_the_notebooks_loop(dtype: str, coupling: Coupling | None) -> None:
    x = X.astype(dtype)
    exact = DOUT * (1 - np.tanh(x.astype(float)) ** 2)
    found = sweep(np.tanh, x, DOUT, exactly(exact), coupling=coupling)
    for difference in found.errors:
        expected = (abs(notebook(np.tanh, x, difference.step) - exact) / abs(exact)).max()
        assert difference.error == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_colored_and_dense_differences_have_the_same_errors() -> None:
    reference = exactly(DOUT * (1 - np.tanh(X) ** 2))
    dense, colored = (sweep(np.tanh, X, DOUT, reference, coupling=coupling) for coupling in (None, BY_ROW))
    assert [d.error for d in dense.errors] == [d.error for d in colored.errors]
    assert dense.evaluations == 2 + 2 * 12 * len(STEPS)
    assert colored.evaluations == 2 + 2 * 4 * len(STEPS)


@pytest.mark.parametrize("steps", [(1e-3,), (1e-2, 1e-4, 1e-6)])
def test_evaluations_are_counted_exactly(steps: tuple[float, ...]) -> None:
    calls = []

    def counting(x: Array) -> Array:
        calls.append(1)
        return np.tanh(x)

    found = sweep(counting, X, DOUT, exactly(DOUT), steps=steps)
    assert len(calls) == found.evaluations == 2 + 2 * 12 * len(steps)


def test_the_habitual_step_is_useless_in_float32_and_poor_in_float64() -> None:
    def off(dtype: str) -> tuple[float, float]:
        x = X.astype(dtype)
        found = sweep(mixed, x, DOUT, differentiate(mixed, x.astype(float), DOUT, resolution=0))
        habitual, best = found.at(1e-5), found.at(1)
        assert habitual is not None
        assert best is not None
        return habitual.error, best.error

    assert off("float32")[0] > 1e-3
    assert off("float32")[1] < 1e-5
    assert 1e-12 < off("float64")[0] < 1e-9
    assert off("float64")[1] < 1e-14


def test_a_step_that_vanishes_in_rounding_is_lost() -> None:
    x = np.abs(X).astype(np.float32)  # so that no derivative is 0
    found = sweep(np.square, x, np.ones(x.shape), exactly(2 * x.astype(float)))
    for difference in found.errors:
        lost = bool((x + np.float32(difference.step) == x - np.float32(difference.step)).any())
        assert (difference.source is ErrorSource.LOST) == lost
        if difference.step <= 1e-9:
            assert lost
            assert difference.error == 1
            assert difference.slope is None


def test_an_error_within_the_bound_of_the_estimate_is_unseen() -> None:
    loose = exactly(DOUT * (1 - np.tanh(X) ** 2), bound=1e-7)
    off = replace(loose, value=loose.value * (1 + 5e-8))
    sources = {d.step: d.source for d in sweep(np.tanh, X, DOUT, off).errors}
    assert sources[1e-5] is ErrorSource.UNSEEN
    assert sources[1e-1] is ErrorSource.TRUNCATION
    assert sources[1e-12] is ErrorSource.ROUNDOFF


def test_elements_without_a_derivative_are_left_out_and_counted() -> None:
    x = np.array([0.0, 0.7, -1.2])

    def relu(x: Array) -> Array:
        return np.maximum(x, 0)

    reference = differentiate(relu, x, np.ones(3), resolution=0)
    found = sweep(relu, x, np.ones(3), reference)
    assert found.unknown == 1  # the kink; and the flat element has no scale
    at = {d.step: d.error for d in found.errors}
    assert at[1e-1] < 1e-13
    assert at[1] == pytest.approx(abs(1.7 / 2 - 1))  # across the kink


def test_without_an_element_to_compare_there_are_no_errors() -> None:
    for reference in (exactly(DOUT, bound=np.inf), exactly(0 * DOUT)):
        found = sweep(np.tanh, X, DOUT, reference)
        assert (found.errors, found.bound) == ((), np.inf)
        assert found.evaluations == 2


def test_steps_that_leave_the_domain_are_undefined() -> None:
    x = np.array([0.5, 3.0])
    found = sweep(np.log, x, np.ones(2), exactly(1 / x))
    sources = {d.step: (d.source, d.error) for d in found.errors}
    assert sources[1] == (ErrorSource.UNDEFINED, np.inf)
    assert sources[1e-1][0] is ErrorSource.TRUNCATION
    assert sources[1e-8][0] is ErrorSource.ROUNDOFF


def test_a_sample_of_elements_can_be_swept() -> None:
    chosen = np.array([1, 7, 10])
    reference = differentiate(np.tanh, X, DOUT, resolution=0, elements=chosen)
    exact = (DOUT * (1 - np.tanh(X) ** 2)).reshape(-1)[chosen]
    assert (abs(reference.value - exact) <= reference.error_bound).all()
    found = sweep(np.tanh, X, DOUT, reference, elements=chosen)
    assert (found.sampled, found.size, found.unknown) == (3, 12, 0)
    assert found.evaluations == 2 + 2 * 3 * len(STEPS)
    largest = max(abs(notebook(np.tanh, X, 1e-2).reshape(-1)[chosen] - exact) / abs(exact))
    assert errors(found, 9e-3, 2e-2)[1e-2] == pytest.approx(largest, rel=1e-3)  # the scale is that of a difference
