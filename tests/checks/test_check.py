"""One case of one implementation, through the library's front door."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gradcheck_cli import ConvCase, Verdict, check
from gradcheck_cli.layers.conv.conv import LAYER, standard
from gradcheck_cli.layers.conv.naive import conv_backward_naive, conv_forward_naive
from gradcheck_cli.results.result import Place
from tests.sampling import one_in

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

#: Small ones of every kind: both the standard set's and those that courses do not ask for.
GEOMETRIES = [
    *standard()[6:12],
    ConvCase(N=1, C=2, H=3, W=4, F=2, HH=2, WW=2, stride=(2, 1), pad=(1, 0), groups=2),
    ConvCase(N=1, C=1, H=5, W=4, F=2, HH=2, WW=2, stride=1, pad=1, dilation=(3, 2)),
]


@pytest.mark.parametrize("dtype", one_in(2, ["float16", "float32", "float64", "longdouble"]))
@pytest.mark.parametrize("pair", ["fast", "naive"])
def test_correct_layers_pass_whatever_the_geometry_seed_and_dtype(pair: str, dtype: str) -> None:
    for case in GEOMETRIES:
        for seed in range(2):
            result = check(replace(case, dtype=dtype, seed=seed), pair)
            assert result.passed, result.summary()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_algorithm_that_spreads_its_roundoff_evenly_passes(dtype: str) -> None:
    def backward(dout: Array, cache: Any) -> tuple[Array, ...]:
        x, w, _, _ = cache
        size = (x.shape[2] + 2, x.shape[3] + 2)
        transformed = np.einsum("nfuv,fcuv->ncuv", np.fft.rfft2(dout, size), np.fft.rfft2(w, size))
        dx = np.fft.irfft2(transformed, size).astype(dout.dtype)[:, :, 1:-1, 1:-1]
        return dx, conv_backward_naive(dout, cache)[1], dout.sum((0, 2, 3))

    for seed in range(4):
        for size in (5, 8):
            case = ConvCase(N=1, C=2, H=size, W=size, seed=seed, dtype=dtype)
            result = check(case, (conv_forward_naive, backward))
            assert result.passed, result.summary()


def test_a_kernel_for_one_dtype_alone_is_judged_in_that_dtype() -> None:
    def forward(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> tuple[Array, Any]:
        assert {x.dtype, w.dtype, b.dtype} == {np.dtype(np.float32)}, "float32 only"
        return conv_forward_naive(x, w, b, conv_param)

    for seed in range(10):
        assert check(ConvCase(dtype="float32", seed=seed), (forward, conv_backward_naive)).passed

    def wrong(dout: Array, cache: Any) -> tuple[Array, ...]:
        dx, dw, db = conv_backward_naive(dout, cache)
        dx[0, 0, 0, 0] *= np.float32(1.01)
        return dx, dw, db

    assert check(ConvCase(dtype="float32"), (forward, wrong)).verdict is Verdict.FAIL


def test_a_wrong_forward_is_distinguished_from_a_wrong_gradient() -> None:
    def forward(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> tuple[Array, Any]:
        return conv_forward_naive(x, w[:, :, ::-1], b, conv_param)

    def backward(dout: Array, cache: Any) -> tuple[Array, ...]:
        dx, dw, db = conv_backward_naive(dout, cache)
        return dx, dw[:, :, ::-1], db

    result = check(ConvCase(), (forward, backward))
    assert result.verdict is Verdict.FAIL
    assert result.forward is not None
    assert result.forward.verdict is Verdict.FAIL
    assert (result.reason or "").startswith("out is wrong")
    assert {gradient.verdict for gradient in result.gradients.values()} == {Verdict.PASS}


def test_an_output_that_cannot_be_differentiated_leaves_the_gradients_open() -> None:
    def forward(x: Array, w: Array, b: Array, conv_param: dict[str, int]) -> tuple[Array, Any]:
        out, cache = conv_forward_naive(x, w, b, conv_param)
        return out[:, :, :-1], cache

    result = check(ConvCase(), (forward, conv_backward_naive))
    assert result.reason == "out has shape (4, 2, 4, 5) instead of (4, 2, 5, 5)"
    assert {gradient.verdict for gradient in result.gradients.values()} == {Verdict.INCONCLUSIVE}


def test_code_that_raises_is_an_error_with_its_own_frames() -> None:
    def backward(dout: Array, cache: Any) -> None:
        raise RuntimeError("no [/idea]")

    result = check(ConvCase(), (conv_forward_naive, backward))
    assert result.verdict is Verdict.ERROR
    assert result.reason == "backward raised RuntimeError: no [/idea]"
    assert result.forward is not None
    assert result.forward.verdict is Verdict.PASS
    assert set(result.gradients) == {"dx", "dw", "db"}
    assert "test_check.py" in (result.traceback or "")
    assert "implementation.py" not in (result.traceback or "")


def test_impossible_geometry_is_skipped() -> None:
    result = check(ConvCase(H=2, HH=5, pad=0))
    assert result.verdict is Verdict.SKIP
    assert "does not fit" in (result.reason or "")
    assert not result.passed


def test_the_first_lines_of_the_documentation() -> None:
    forward, backward = LAYER.builtin["naive"]
    result = check(ConvCase(N=2, C=3, stride=2), implementation=(forward, backward))
    assert result.passed, result.summary()
    assert check(ConvCase()).implementation == "fast"
    failed = check(ConvCase(), (forward, lambda dout, cache: (None, None, None)))
    assert not failed.passed
    assert failed.summary().splitlines()[0].endswith("4x3x5x5 * 2x3x3x3 stride 1 pad 1 float64: FAIL")
    assert "dx, dw and db are missing" in failed.summary()


def test_the_message_of_a_failed_assertion_has_the_cause_its_place_and_the_replay_command() -> None:
    forward, backward = LAYER.builtin["fast"]

    def doubled(dout: Array, cache: Any) -> tuple[Array, ...]:
        dx, dw, db = backward(dout, cache)
        return 2 * dx, dw, db

    result = check(ConvCase(), (forward, doubled))
    assert result.command is None  # nobody can type the name of a function within a function
    place = Place(file="layers.py", line=7, function="doubled")
    lines = replace(result, place=place, command="convcheck layers.py").summary().splitlines()
    assert lines[1:3] == ["layers.py:7, in doubled", "dx is wrong in 300 of 300 elements: everywhere"]
    assert lines[3].startswith("dx is 2 times the derivative. ")
    assert lines[3].endswith(" [factor]")
    assert lines[4] == "replay: convcheck layers.py"


def test_evaluations_of_forward_are_counted() -> None:
    calls = 0

    def forward(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return conv_forward_naive(*args)

    case = ConvCase(N=1, C=1, H=3, W=3, F=1, HH=2, WW=2, pad=0)
    result = check(case, (forward, conv_backward_naive))
    counted = {name: gradient.evaluations for name, gradient in result.gradients.items()}
    # Once more at the point, and four along a line through all inputs, by which it is found to be the reference.
    assert counted == {"dx": 1 + 4, "dw": 1 + 4, "db": 1 + 4}
    # The output, those, the duties, and four at integers.
    assert calls == 1 + (1 + 4) + 4 + 4


def test_memory_is_proportional_to_the_arrays() -> None:
    import tracemalloc  # only here

    case = ConvCase(N=2, C=2, H=11, W=11, F=8)
    arrays = 8 * (2 * 2 * 11 * 11 + 8 * 2 * 9 + 2 * 8 * 11 * 11)
    jacobian = 8 * (2 * 2 * 11 * 11) * (2 * 8 * 11 * 11)
    tracemalloc.start()
    try:
        assert check(case, "naive").passed
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * arrays < jacobian / 9


def pair_of(backward: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return conv_forward_naive, backward


def test_tolerance_and_step_reach_the_check() -> None:
    def backward(dout: Array, cache: Any) -> tuple[Array, ...]:
        dx, dw, db = conv_backward_naive(dout, cache)
        return dx, dw * (1 + 1e-12), db

    assert check(ConvCase(), pair_of(backward)).verdict is Verdict.FAIL
    assert check(ConvCase(), pair_of(backward), tol=1e5).passed
    coarse = check(ConvCase(), step=1e-5).gradients["dx"]
    assert 1e-11 < (coarse.max_rel_error or 0) < 1e-6
    assert check(ConvCase(), step=1e-14).verdict is Verdict.INCONCLUSIVE
