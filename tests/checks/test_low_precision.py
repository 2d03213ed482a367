"""Right layers pass in float16 and float32 where digits cancel, and no fault hides in the roundings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli import Verdict, check, check_function

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult


def uniform(low: float, high: float, dtype: str, seed: int = 0, shape: tuple[int, ...] = (4, 6)) -> Array:
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


def tanh(x: Array) -> tuple[Array, Array]:
    return np.tanh(x), np.tanh(x)


def tanh_backward(dout: Array, out: Array) -> Array:
    return np.asarray(dout * (1 - out**2))


def sigmoid(x: Array) -> tuple[Array, Array]:
    return 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(-x))


def sigmoid_backward(dout: Array, out: Array) -> Array:
    return np.asarray(dout * out * (1 - out))


def variance(x: Array) -> tuple[Array, Array]:
    centered = x - x.mean(axis=0)
    return (centered**2).mean(axis=0), centered


def variance_backward(dout: Array, centered: Array) -> Array:
    return dout * 2 * centered / len(centered)


def weighted_sum(x: Array) -> tuple[Array, Array]:
    return x.repeat(2500).sum(), x


def one_term_at_a_time(dout: Array, x: Array) -> Array:
    return np.array([np.cumsum(np.full(2500, dout))[-1] for _ in x])


def with_error(backward: Callable[..., Array], share: float) -> Callable[..., Array]:
    def wrong_backward(dout: Array, cache: Any) -> Array:
        dx = backward(dout, cache)
        dx[1, 2] *= dx.dtype.type(1 + share)
        return dx

    return wrong_backward


def remarks(result: CaseResult) -> list[str]:
    return [diagnosis.code for diagnosis in result.diagnosis]


def test_right_layers_pass_where_digits_cancel() -> None:
    cancelling = [
        (tanh, tanh_backward, 2, 4, {"float16", "float32"}),
        (sigmoid, sigmoid_backward, 4, 6, {"float16", "float32"}),
        (variance, variance_backward, 4, 6, {"float16"}),
        (tanh, tanh_backward, -0.5, 0.5, set()),
    ]
    for forward, backward, low, high, mentioned in cancelling:
        for dtype in ("float16", "float32"):
            results = [check_function(forward, backward, x=uniform(low, high, dtype, seed)) for seed in range(2)]
            assert all(result.passed for result in results), (forward, dtype)
            assert any(remarks(result) == ["rounded-on-the-way"] for result in results) is (dtype in mentioned)


def test_the_same_layers_are_wrong_if_they_are_wrong_in_float64() -> None:
    for share in (0.5, 0.02, 1e-3):  # a rounding of float16 is 1e-3, and 4 are allowed
        for dtype in ("float16", "float32"):
            result = check_function(tanh, with_error(tanh_backward, share), x=uniform(2, 3, dtype))
            assert result.verdict is Verdict.FAIL, (share, dtype)
            assert result.case.dtype == dtype


def test_an_error_below_the_roundings_of_float16_is_found_in_float64() -> None:
    def without_last_digits(dout: Array, out: Array) -> Array:
        return np.asarray(tanh_backward(dout, out) * dout.dtype.type(1.001))

    result = check_function(tanh, without_last_digits, x=uniform(-1, 1, "float16"))
    assert result.verdict is Verdict.FAIL
    assert "in float16 its roundings hide that, in float64 they do not" in str(result.reason)
    for share, verdict in ((1e-3, Verdict.FAIL), (0.0, Verdict.PASS)):
        pair = tanh, with_error(tanh_backward, share)
        assert check("tanh", pair, shape=(4, 6), dtype="float16").verdict is verdict


def test_what_may_compute_in_float32_or_takes_no_float64_is_judged_as_it_is() -> None:
    def in_float32(dout: Array, out: Array) -> Array:
        return tanh_backward(dout.astype("f4"), out.astype("f4")).astype(dout.dtype)

    def in_float16_alone(dout: Array, out: Array) -> Array:
        assert dout.dtype == np.float16
        return tanh_backward(dout, out)

    for backward in (in_float32, in_float16_alone):
        assert check_function(tanh, backward, x=uniform(-1, 1, "float16")).passed
    assert check_function(tanh, in_float16_alone, x=uniform(2, 4, "float16")).verdict is Verdict.FAIL


def test_a_sum_that_stops_growing_is_named() -> None:
    x = np.array([0.5, 2.0], "float16")
    result = check_function(weighted_sum, one_term_at_a_time, x)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "sums of numbers of one sign stop growing (2,048 + 1 is 2,048): sum in float32" in str(result.reason)
    assert check_function(weighted_sum, one_term_at_a_time, x.astype("float32")).passed


def test_what_is_lost_in_float16_is_not_called_wrong() -> None:
    result = check_function(tanh, tanh_backward, x=uniform(4, 6, "float16"))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "it is right in float64, and lost in float16" in str(result.reason)
    assert "stop growing" not in str(result.reason)
