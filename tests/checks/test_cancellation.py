"""What a reference loses to roundings is no fault of others, and hides few of their faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli import Verdict, check, check_function
from gradcheck_cli.layers import LAYERS
from tests.sampling import in_parts

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

    Pair = tuple[Callable[..., Any], Callable[..., Any]]

CANCELLING = ("layernorm", "softmax-activation", "tanh", "lstm-step")


def only_in(dtype: str, name: str) -> Pair:
    """Return the reference as a kernel of one dtype, that refuses any other."""
    forward, backward = LAYERS[name].functions

    def kernel_forward(*inputs: Any) -> Any:
        assert all(np.asarray(x).dtype == dtype for x in inputs if isinstance(x, np.ndarray))
        return forward(*inputs)

    return kernel_forward, backward


def off_in_float16(share: float, name: str) -> Pair:
    """Return the reference with a first gradient that is larger by a share in float16."""
    forward, backward = LAYERS[name].functions

    def wrong_backward(*given: Any) -> Any:
        returned = backward(*given)
        first: Array = returned[0] if isinstance(returned, tuple) else returned
        if first.dtype == np.float16:
            first *= first.dtype.type(1 + share)
        return returned

    return forward, wrong_backward


@in_parts(2)
def test_right_kernels_that_take_no_float64_pass_without_a_remark(part: int) -> None:
    for name in CANCELLING[part::2]:
        for dtype in ("float16", "float32"):
            for seed, case in enumerate([*LAYERS[name].standard()][-2:]):
                result = check(replace(case, dtype=dtype, seed=seed), only_in(dtype, name))
                assert result.passed, result.summary()
                assert not result.diagnosis, (name, result.case)


def test_what_is_off_in_float16_alone_does_not_pass() -> None:
    """By a thirtieth of the gradient: of terms of which nothing is known, a sixteenth passes."""
    for name in CANCELLING:
        for share, verdict in ((1 / 30, Verdict.INCONCLUSIVE), (0.0, Verdict.PASS)):
            case = replace(next(iter(LAYERS[name].standard())), dtype="float16")
            result = check(case, off_in_float16(share, name))
            assert result.verdict is verdict, (name, share, result.reason)
            assert ("by more than 8 times what the reference loses" in str(result.reason)) is bool(share)


def test_of_two_samples_all_digits_cancel_and_duties_hold() -> None:
    """Normalized, two samples are 1 and -1, and dx is a millionth of its terms: their roundings breach no duty."""
    forward, backward = LAYERS["batchnorm"].functions

    def backward_with_absolute_values(dout: Any, cache: Any) -> Any:
        dx, *others = backward(dout, cache)
        return dx + 0.1 * abs(dout), *others

    for seed in range(4):
        for dtype in ("float64", "float32"):
            case: dict[str, Any] = {"N": 2, "D": 2, "T": 1, "mode": "train", "dtype": dtype, "seed": seed}
            assert (result := check("batchnorm", **case)).passed, result.summary()
            wrong = check("batchnorm", (forward, backward_with_absolute_values), **case)
            assert wrong.duties["linear_in_cotangent"].verdict is Verdict.FAIL, (seed, dtype)


def softmax(x: Any) -> Any:
    """Return p, and it again as the cache."""
    exps = np.exp(x - x.max(axis=1, keepdims=True))
    p = exps / exps.sum(axis=1, keepdims=True)
    return p, p


def softmax_backward(dout: Any, p: Any) -> Any:
    return p * (dout - (dout * p).sum(axis=1, keepdims=True))


def twice_in_the_first_row(dout: Any, p: Any) -> Any:
    dx = softmax_backward(dout, p)
    dx[0] *= 2
    return dx


def test_a_saturated_softmax_of_ones_own_is_never_called_wrong() -> None:
    """One in four was: where p is nearly 1, the digits of 1 - p are lost."""
    undecided = 0
    for dtype in ("float16", "float32", "float64"):
        for seed in (0, 3):  # of 3 the digits cancel
            x = np.random.default_rng(seed).uniform(-40, 40, (4, 6)).astype(dtype)
            result = check_function(softmax, softmax_backward, x=x)
            assert result.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), (dtype, seed, result.reason)
            undecided += not result.passed
        assert check_function(softmax, twice_in_the_first_row, x=x / 40).verdict is Verdict.FAIL
    assert undecided >= 3
