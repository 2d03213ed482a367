"""Max pooling: of each window the largest element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.pool.pooling import PoolCase, pooling, spread, windows

if TYPE_CHECKING:
    from gradcheck_cli.layers.pool.pooling import Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class MaxpoolCase(PoolCase):
    """A geometry of pooling: x (N, C, H, W), out (N, C, H', W')."""

    layer: ClassVar[str] = "maxpool"


def max_pool_forward(x: Array, pool_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return of each window the largest element, and the cache."""
    seen = windows(x, pool_param)
    flat = seen.reshape(*seen.shape[:2], -1, *seen.shape[4:])
    return flat.max(axis=2), (x.shape, flat.argmax(axis=2), pool_param)


def max_pool_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """Carry dout (N, C, H', W') back.

    Near x, out[i, j] is that element of its window which is the largest, and no other has a part in it: all of
    dout[i, j] goes there. Windows may overlap, and an element be the largest of several, so shares are added up. Where
    two are the largest there is no derivative; the first of them is taken here, and none are drawn.
    (Goodfellow, Bengio and Courville, Deep Learning, section 9.3.)
    """
    dx = np.zeros(cache[0], dout.dtype)
    np.add.at(dx, places(cache), dout)
    return dx


def places(cache: tuple[Any, ...]) -> tuple[Array, ...]:
    """Return of each window where its largest element is: four indices into x."""
    _, chosen, pool_param = cache
    row, column = np.divmod(chosen, pool_param["pool_width"])
    n, c, i, j = np.ogrid[tuple(slice(size) for size in chosen.shape)]
    return n, c, row + i * pool_param["stride"], column + j * pool_param["stride"]


def _assigned(dout: Array, cache: tuple[Any, ...]) -> Array:
    dx = np.zeros(cache[0], dout.dtype)
    dx[places(cache)] = dout  # of a place that repeats the last value stays
    return dx


def _whole_windows(dout: Array, cache: tuple[Any, ...]) -> Array:
    """Assign mask * dout to each window: its zeros overwrite what windows before it gave, too."""
    shape, chosen, pool_param = cache
    height, width, stride = (pool_param[name] for name in ("pool_height", "pool_width", "stride"))
    dx, number = np.zeros(shape, dout.dtype), np.arange(height * width).reshape(height, width)
    for i, j in np.ndindex(*dout.shape[2:]):
        here = np.s_[:, :, i, j, None, None]
        window = np.s_[:, :, i * stride : i * stride + height, j * stride : j * stride + width]
        dx[window] = (number == chosen[here]) * dout[here]
    return dx


LAYER = pooling(
    MaxpoolCase,
    (max_pool_forward, max_pool_backward),
    assigned=(_assigned, _whole_windows),
    unmasked=lambda dout, cache: spread(dout, cache[0], cache[2]),
)
