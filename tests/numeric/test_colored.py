"""Colouring: the same derivatives as element by element for far fewer evaluations, and the leaks that break it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck_cli import ConvCase
from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.layers.conv.conv import LAYER
from gradcheck_cli.layers.conv.naive import conv_forward_naive
from gradcheck_cli.numeric.colored import Coupling
from gradcheck_cli.numeric.derivative import differentiate
from tests import slow_conv
from tests.layers.conv.test_conv import CASES, geometries
from tests.sampling import one_in

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.estimate import Estimate


def derivative(case: ConvCase, name: str, *, colored: bool, forward: Any = conv_forward_naive) -> Estimate:
    problem = LAYER.problem(case)

    def along(value: Array) -> Array:
        x, w, b = ({**problem.inputs, name: value}[key] for key in ("x", "w", "b"))
        return np.asarray(forward(x, w, b, case.settings)[0])

    coupling = problem.coupling[name] if colored else None
    return differentiate(along, problem.inputs[name], problem.cotangent, resolution=0, coupling=coupling)


def by_sample(samples: int, features: int) -> Coupling:
    """Couple x (samples, features) with outputs of which each sample depends on all features of its own."""
    return Coupling(colors=features, owner=lambda color: np.arange(samples)[:, None] * features + color)


def owners(case: ConvCase) -> dict[str, dict[tuple[int, ...], set[tuple[int, ...]]]]:
    """Return, from the definition, the elements of x and of w that reach each output."""
    reach: dict[str, dict[tuple[int, ...], set[tuple[int, ...]]]] = {"x": {}, "w": {}}
    for o, p, q in slow_conv.terms(case):
        reach["x"].setdefault(o, set()).add(p)
        reach["w"].setdefault(o, set()).add(q)
    return reach


@pytest.mark.parametrize("case", CASES[::5], ids=ConvCase.label)
def test_the_coupling_agrees_with_the_definition(case: ConvCase) -> None:
    problem, reach = LAYER.problem(case), owners(case)
    for name, coupling in problem.coupling.items():
        if name == "b":
            continue
        stated: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        for color in range(coupling.colors):
            owner = np.broadcast_to(coupling.owner(color), case.out_shape)
            for o in zip(*np.nonzero(owner >= 0), strict=True):
                index = np.unravel_index(owner[o], problem.inputs[name].shape)
                stated.setdefault(tuple(map(int, o)), []).append(tuple(map(int, index)))
        for o, elements in stated.items():
            assert len(elements) == len(set(elements))
            # An element of w that falls on the pad may be named too: it just changes nothing.
            assert reach[name].get(o, set()) <= set(elements)
            assert name == "w" or reach[name].get(o, set()) == set(elements)
        assert set(reach[name]) <= set(stated)


@given(case=geometries(), dtype=st.sampled_from(["float64", "float32"]))
@settings(max_examples=30, deadline=None)
def test_colored_equals_dense_to_roundoff(case: ConvCase, dtype: str) -> None:
    case = ConvCase(**case.geometry, seed=case.seed, dtype=dtype)
    for name in ("x", "w", "b"):
        colored, dense = (derivative(case, name, colored=flag) for flag in (True, False))
        assert colored.leak is None
        assert (colored.method, dense.method) == ("colored", "dense")
        both = colored.error_bound + dense.error_bound
        assert (abs(colored.value - dense.value) <= both).all()
        np.testing.assert_allclose(colored.scale, dense.scale, rtol=1e-5 if dtype == "float32" else 1e-12)
        assert (both <= 40 * np.finfo(dtype).eps * np.maximum(dense.scale, dense.scale.mean())).all()


def test_longdouble_keeps_its_digits() -> None:
    case = ConvCase(N=2, H=4, W=4, dtype="longdouble")
    for name in ("x", "w"):
        colored, dense = (derivative(case, name, colored=flag) for flag in (True, False))
        assert (abs(colored.value - dense.value) <= colored.error_bound + dense.error_bound).all()
        assert (colored.error_bound <= 20 * np.finfo(np.longdouble).eps * colored.scale.mean()).all()


#: Two evaluations at the point, and three in the plane of two random directions, for linearity and for leaks.
CONSTANT = 5


@pytest.mark.parametrize(
    "case",
    [
        ConvCase(N=1, C=2, H=4, W=6, F=1),
        ConvCase(N=3, C=2, H=9, W=8, F=5),
        ConvCase(N=2, C=4, H=7, W=7, F=4, HH=2, WW=3, stride=3, groups=2),
        ConvCase(N=2, C=1, H=9, W=9, F=2, dilation=3, pad=2),
        ConvCase(N=1, C=2, H=2, W=3, F=2, HH=5, WW=4, pad=3),
    ],
    ids=ConvCase.label,
)
def test_evaluations_grow_with_channels_and_kernel_only(case: ConvCase) -> None:
    channels = case.C // case.groups
    seen = min(case.HH, case.H) * min(case.WW, case.W)
    assert derivative(case, "x", colored=True).evaluations == channels * seen + CONSTANT
    assert derivative(case, "w", colored=True).evaluations == channels * case.HH * case.WW + CONSTANT
    assert derivative(case, "b", colored=True).evaluations == 1 + CONSTANT


def leaking(spill: Callable[[Array, Array], Array]) -> Callable[..., Any]:
    """Return a convolution that adds a millionth of spill(x, out) to its output."""

    def forward(x: Array, w: Array, b: Array, conv_param: dict[str, Any]) -> tuple[Array, Any]:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return out + 1e-6 * spill(x, out), cache

    return forward


def far_window(x: Array, out: Array) -> Array:
    spilt = np.zeros_like(out)
    spilt[:, :, 0, 0] = x[:, :1, -1, -1]
    return spilt


LEAKS = {
    "samples mixed": leaking(lambda x, out: np.roll(out, 1, axis=0)),
    "a row seen by a far window": leaking(far_window),
    "a global mean": leaking(lambda x, out: np.full_like(out, x.mean())),
    "one element everywhere": leaking(lambda x, out: np.full_like(out, x[0, 1, 2, 3])),
    "batch statistics": leaking(lambda x, out: out * out.std(axis=0)),
}


@pytest.mark.parametrize("name", LEAKS)
@pytest.mark.parametrize("seed", one_in(2, range(2)))
def test_leaks_are_located_and_the_derivative_is_redone_densely(name: str, seed: int) -> None:
    case = ConvCase(N=3, C=2, H=6, W=5, F=2, pad=0, seed=seed)
    found = derivative(case, "x", colored=True, forward=LEAKS[name])
    assert found.method == "dense"
    assert found.leak is not None
    assert found.leak.element is not None
    assert found.leak.output is not None
    element = np.unravel_index(found.leak.element, (3, 2, 6, 5))
    output = np.unravel_index(found.leak.output, case.out_shape)
    assert tuple(map(int, element)) not in owners(case)["x"][tuple(map(int, output))]
    dense = derivative(case, "x", colored=False, forward=LEAKS[name])
    assert (abs(found.value - dense.value) <= found.error_bound + dense.error_bound).all()


def test_a_local_function_has_no_leak() -> None:
    for seed in range(20):
        for case in (ConvCase(seed=seed, N=2), ConvCase(seed=seed, N=2, H=8, W=7, stride=3, pad=2)):
            for name in ("x", "w", "b"):
                assert derivative(case, name, colored=True).leak is None


def test_a_curved_function_is_coloured_and_its_leak_is_found() -> None:
    x = signed_uniform(random.Random(1), (5, 4))
    dout = signed_uniform(random.Random(2), (5, 4))
    rows = Coupling(colors=4, owner=lambda k: np.broadcast_to(np.arange(5)[:, None] * 4 + k, (5, 4)))

    def softmax(x: Array) -> Array:
        e = np.exp(x)
        return np.asarray(e / e.sum(axis=1, keepdims=True))

    colored = differentiate(softmax, x, dout, resolution=0, coupling=rows)
    p = softmax(x)
    true = abs(colored.value - p * (dout - (p * dout).sum(axis=1, keepdims=True)))
    assert colored.leak is None
    assert not colored.affine
    assert (true <= colored.error_bound).all()
    assert colored.evaluations < 2 * x.size * 3
    mixed = differentiate(lambda x: softmax(x) + 1e-6 * x.mean(), x, dout, resolution=0, coupling=rows)
    assert mixed.leak is not None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_sided_differences_of_an_affine_function_lie_within_their_bound(dtype: str) -> None:
    """Sequential sums of 400 terms: their rounding error does not follow from their size."""
    true, bound = [], []
    for seed in range(8):
        source = random.Random(seed)
        x, w, dout = (signed_uniform(source, shape).astype(dtype) for shape in ((3, 400), (400, 2), (3, 2)))

        def forward(x: Array, w: Array = w) -> Array:
            return np.asarray((x[:, :, None] * w).cumsum(axis=1)[:, -1])

        found = differentiate(forward, x, dout, resolution=0, coupling=by_sample(*x.shape))
        assert found.affine
        assert found.leak is None
        assert found.evaluations == 400 + CONSTANT
        true.append(abs(found.value - dout.astype(float) @ w.T.astype(float)))
        bound.append(found.error_bound)
    error, allowed = np.concatenate(true), np.concatenate(bound)
    assert (error <= allowed).mean() >= 0.999
    assert np.median(allowed[error > 0] / error[error > 0]) <= 100


def test_a_function_that_is_affine_only_where_all_elements_move_is_extrapolated() -> None:
    x, dout = (signed_uniform(random.Random(seed), (5, 4)) for seed in (1, 2))

    def forward(moved: Array) -> Array:
        few = 0 < np.count_nonzero(moved != x) < x.size
        return x + np.tanh(moved - x) if few else moved

    found = differentiate(forward, x, dout, resolution=0, coupling=by_sample(*x.shape))
    assert not found.affine  # although it is along every random direction
    assert found.leak is None
    assert (abs(found.value - dout) <= found.error_bound).all()


def test_an_element_that_is_clipped_far_away_is_no_leak() -> None:
    case = ConvCase(N=2)

    def forward(x: Array, *rest: Any) -> Any:
        clipped = x.copy()
        clipped.flat[70] = min(clipped.flat[70], 50)
        return conv_forward_naive(clipped, *rest)

    found, plain = derivative(case, "x", colored=True, forward=forward), derivative(case, "x", colored=True)
    assert found.leak is None
    assert found.method == "colored"
    assert (abs(found.value - plain.value) <= found.error_bound + plain.error_bound).all()


def test_a_leak_in_a_case_too_large_for_dense_leaves_infinite_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck_cli.numeric.derivative.affordable", lambda *sizes: False)
    found = derivative(ConvCase(N=2), "x", colored=True, forward=LEAKS["a global mean"])
    assert found.leak is not None
    assert (found.error_bound == math.inf).all()
