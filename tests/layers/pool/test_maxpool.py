"""Max pooling where several elements of a window are the largest, and where one is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck_cli import Verdict, check
from gradcheck_cli.layers import LAYERS


def _to_all_maxima(x: Any, pool_param: Any) -> Any:
    out, _ = LAYERS["maxpool"].builtin["vectorized"][0](x, pool_param)
    return out, (x, out, pool_param)


def _from_all_maxima(dout: Any, cache: Any) -> Any:
    x, out, param = cache
    height, width, stride = param["pool_height"], param["pool_width"], param["stride"]
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(dout.shape):
        window = np.s_[n, c, i * stride : i * stride + height, j * stride : j * stride + width]
        dx[window] += (x[window] == out[n, c, i, j]) * dout[n, c, i, j]
    return dx


def test_to_all_maxima_is_right_where_there_is_one() -> None:
    for dtype in ("float16", "float64"):
        for seed in range(2):
            for case in LAYERS["maxpool"].standard():
                result = check(replace(case, dtype=dtype, seed=seed), (_to_all_maxima, _from_all_maxima))
                assert result.passed, result.summary()


@pytest.mark.parametrize("pair", ["vectorized", (_to_all_maxima, _from_all_maxima)])
def test_ties_are_kinks(pair: Any) -> None:
    """10,000 multiples of an eighth are more than float16 has: some windows have two maxima."""
    layer = LAYERS["maxpool"]
    case = layer.case(N=1, C=1, H=100, W=100, pool_height=5, pool_width=5, stride=5, dtype="float16")  # type: ignore[call-arg]
    x = layer.problem(case).inputs["x"].reshape(20, 5, 20, 5)
    largest = x == x.max(axis=(1, 3), keepdims=True)
    tied = int((largest & (largest.sum(axis=(1, 3), keepdims=True) > 1)).sum())
    assert tied >= 2
    result = check(case, pair)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert (result.reason or "").startswith(f"dx could not be decided in {tied} of 10000 elements")
    assert "forward is not differentiable at x[" in (result.reason or "")
