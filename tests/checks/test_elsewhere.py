"""A forward that is right only where its output is compared with the definition."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import check
from gradcheck_cli.results.result import Verdict

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def passes(factor: float, offset: float, *, once: bool) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return a sigmoid that is another function but at its first input, or but for its first call there."""
    seen: list[bytes] = []

    def sigmoid_forward(x: Array) -> tuple[Array, Array]:
        is_first = not seen or (x.tobytes() == seen[0] and not once)
        seen.append(x.tobytes())
        return (sigmoid(x) if is_first else factor * sigmoid(x) + offset), x

    def sigmoid_backward(dout: Array, x: Array) -> Array:
        s = sigmoid(x)
        return np.asarray(factor * dout * s * (1 - s))

    return sigmoid_forward, sigmoid_backward


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_a_gradient_of_another_function_does_not_pass(dtype: str) -> None:
    result = check("sigmoid", passes(2, 0, once=False), shape=(3, 4), dtype=dtype)
    assert result.verdict is Verdict.FAIL
    assert "forward is right only where its output was compared" in (result.reason or "")


def test_an_output_that_is_wrong_elsewhere_does_not_pass() -> None:
    result = check("sigmoid", passes(1, 3, once=False), shape=(3, 4))
    assert result.verdict is Verdict.FAIL
    assert result.gradients["dx"].verdict is Verdict.PASS
    assert "wrong when it was called with other inputs" in (result.duties["independent_caches"].reason or "")


def test_one_that_is_right_at_its_first_call_alone_does_not_pass() -> None:
    for factor, offset in ((2.0, 0.0), (1.0, 3.0)):
        assert check("sigmoid", passes(factor, offset, once=True), shape=(3, 4)).verdict is Verdict.FAIL


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_a_right_one_passes(dtype: str) -> None:
    assert check("sigmoid", passes(1, 0, once=False), shape=(3, 4), dtype=dtype).passed


def dropout(factor: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Return a dropout with a mask of its own, that is another function but at its first input."""
    seen: list[Array] = []

    def dropout_forward(x: Array, dropout_param: dict[str, Any]) -> tuple[Array, Any]:
        p = dropout_param["p"]
        mask = (
            (np.random.RandomState(7).rand(*x.shape) < p) / p if dropout_param["mode"] == "train" else np.ones(x.shape)
        )
        if not seen or seen[0].shape != x.shape:
            seen[:] = [x.copy()]
        return seen[0] * mask + (factor * (x - seen[0])) * mask, mask

    def dropout_backward(dout: Array, mask: Any) -> Array:
        return np.asarray(factor * dout * mask)

    return dropout_forward, dropout_backward


def test_the_gradient_of_dropout_is_that_of_the_mask_which_its_output_shows() -> None:
    assert check("dropout", dropout(1.0), shape=(20, 10)).passed
    result = check("dropout", dropout(2.0), shape=(20, 10))
    assert result.gradients["dx"].verdict is Verdict.FAIL
    assert "forward is right only where its output was compared" in (result.reason or "")
