"""Functions with several outputs, and a cotangent for each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradcheck_cli import FunctionCase, Verdict, check

CASE = FunctionCase(shape={"x": (2, 4), "w": (2, 4)})


def halves(x: Any, w: Any) -> Any:
    return x[:, :2] * w[:, :2], x[:, 2:] ** 2 * w[:, 2:]


def grad(dleft: Any, dright: Any, x: Any, w: Any) -> Any:
    dx = np.hstack([dleft * w[:, :2], 2 * dright * x[:, 2:] * w[:, 2:]])
    return dx, np.hstack([dleft * x[:, :2], dright * x[:, 2:] ** 2])


def cached(x: Any, w: Any) -> Any:
    return *halves(x, w), (x, w)


def grad_cached(dleft: Any, dright: Any, cache: Any) -> Any:
    return grad(dleft, dright, *cache)


def grad_unnamed(a: Any, b: Any, c: Any) -> Any:
    return grad(a, b, *c)


def grad_cache_first(state: Any, g1: Any, g2: Any) -> Any:
    return grad(g1, g2, *state)


def grad_by_name(x: Any, w: Any, d_left: Any, d_right: Any) -> Any:
    return grad(d_left, d_right, x, w)


def summed(x: Any, w: Any) -> Any:
    return x.sum(1), (w * x).sum()


def grad_summed(d_rows: Any, d_total: Any, x: Any, w: Any) -> Any:
    return d_rows[:, None] + d_total * w, d_total * x


def listed(x: Any, w: Any) -> Any:
    return [*halves(x, w)]


RIGHT: list[Any] = [
    (halves, grad),
    (halves, grad_by_name),
    (cached, grad_cached),
    (cached, grad_unnamed),
    (cached, grad_cache_first),
    (summed, grad_summed),
    (listed, grad),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_right_ones_pass(dtype: str) -> None:
    for pair in RIGHT:
        result = check(FunctionCase(shape=CASE.shape, dtype=dtype), pair)
        assert result.passed, (pair, result.summary())


def test_wrong_ones_fail() -> None:
    def exchanged(dleft: Any, dright: Any, x: Any, w: Any) -> Any:
        return grad(dright, dleft, x, w)

    def ignored(dleft: Any, dright: Any, cache: Any) -> Any:
        return grad(dleft, 0 * dright, *cache)

    def doubled(dleft: Any, dright: Any, cache: Any) -> Any:
        return grad(2 * dleft, 2 * dright, *cache)

    for function, gradient in ((halves, exchanged), (cached, ignored), (cached, doubled)):
        result = check(CASE, (function, gradient))
        assert result.verdict is Verdict.FAIL, gradient
    assert any("dx and dw are 2 times" in cause.text for cause in result.diagnosis)


def test_the_header_names_the_outputs() -> None:
    understood = check(CASE, (cached, grad_cached)).understood
    assert understood == "cached(x, w), which returns (left, right, cache), and grad_cached(dleft, dright, cache)"


def test_one_output_and_a_cache_are_no_two_outputs() -> None:
    def with_cache(x: Any, w: Any) -> Any:
        return x * w, np.stack([x, w])

    def gradient(a: Any, b: Any) -> Any:
        return a * b[1], a * b[0]

    def exchanged(b: Any, a: Any) -> Any:
        return a * b[1], a * b[0]

    assert check(CASE, (with_cache, gradient)).passed
    assert check(CASE, (with_cache, exchanged)).passed
