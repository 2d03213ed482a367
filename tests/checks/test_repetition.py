"""Code that is wrong only sometimes: how often, and what many calls without a difference leave open."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.checks.repetition import OUTPUT, repeat
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

SMALL = ConvCase(N=1, C=1, H=3, W=3, F=1)


def wrong_in(share: float, seed: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """A convolution whose dw lacks a term in a share of the calls, drawn from a source of its own."""
    source = random.Random(seed)

    def backward(dout: Array, cache: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, cache)
        if source.random() < share:
            dw[0, 0, 0, 0] -= dout[0, 0, 0, 0]
        return dx, dw, db

    return conv_forward_naive, backward


def test_a_fault_in_one_of_five_calls_is_found_with_its_rate() -> None:
    for seed in range(3):
        result = check(SMALL, wrong_in(0.2, seed), repeat=200)
        found = result.repetition
        assert result.verdict is Verdict.FAIL
        assert found is not None
        assert abs(found.different / 201 - 0.2) < 0.1
        assert f"dw came out different in {found.different} of 201 calls" in str(result.reason)


def test_what_most_calls_give_is_usual_even_if_the_first_gave_something_else() -> None:
    usual, other = {"w": np.ones(2)}, {"w": np.zeros(2)}

    def differing(one: dict[str, Array], another: dict[str, Array]) -> list[str]:
        return [name for name in one if not np.array_equal(one[name], another[name])]

    found, reason = repeat(lambda number: other if number == 3 else usual, differing, other, 9)
    assert (found.calls, found.different) == (9, 2)
    assert reason == "dw came out different in 2 of 10 calls (20 %), at the same inputs"
    _, reason = repeat(lambda number: {OUTPUT: np.full(1, number)}, differing, {OUTPUT: np.zeros(1)}, 40)
    assert reason == "out came out different in 40 of 41 calls (98 %), at the same inputs"


def test_a_right_layer_passes_and_says_what_it_may_have_missed() -> None:
    rates = {1: (0.1, 0.9), 10: (0.1, 0.9**10), 100: (0.01, 0.99**100)}
    for times, (rate, missed) in rates.items():
        result = check(SMALL, wrong_in(0, 0), repeat=times)
        assert result.passed
        assert result.repetition is not None
        assert (result.repetition.calls, result.repetition.different) == (times, 0)
        assert (result.repetition.rate, result.repetition.missed) == pytest.approx((rate, missed))
        assert f"1 of {round(1 / rate)} calls is missed with probability {missed:.2g}" in result.repetition.risk
    assert check(SMALL).repetition is None


def test_sums_of_another_order_are_no_difference_and_accumulation_is_named_as_such() -> None:
    source = random.Random(1)

    def shuffled(dout: Array, cache: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, cache)
        return dx, dw * (1 + source.choice((-1, 0, 1)) * 2e-16), db

    assert check(SMALL, (conv_forward_naive, shuffled), repeat=20).passed
    kept: list[Array] = []

    def accumulating(dout: Array, cache: Any) -> Any:
        dx, dw, db = conv_backward_naive(dout, cache)
        kept.append(dw)
        return dx, np.sum(kept, axis=0), db

    result = check(SMALL, (conv_forward_naive, accumulating), repeat=20)
    assert "added up" in str(result.reason)
    assert result.repetition is None


def test_an_error_in_one_of_many_calls_is_reported_with_its_number() -> None:
    calls: list[int] = []

    def backward(dout: Array, cache: Any) -> Any:
        calls.append(1)
        if len(calls) == 8:
            raise RuntimeError("a race was lost")
        return conv_backward_naive(dout, cache)

    result = check(SMALL, (conv_forward_naive, backward), repeat=20)
    assert result.verdict is Verdict.FAIL
    assert "called again, 5 of 20 times, backward raised RuntimeError: a race was lost" in str(result.reason)


def test_a_negative_number_of_calls_is_refused() -> None:
    with pytest.raises(ValueError, match="repeat must not be negative, but is -1"):
        check(SMALL, repeat=-1)
