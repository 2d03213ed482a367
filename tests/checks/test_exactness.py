"""At small integers a missing term is a fault in any dtype, and right layers are exact or not judged there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.layers.pool.avgpool import AvgpoolCase
from tests.sampling import in_parts

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

#: Forwards of the default convolution but for those at integers: the first, once more at the point and four along a
#: line, by which it is compared with the reference, and four for duties.
FORWARDS = 1 + 1 + 4 + 4

#: Whose db sums 512 terms: in float16 one of them is less than its tolerance, 1/256 of the sum of absolute values.
LONG = ConvCase(N=8, C=1, H=8, W=8, F=2, dtype="float16")


def without_a_term(dout: Array, cache: Any) -> tuple[Array, ...]:
    dx, dw, db = conv_backward_naive(dout, cache)
    rest = dout.astype(float)
    rest[0, 1, 0, 0] = 0
    return dx, dw, np.array([db[0], rest[:, 1].sum()], db.dtype)


def test_one_missing_term_of_hundreds_is_a_fault_in_float16() -> None:
    for seed in range(4):
        result = check(replace(LONG, seed=seed), (conv_forward_naive, without_a_term))
        assert result.verdict is Verdict.FAIL
        db = result.gradients["db"]
        assert (db.exact, db.missed) == (False, None)
        assert db.worst is not None
        assert db.worst.index == (1,)
        assert abs(db.worst.analytic - db.worst.numeric) == 1
        assert db.wrong is not None
        assert db.wrong.count == 1
        assert "at small integers nothing rounds" in str(db.reason)


def test_right_convolutions_are_exact_in_every_dtype() -> None:
    for dtype in ("float16", "float32", "float64", "longdouble"):
        for pair in ("fast", "naive"):
            result = check(ConvCase(dtype=dtype), pair)
            assert result.passed
            assert [gradient.exact for gradient in result.gradients.values()] == [True] * 3
            assert all(gradient.missed and gradient.missed <= 2.0**-20 for gradient in result.gradients.values())


@in_parts(3)
def test_no_right_layer_fails_at_integers(part: int) -> None:
    for layer in list(LAYERS.values())[part::3]:
        for case in list(layer.standard())[:1] if layer.reference else []:
            result = check(replace(case, dtype="float16"))
            assert False not in {gradient.exact for gradient in result.gradients.values()}, result.summary()


def test_a_loss_whose_hinges_are_met_at_integers_alone_passes() -> None:
    far = max(LAYERS["svm"].standard(), key=lambda case: case.geometry["scale"])
    for seed in range(12):  # of which 2, 4, 7, 8 and 10 have margins of 0 at integers
        for dtype in ("float64", "float32"):
            result = check(replace(far, seed=seed, dtype=dtype))
            assert result.passed, result.summary()


def test_a_fourier_transform_rounds_at_integers_and_passes() -> None:
    def backward(dout: Array, cache: Any) -> tuple[Array, ...]:
        x, w, _, _ = cache
        size = (x.shape[2] + 2, x.shape[3] + 2)
        transformed = np.einsum("nfuv,fcuv->ncuv", np.fft.rfft2(dout, size), np.fft.rfft2(w, size))
        return np.fft.irfft2(transformed, size).astype(dout.dtype)[:, :, 1:-1, 1:-1], *conv_backward_naive(dout, cache)[
            1:
        ]

    for dtype in ("float32", "float64"):
        result = check(ConvCase(dtype=dtype), (conv_forward_naive, backward))
        assert result.passed
        assert [gradient.exact for gradient in result.gradients.values()] == [None, True, True]
        assert result.gradients["dx"].missed is None


def test_means_are_exact_for_windows_of_powers_of_two() -> None:
    for window, exact in ((2, True), (3, None)):
        case = AvgpoolCase(N=1, C=2, H=6, W=6, pool_height=window, pool_width=window, stride=window)
        assert check(case).gradients["dx"].exact is exact


def test_curved_layers_and_leaking_ones_are_not_judged_at_integers() -> None:
    assert {g.exact for name in ("tanh", "batchnorm") for g in check(name).gradients.values()} == {None}


def test_one_wrong_element_of_a_large_layer_is_located_where_it_hides_in_roundings() -> None:
    large = ConvCase(N=2, C=24, H=24, W=24, F=24, dtype="float32")

    def backward(dout: Array, cache: Any) -> tuple[Array, ...]:
        dx, dw, db = conv_backward(dout, cache)
        dw[7, 5, 1, 2] -= dout[0, 7, 0, 0]
        return dx, dw, db

    forward, conv_backward = LAYERS["conv"].builtin["fast"]
    result = check(large, (forward, backward), method="projected", tol=1e5)
    assert result.verdict is Verdict.FAIL
    dw = result.gradients["dw"]
    assert dw.exact is False
    assert dw.worst is not None
    assert dw.worst.index == (7, 5, 1, 2)
    assert check(large, (forward, conv_backward), method="projected").gradients["dw"].exact


def test_it_costs_a_forward_a_backward_and_a_forward_for_each_input() -> None:
    calls = {"forward": 0, "backward": 0}

    def forward(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> tuple[Array, Any]:
        calls["forward"] += 1
        return conv_forward_naive(x, w, b, conv_param)

    def backward(dout: Array, cache: Any) -> tuple[Array, ...]:
        calls["backward"] += 1
        return conv_backward_naive(dout, cache)

    assert check(ConvCase(), (forward, backward)).passed
    assert calls == {"forward": FORWARDS + 4, "backward": 9 + 1}


def test_a_large_convolution_takes_11_forwards_and_3_backwards() -> None:
    """The output, again, and four along a line through all inputs; at integers the output and a step in each input.

    The rest of the duties are calls in a small case, which cost next to nothing.
    """
    calls = Counter[str]()

    def conv_forward(x: Array, *others: Any) -> Any:
        calls["forward" if x.shape == case.shapes["x"] else "forward of a small case"] += 1
        return forward(x, *others)

    def conv_backward(dout: Array, cache: Any) -> Any:
        calls["backward" if dout.shape == case.out_shape else "backward of a small case"] += 1
        return backward(dout, cache)

    forward, backward = LAYERS["conv"].builtin["fast"]
    case = ConvCase(N=1, C=96, H=28, W=28, F=96)
    result = check(case, (conv_forward, conv_backward))
    assert result.passed
    assert all(one.missed and one.missed <= 2.0**-20 for one in result.gradients.values())
    assert calls == {
        "forward": 1 + 1 + 4 + 1 + 4,
        "backward": 1 + 1 + 1,
        "forward of a small case": 5,
        "backward of a small case": 9,
    }


def test_a_large_kernel_for_float32_alone_passes_by_its_integers() -> None:
    def single(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> Any:
        assert {x.dtype, w.dtype, b.dtype} == {np.dtype(np.float32)}, "float32 only"
        return forward(x, w, b, conv_param)

    def wrong(dout: Array, cache: Any) -> tuple[Array, ...]:
        dx, dw, db = backward(dout, cache)
        dx[0, 10, 3, 20] = 0
        return dx, dw, db

    forward, backward = LAYERS["conv"].builtin["fast"]
    large = ConvCase(N=1, C=16, H=32, W=32, F=20, dtype="float32")
    for method in ("auto", "projected"):
        assert check(large, (single, backward), method=method).passed
        assert check(large, (single, wrong), method=method).verdict is Verdict.FAIL
