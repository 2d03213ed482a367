"""What sums are accumulated in, told by their errors: of planted sums always, of others never."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck_cli import check
from gradcheck_cli.checks.accumulation import accumulates_in
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.numeric.arrays import Array, epsilon
from gradcheck_cli.numeric.estimate import Estimate

WIDER = {"float16": "float32", "float32": "float64"}


def products(dtype: str, count: int, terms: int, seed: int) -> tuple[Array, Array]:
    """Return factors of some sums of products, (sums, terms)."""
    source = np.random.default_rng(seed)
    signs = source.choice([-1.0, 1.0], (2, count, terms))
    x, y = (signs * source.uniform(0.5, 1.5, (2, count, terms))).astype(dtype)
    return x, y


def summed(x: Array, y: Array, dtype: str) -> Array:
    """Sum products one after the other in a dtype."""
    total = np.zeros(len(x), dtype)
    for k in range(x.shape[1]):
        total = (total + x[:, k].astype(dtype) * y[:, k].astype(dtype)).astype(dtype)
    return total


def told(array: Array, x: Array, y: Array) -> str | None:
    exact = (x.astype(np.longdouble) * y.astype(np.longdouble)).astype(np.float64)
    value, scale = exact.sum(axis=1), abs(exact).sum(axis=1)
    error = abs(array - value)
    roundings = float((error / (epsilon(array.dtype) * scale)).max())
    expected = Estimate(value=value, scale=scale, error_bound=2**-50 * scale)
    return accumulates_in(array, expected, error, roundings)


def test_planted_sums_are_told_apart() -> None:
    for dtype, wider in WIDER.items():
        for count, terms in ((100, 2), (64, 9), (100, 100), (1000, 3)):
            for seed in range(5):
                x, y = products(dtype, count, terms, seed)
                assert told(summed(x, y, dtype), x, y) == dtype
                assert told(summed(x, y, wider).astype(dtype), x, y) == wider
                assert told(summed(x, y, wider), x, y) is None or wider == "float32"
                assert told(summed(x, y, dtype).astype(wider), x, y) == dtype, "in a wider array"


def test_a_few_sums_and_sums_of_one_term_tell_nothing() -> None:
    x, y = products("float16", 12, 9, 0)
    assert told(summed(x, y, "float32").astype("float16"), x, y) is None
    x, y = products("float16", 500, 1, 0)
    assert told(summed(x, y, "float32").astype("float16"), x, y) is None


def computed_in(dtype: str, name: str) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return the reference as code that computes in one dtype and returns that of its inputs."""
    forward, backward = LAYERS[name].functions

    def cast(value: Any, to: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(cast(each, to) for each in value)
        if isinstance(value, dict):
            return {key: cast(each, to) for key, each in value.items()}
        return value.astype(to) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value

    def cast_forward(x: Any, *others: Any) -> Any:
        out, cache = forward(*cast((x, *others), dtype))
        return cast(out, x.dtype), cache

    def cast_backward(dout: Any, cache: Any) -> Any:
        return cast(backward(cast(dout, dtype), cache), dout.dtype)

    return cast_forward, cast_backward


def test_layers_are_told_apart_and_right_ones_in_float64_say_nothing() -> None:
    """What accumulates in float32 in a float64 array passes only with a tolerance for it."""
    found: dict[tuple[str, str], set[str | None]] = {}
    for name in ("conv", "affine", "layernorm", "softmax-activation"):
        for seed, case in enumerate([*LAYERS[name].standard()][:2]):
            for dtype, inside in (("float16", "float32"), ("float16", "float16"), ("float64", "float32")):
                tol = 1e12 if dtype == "float64" else None
                result = check(replace(case, dtype=dtype, seed=seed), computed_in(inside, name), tol=tol)
                labels = {each.accumulates_in for each in result.gradients.values()}
                found.setdefault((dtype, inside), set()).update(labels)
            right = check(replace(case, seed=seed), tol=1e12)
            assert {each.accumulates_in for each in right.gradients.values()} == {None}
    assert found["float16", "float32"] == {"float32", None}
    assert "float16" in found["float16", "float16"]
    assert found["float64", "float32"] == {"float32"}
