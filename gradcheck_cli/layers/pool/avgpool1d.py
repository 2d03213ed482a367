"""Average pooling along one axis: of each window the mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.pool.avgpool import avg_pool_backward, avg_pool_forward
from gradcheck_cli.layers.pool.pool1d import Pool1dCase, pooling1d

if TYPE_CHECKING:
    from gradcheck_cli.layers.pool.pooling import Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class Avgpool1dCase(Pool1dCase):
    """A geometry of pooling: x (N, C, W), out (N, C, W')."""

    layer: ClassVar[str] = "avgpool1d"


def avg_pool1d_forward(x: Array, pool_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return the mean of each window, and the cache."""
    return avg_pool_forward(x, pool_param)


def avg_pool1d_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx for dout (N, C, W'); `avg_pool_backward` has the derivation, for windows along any axes."""
    return avg_pool_backward(dout, cache)


LAYER = pooling1d(Avgpool1dCase, (avg_pool1d_forward, avg_pool1d_backward))
