"""Projection: gradients checked along random directions, and the wrong elements located in them."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.numeric.arrays import epsilon
from gradcheck_cli.numeric.projected import SAMPLED, Projection, project
from tests.sampling import in_parts, one_in

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

SHAPE = (4, 6, 8, 10)


def layer(dtype: str, seed: int) -> tuple[Array, Array, Array]:
    source = random.Random(seed)
    return tuple(signed_uniform(source, SHAPE).astype(dtype) for _ in range(3))  # type: ignore[return-value]


def run(dtype: str, seed: int, spoil: Array | None = None, *, curved: bool = False) -> Projection:
    x, weights, dout = layer(dtype, seed)
    shift = np.roll(weights, 1, axis=2)

    def forward(x: Array) -> Array:
        y = np.tanh(x) if curved else x
        return np.asarray(y * weights + np.roll(y, 1, axis=3) * shift)

    inner = dout * weights + np.roll(dout * shift, -1, axis=3)
    gradient = inner * (1 - np.tanh(x) ** 2) if curved else inner
    gradient = gradient.astype(dtype)
    if spoil is not None:
        gradient = (gradient + spoil).astype(dtype)
    return project(forward, x, dout, gradient, epsilon=epsilon(dtype), tolerance=100)


def at(index: Any, amount: float) -> Array:
    spoil = np.zeros(SHAPE)
    spoil[index] = amount
    return spoil


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_correct_gradients_agree(dtype: str, curved: bool) -> None:
    for seed in range(20):
        found = run(dtype, seed, curved=curved)
        assert found.agrees
        assert len(found.elements) == found.sampled == SAMPLED
        assert 0 < found.floor < {"float64": 1e-8, "float32": 0.1}[dtype]
        if not curved:
            assert found.estimate.evaluations == 2 + 3 + 2 * SAMPLED


@in_parts(5)
@pytest.mark.parametrize("curved", one_in(2, [True, False]))
def test_one_element_off_by_the_floor_is_found(curved: bool, part: int) -> None:
    for seed in range(part, 20, 5):
        index = tuple(random.Random(seed).randrange(size) for size in SHAPE)
        floor = run("float64", seed, curved=curved).floor
        found = run("float64", seed, at(index, 1.01 * floor), curved=curved)
        assert not found.agrees
        assert found.all_located
        assert found.elements[-1] == np.ravel_multi_index(index, SHAPE)
        assert len(found.elements) == SAMPLED + 1
        if not curved:
            assert found.estimate.evaluations <= 100 + 4 * math.log2(np.prod(SHAPE))


def test_a_slice_of_wrong_elements_is_located() -> None:
    for index in [(slice(None), slice(None), -1), (2,), (slice(None), 0), (1, slice(None), slice(None), 9)]:
        found = run("float64", 0, at(index, 0.3))
        assert not found.agrees
        assert not found.all_located
        whole = np.zeros(SHAPE, bool)
        whole[index] = True
        assert found.common_slice is not None
        inside = np.zeros(SHAPE, bool)
        inside[tuple(slice(None) if i is None else i for i in found.common_slice)] = True
        assert (inside == whole).all()


def test_the_search_is_bounded_where_everything_is_wrong() -> None:
    everywhere = run("float64", 0, np.full(SHAPE, 0.1))
    assert len(everywhere.elements) == SAMPLED
    assert everywhere.estimate.evaluations < 60
    scattered = np.where(signed_uniform(random.Random(5), SHAPE) > 1.2, 0.1, 0)
    found = run("float64", 0, scattered)
    assert not found.agrees
    assert found.estimate.evaluations < 60 + 2 * 2 * 8 * 13 + 20


def test_errors_that_cancel_in_one_direction_show_in_another() -> None:
    # Two errors that cancel exactly in the first direction.
    from gradcheck_cli.numeric.directions import random_directions

    (first,) = random_directions(np.zeros(SHAPE), 1)
    spoil = at((0, 0, 0, 0), first[1, 1, 1, 1] / first[0, 0, 0, 0]) - at((1, 1, 1, 1), 1)
    assert not run("float64", 0, spoil).agrees


def test_a_fixed_step_is_used_for_directions_and_elements() -> None:
    """A cubic's central difference is off by h**2 exactly, in the one element and along any direction of signs."""
    x = np.linspace(1.0, 2.0, 32)
    fixed = project(lambda x: x**3, x, np.ones(32), 3 * x**2, epsilon=2**-52, tolerance=100, step=0.5)
    np.testing.assert_allclose(fixed.estimate.value, 3 * x[fixed.elements] ** 2 + 0.25)
    assert (fixed.estimate.error_bound >= 0.25).all()
    chosen = project(lambda x: x**3, x, np.ones(32), 3 * x**2, epsilon=2**-52, tolerance=100)
    assert (chosen.estimate.error_bound < 1e-10).all()
    assert fixed.estimate.evaluations < chosen.estimate.evaluations


def test_a_nonzero_gradient_of_an_element_without_influence_is_located() -> None:
    x, unseen = layer("float64", 0)[0], np.s_[:, :, 4:]

    def forward(x: Array) -> Array:
        seen = x.copy()
        seen[unseen] = 0
        return seen

    dout = layer("float64", 0)[2]
    gradient = forward(dout) + at((0, 0, 5, 3), 1e-9)
    found = project(forward, x, dout, gradient, epsilon=epsilon("float64"), tolerance=100)
    assert not found.agrees
    assert np.ravel_multi_index((0, 0, 5, 3), SHAPE) in found.elements
    nothing = project(lambda x: 0 * x, x, dout, at((0, 0, 5, 3), 1e-9), epsilon=epsilon("float64"), tolerance=100)
    assert not nothing.agrees
