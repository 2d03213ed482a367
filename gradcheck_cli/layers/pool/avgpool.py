"""Average pooling: of each window the mean."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.pool.pooling import PoolCase, image_pooling, spread, window_of, windows

if TYPE_CHECKING:
    from gradcheck_cli.layers.pool.pooling import Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class AvgpoolCase(PoolCase):
    """A geometry of pooling: x (N, C, H, W), out (N, C, H', W')."""

    layer: ClassVar[str] = "avgpool"


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


LAYER = image_pooling(AvgpoolCase, (avg_pool_forward, avg_pool_backward))
