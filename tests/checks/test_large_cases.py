"""Of a large case, what does not depend on sizes is tried in a small one; what does is found at full size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.checks.small_case import small_case
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.fast import conv_backward_fast, conv_forward_fast
from tests.faults.duties import BREACHES

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

LARGE = ConvCase(N=1, C=16, H=32, W=32, F=20)

#: The breaches that the first call at full size shows; all others but accumulation are seen with small sizes.
AT_FULL_SIZE = ("deterministic", "inputs_unchanged")


def test_each_breach_of_a_duty_is_found_in_a_large_case() -> None:
    for name, (make, duty) in BREACHES.items():
        if duty == "not_vacuous" or name == "random_dropout_in_backward":
            continue  # which is a wrong forward, and a wrong gradient
        result = check(LARGE, make())
        failed = {key: str(each.reason) for key, each in result.duties.items() if each.verdict is Verdict.FAIL}
        assert [*failed] == [duty], name
        assert failed[duty].startswith("with 1x16x8x8 * 16x16x3x3 ") or duty in AT_FULL_SIZE, failed
        assert failed[duty] in str(result.reason)


def test_a_fault_of_large_arrays_alone_is_found_and_located() -> None:
    def backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
        dx, dw, db = conv_backward_fast(dout, cache)
        if dout.size > 10_000:
            dx[:, :, -1] += 1
        return dx, dw, db

    result = check(LARGE, (conv_forward_fast, backward))
    assert result.reason == "dx is wrong in 512 of 16384 elements: the last row"


def test_the_least_error_of_one_element_that_is_found_is_a_few_hundred_roundings() -> None:
    """It is more than may be seen along directions, where the roundings of all elements add up."""
    for roundings, verdict in ((0, Verdict.PASS), (30, Verdict.PASS), (1000, Verdict.FAIL)):

        def backward(dout: Array, cache: Any, roundings: int = roundings) -> list[Array]:
            dx, dw, db = conv_backward_fast(dout, cache)
            scale = abs(dout).sum() / dout.size * 9 * LARGE.F  # terms of an element of dx, which are 1 on average
            dx[0, 3, 5, 7] += roundings * np.finfo(float).eps * scale
            return [dx, dw, db]

        result = check(LARGE, (conv_forward_fast, backward))
        assert result.verdict is verdict, (roundings, result.reason)
        assert result.gradients["dx"].method == "reference"


def test_code_that_takes_no_other_sizes_is_called_with_those_of_the_case() -> None:
    shapes = set()

    def conv_forward(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> Any:
        shapes.add(x.shape)
        assert x.shape == LARGE.shapes["x"], "compiled for one size"
        return conv_forward_fast(x, w, b, conv_param)

    def conv_backward(dout: Array, cache: Any) -> Any:
        dx, dw, db = conv_backward_fast(dout, cache)
        return dx, dw + cache[1] * is_decayed, db

    for is_decayed in (False, True):
        result = check(LARGE, (conv_forward, conv_backward))
        assert result.passed is not is_decayed
    assert result.duties["linear_in_cotangent"].reason == "dw is not zero where dout is zero"
    assert len(shapes) == 2  # tried once


def test_a_small_case_has_the_kernel_and_what_is_equal_or_divides() -> None:
    conv = LAYERS["conv"]
    for sizes, expected in (
        ({"N": 1, "C": 64, "H": 56, "W": 56, "F": 64}, "1x8x16x16 * 8x8x3x3 stride 1 pad 1"),
        (
            {"N": 64, "H": 224, "W": 224, "F": 96, "HH": 11, "WW": 11, "stride": 4, "pad": 2},
            "* 16x3x11x11 stride 4 pad 2",
        ),
        ({"C": 512, "H": 14, "W": 14, "F": 512, "groups": 512}, "* 8x1x3x3 stride 1 pad 1 groups 8"),
    ):
        small = small_case(ConvCase(**sizes, dtype="float32", seed=3), conv)
        assert small.label().endswith(expected)
        assert (small.dtype, small.seed, small.impossible()) == ("float32", 3, None)
    for layer in LAYERS.values():
        for case in layer.standard():
            assert layer.has_nonzero_gradient(small_case(case, layer)) or not layer.has_nonzero_gradient(case)
    assert small_case(ConvCase(), conv) == ConvCase()
