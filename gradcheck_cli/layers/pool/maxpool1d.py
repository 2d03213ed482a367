"""Max pooling along one axis: of each window the largest element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.pool.maxpool import faults, max_pool_backward, max_pool_forward
from gradcheck_cli.layers.pool.pool1d import Pool1dCase, pooling1d

if TYPE_CHECKING:
    from gradcheck_cli.layers.pool.pooling import Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class Maxpool1dCase(Pool1dCase):
    """A geometry of pooling: x (N, C, W), out (N, C, W')."""

    layer: ClassVar[str] = "maxpool1d"


def max_pool1d_forward(x: Array, pool_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return the largest element of each window, and the cache."""
    return max_pool_forward(x, pool_param)


def max_pool1d_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx for dout (N, C, W'); `max_pool_backward` has the derivation, for windows along any axes."""
    return max_pool_backward(dout, cache)


LAYER = pooling1d(Maxpool1dCase, (max_pool1d_forward, max_pool1d_backward), faults=faults, zeros=())
