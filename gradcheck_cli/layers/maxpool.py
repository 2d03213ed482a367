"""Max pooling: of each window the largest element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.layers.pooling import PoolCase, pooling, windows

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array
    from gradcheck_cli.layers.pooling import Param


@dataclass(frozen=True, kw_only=True)
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
    shape, chosen, pool_param = cache
    row, column = np.divmod(chosen, pool_param["pool_width"])
    row = row + np.arange(dout.shape[2])[:, None] * pool_param["stride"]
    column = column + np.arange(dout.shape[3]) * pool_param["stride"]
    n, c = np.ogrid[: shape[0], : shape[1]]
    dx = np.zeros(shape, dout.dtype)
    np.add.at(dx, (n[..., None, None], c[..., None, None], row, column), dout)
    return dx


LAYER = pooling(
    MaxpoolCase,
    "max pooling",
    (max_pool_forward, max_pool_backward),
    names=("max_pool", "maxpool", "pool"),
    others=("avg", "average", "mean"),
)
