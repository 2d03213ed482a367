"""Numerical derivatives against closed forms: within their own error bounds, and the bounds not far too large."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.numeric.affine import AFFINE_STEP
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.numeric.derivative import differentiate
from tests.sampling import one_in

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

Forward = Callable[["Array"], "Array"]
Backward = Callable[["Array", "Array"], "Array"]

SHAPE = (6, 2)
MIXING = signed_uniform(random.Random(0), (12, 12))


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max())
    return np.asarray(e / e.sum())


def softmax_backward(x: Array, dout: Array) -> Array:
    p = softmax(x)
    return np.asarray(p * (dout - (p * dout).sum()))


def normalize(x: Array) -> Array:
    centred = x - x.mean(0)
    return np.asarray(centred / np.sqrt((centred**2).mean(0)))


def normalize_backward(x: Array, dout: Array) -> Array:
    deviation = np.sqrt(((x - x.mean(0)) ** 2).mean(0))
    y = normalize(x)
    return np.asarray((dout - dout.mean(0) - y * (dout * y).mean(0)) / deviation)


def mixed(x: Array) -> Array:
    return np.asarray(np.sin(MIXING.astype(x.dtype) @ x.reshape(-1)))


def mixed_backward(x: Array, dout: Array) -> Array:
    return np.asarray(MIXING.T @ (dout * np.cos(MIXING @ x.reshape(-1)))).reshape(x.shape)


#: Forward, its backward in closed form, the size of the inputs.
CURVED: dict[str, tuple[Forward, Backward, float]] = {
    "tanh": (np.tanh, lambda x, dout: dout * (1 - np.tanh(x) ** 2), 1),
    "softmax": (softmax, softmax_backward, 1),
    "normalize": (normalize, normalize_backward, 1),
    "cube far from zero": (lambda x: x**3, lambda x, dout: dout * 3 * x**2, 100),
    "exp": (np.exp, lambda x, dout: dout * np.exp(x), 1),
    "steep exp": (lambda x: np.exp(5 * x), lambda x, dout: dout * 5 * np.exp(5 * x), 1),
    "fast sine": (lambda x: np.sin(10 * x), lambda x, dout: dout * 10 * np.cos(10 * x), 1),
    "mixed sines": (mixed, mixed_backward, 1),
    "reciprocal": (lambda x: 1 / x, lambda x, dout: -dout / x**2, 1),
    "log of small": (lambda x: np.log(abs(x)), lambda x, dout: dout / x, 1e-3),
    "square root of small": (lambda x: np.sqrt(abs(x)), lambda x, dout: dout * np.sign(x) / 2 / np.sqrt(abs(x)), 1e-4),
}


def draw(seed: int, dtype: str, size: float = 1) -> tuple[Array, Array]:
    source = random.Random(seed)
    x = (size * signed_uniform(source, SHAPE)).astype(dtype)
    return x, signed_uniform(source, SHAPE).astype(dtype)


def errors(name: str, dtype: str, seeds: int) -> tuple[Array, Array, Array]:
    """Return true errors, bounds and scales of many elements."""
    forward, backward, size = CURVED[name]
    found = []
    for seed in range(seeds):
        x, dout = draw(seed, dtype, size)
        dout = dout.reshape(forward(x).shape)
        derivative = differentiate(lambda x: forward(x).astype(dtype), x, dout, resolution=0)
        assert not derivative.affine
        desired = backward(x.astype(np.longdouble), dout.astype(np.longdouble))
        found.append((abs(derivative.value - desired), derivative.error_bound, derivative.scale))
    true, bound, scale = (np.concatenate([part.ravel() for part in parts]) for parts in zip(*found, strict=True))
    return true, bound, scale


@pytest.mark.parametrize("dtype", ["float32", "float64", "longdouble"])
@pytest.mark.parametrize("name", one_in(2, CURVED))
def test_curved_functions_lie_within_a_bound_that_is_not_far_too_large(name: str, dtype: str) -> None:
    true, bound, scale = errors(name, dtype, seeds=6)
    assert (true <= bound).mean() >= 0.999
    assert np.median(bound[true > 0] / true[true > 0]) <= 100
    # What a fixed step of 1e-5 reaches is 1e-9 in float64, and nothing in float32.
    assert np.median(bound / scale) <= {"float32": 1e-4, "float64": 1e-12, "longdouble": 1e-14}[dtype]


def test_a_softmax_that_chooses_among_values_of_float32_does_not_compute_in_it() -> None:
    values = signed_uniform(random.Random(1), (3, 5)).astype(np.float32).astype(float)
    x, dout = (signed_uniform(random.Random(2), shape) for shape in ((3,), (5,)))
    found = differentiate(lambda x: softmax(8 * x) @ values, x, dout, resolution=0)
    assert (found.error_bound <= 1e-12 * found.scale.max()).all()
    assert (abs(found.value - 8 * softmax_backward(8 * x, values @ dout)) <= found.error_bound).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble"])
def test_affine_functions_are_exact_but_for_rounding(dtype: str) -> None:
    x, dout = draw(3, dtype)
    matrix = MIXING.astype(dtype)

    def forward(x: Array) -> Array:
        return np.asarray(matrix @ x.reshape(-1) + dout.reshape(-1)).reshape(SHAPE)

    derivative = differentiate(forward, x, dout, resolution=0)
    weights = dout.reshape(-1).astype(derivative.value.dtype)
    scale = (abs(matrix.T) @ abs(weights)).reshape(SHAPE)
    assert derivative.affine
    assert derivative.evaluations == 2 + 3 + 2 * x.size
    true = abs(derivative.value - (matrix.T @ weights).reshape(SHAPE))
    assert (true <= derivative.error_bound).all()
    assert (derivative.error_bound <= 8 * epsilon(dtype) * scale).all()
    np.testing.assert_allclose(derivative.scale.astype(float), scale.astype(float), rtol=8 * epsilon(dtype))


#: At 0 an odd function looks straight in every symmetric difference. The rounding of one output may be as large as
#: another output.
NOT_AFFINE: dict[str, Forward] = {
    "odd": np.tanh,
    "cube": lambda x: x**3,
    "piecewise": lambda x: np.where(abs(x) < 3, x, 0),
    "beside a huge one": lambda x: np.concatenate([1e20 * x.reshape(-1), np.tanh(x.reshape(-1))]),
    "slightly": lambda x: x + 1e-6 * x**2,
    "refuses": lambda x: x if (abs(x) < 9).all() else np.asarray([1 / 0]),
}


@pytest.mark.parametrize("name", NOT_AFFINE)
def test_a_function_that_only_looks_straight_is_not_called_affine(name: str) -> None:
    x = np.zeros(SHAPE)
    assert not differentiate(NOT_AFFINE[name], x, np.ones(NOT_AFFINE[name](x).shape), resolution=0).affine


def test_one_curved_element_of_an_affine_function_is_extrapolated() -> None:
    x, dout = draw(1, "float64")

    def forward(x: Array) -> Array:
        # Affine along every random direction, which moves all elements; curved where one element moves alone.
        alone = np.count_nonzero(abs(x - start) > 30) == 1
        return np.where((np.arange(x.size).reshape(SHAPE) == 5) & alone, np.tanh(x), x * np.tanh(1))

    start = x.copy()
    start.reshape(-1)[5] = x.reshape(-1)[5] = 1
    derivative = differentiate(forward, x, dout, resolution=0)
    assert derivative.affine
    assert derivative.evaluations > 8 + 2 * x.size


def test_extrapolation_ends_when_the_bound_is_good_enough() -> None:
    x, dout = draw(0, "float64")
    fine = differentiate(np.tanh, x, dout, resolution=0)
    coarse = differentiate(np.tanh, x, dout, resolution=1e-6)
    assert coarse.evaluations < fine.evaluations
    assert (coarse.error_bound <= 1e-6 * coarse.scale).all()


def test_a_step_that_leaves_the_domain_is_shortened() -> None:
    x = np.array([0.02, 0.7])
    derivative = differentiate(np.log, x, np.ones(2), resolution=0)
    assert (abs(derivative.value - 1 / x) <= derivative.error_bound).all()
    assert (derivative.error_bound <= 1e-9 * derivative.scale).all()


def test_noise_shows_in_the_bound() -> None:
    noise = random.Random(0)
    x, dout = draw(0, "float64")

    def noisy(x: Array) -> Array:
        return np.tanh(x) + 1e-6 * signed_uniform(noise, SHAPE)

    derivative = differentiate(noisy, x, dout, resolution=0)
    true = abs(derivative.value - dout * (1 - np.tanh(x) ** 2))
    assert 1e-6 < derivative.noise < 3e-6
    assert (true <= derivative.error_bound).all()
    assert (derivative.error_bound <= 1e-2 * derivative.scale.max()).all()


def test_a_nan_in_one_element_leaves_the_others_alone() -> None:
    x, dout = draw(0, "float64")

    def forward(x: Array) -> Array:
        out = np.tanh(x)
        out[2, 1] = np.nan if x[2, 1] != before[2, 1] else out[2, 1]
        return out

    before = x.copy()
    derivative = differentiate(forward, x, dout, resolution=0)
    whole = differentiate(np.tanh, x, dout, resolution=0)
    assert np.isnan(derivative.value[2, 1])
    assert derivative.error_bound[2, 1] == np.inf
    others = np.arange(x.size).reshape(SHAPE) != 5
    assert (derivative.value[others] == whole.value[others]).all()


def test_a_fixed_step_is_taken_and_its_truncation_bounded() -> None:
    x, dout = draw(0, "float64")
    derivative = differentiate(np.tanh, x, dout, resolution=0, step=1e-2)
    ahead, behind = np.tanh(x + 1e-2), np.tanh(x - 1e-2)
    np.testing.assert_allclose(derivative.value, dout * (ahead - behind) / 2e-2, rtol=1e-12)
    true = abs(derivative.value - dout * (1 - np.tanh(x) ** 2))
    assert (true <= derivative.error_bound).mean() >= 0.9
    assert (true <= 2 * derivative.error_bound).all()


def test_a_step_that_vanishes_in_rounding_gives_nothing() -> None:
    x, dout = draw(0, "float64")
    derivative = differentiate(np.tanh, x, dout, resolution=0, step=1e-20)
    assert np.isnan(derivative.value).all()
    assert not (derivative.error_bound < np.inf).any()


def test_a_function_may_return_the_same_buffer_at_each_call() -> None:
    x, dout = draw(0, "float64")
    buffer = np.empty(SHAPE)
    again = differentiate(lambda x: np.multiply(x, 3, out=buffer), x, dout, resolution=0)
    np.testing.assert_allclose(again.value, 3 * dout, rtol=1e-15)
    assert (x == draw(0, "float64")[0]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_kinks_are_reported_and_elements_near_them_are_right(dtype: str) -> None:
    x = np.array([0.0, 1e-3, -1e-3, 0.7, -1.2], dtype)
    for forward, desired in [
        (lambda x: np.maximum(x, 0), x > 0),
        (abs, np.sign(x)),
        (lambda x: abs(x) + x**2, np.sign(x) + 2 * x),
    ]:
        found = differentiate(forward, x, np.ones(5), resolution=0)
        assert found.kinks.tolist() == [True, False, False, False, False]
        assert found.error_bound[0] == np.inf
        assert (abs(found.value - desired)[1:] <= found.error_bound[1:]).all()
        assert (found.error_bound[1:] <= 2e-3 * np.maximum(found.scale[1:], 1)).all()


def test_a_kink_nearer_than_the_smallest_step_is_reported_too() -> None:
    found = differentiate(lambda x: np.maximum(x, 0), np.array([1e-5, 1e-7, -1e-10, 0.9]), np.ones(4), resolution=0)
    assert found.kinks.tolist() == [False, False, True, False]
    assert (abs(found.value - 1)[:2] <= found.error_bound[:2]).all()


def test_ties_of_a_maximum_have_no_derivative() -> None:
    found = differentiate(lambda x: x.max(keepdims=True), np.array([1.0, 1.0, 0.5, -0.3]), np.ones(1), resolution=0)
    assert found.kinks.tolist() == [True, True, False, False]
    assert (found.value[2:] == 0).all()


def test_smooth_functions_have_no_kinks() -> None:
    for name, (forward, _, size) in CURVED.items():
        for seed in range(10):
            x, dout = draw(seed, "float64", size)
            found = differentiate(forward, x, dout.reshape(forward(x).shape), resolution=0)
            assert not found.kinks.any(), name


@pytest.mark.parametrize("name", ["log", "sqrt"])
@pytest.mark.parametrize("at", [0.5, 1e-3, 1e-6])
def test_the_edge_of_a_domain_may_be_near(name: str, at: float) -> None:
    x = np.array([at, 0.9])
    forward, desired = {"log": (np.log, 1 / x), "sqrt": (np.sqrt, 0.5 / np.sqrt(x))}[name]
    found = differentiate(forward, x, np.ones(2), resolution=0)
    assert (abs(found.value - desired) <= found.error_bound).all()
    assert (found.error_bound <= 1e-8 * desired).all()


def test_the_step_of_an_affine_function_is_the_one_taken() -> None:
    x, dout = draw(0, "float64")
    assert (differentiate(lambda x: 3 * x, x, dout, resolution=0).step == AFFINE_STEP).all()
    assert (differentiate(lambda x: 3 * x, x, dout, resolution=0, step=0.5).step == 0.5).all()
    assert (differentiate(np.tanh, x, dout, resolution=0, step=0.125).step == 0.125).all()


@pytest.mark.parametrize("name", CURVED)
def test_the_step_of_a_curved_function_is_the_smallest_that_the_value_rests_on(name: str) -> None:
    forward, _, size = CURVED[name]
    x, dout = draw(0, "float64", size)
    taken: list[set[float]] = [set() for _ in range(x.size)]

    def watched(moved: Array) -> Array:
        different = np.flatnonzero((moved != x).reshape(-1))
        if different.size == 1:
            taken[different[0]].add(float(abs(moved - x).max()))
        return forward(moved)

    found = differentiate(watched, x, dout.reshape(forward(x).shape), resolution=0)
    for steps, step, value in zip(taken, found.step.reshape(-1), found.value.reshape(-1), strict=True):
        assert not np.isnan(value)
        assert min(abs(step / h - 1) for h in steps) < 1e-3
        # Steps are halved, and a value rests on its own row of the tableau and on those before.
        assert min(abs(2 * step / h - 1) for h in steps) < 1e-3


def test_an_element_without_a_value_has_no_step() -> None:
    found = differentiate(lambda x: np.where(x == before, x, np.nan), before := np.ones(2), np.ones(2), resolution=0)
    assert np.isnan(found.step).all()
