"""Average pooling of images, and along one axis: of each window the mean."""

from __future__ import annotations

import math
from typing import Any

from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.pool.pooling import Pool1dCase, PoolCase, pooling, spread, window_of, windows
from gradcheck_cli.numeric.arrays import Array


def avg_pool_forward(x: Array, pool_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return the mean of each window, and the cache."""
    return windows(x, pool_param).mean(axis=tuple(range(2, x.ndim))), (x.shape, pool_param)


def avg_pool_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx for dout (N, C, H', W').

    out[i, j] is the sum over its window of x / (pool_height pool_width), so each element of the window gets that share
    of dout[i, j], and one from every other window that sees it.
    """
    shape, pool_param = cache
    return spread(dout / dout.dtype.type(math.prod(window_of(pool_param))), shape, pool_param)


AvgpoolCase = PoolCase.named("avgpool")
LAYER = pooling(AvgpoolCase, (avg_pool_forward, avg_pool_backward))


def avg_pool1d_forward(x: Array, pool_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return the mean of each window, and the cache."""
    return avg_pool_forward(x, pool_param)


def avg_pool1d_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx for dout (N, C, W'); `avg_pool_backward` has the derivation, for windows along any axes."""
    return avg_pool_backward(dout, cache)


LAYER_1D = pooling(Pool1dCase.named("avgpool1d"), (avg_pool1d_forward, avg_pool1d_backward))
