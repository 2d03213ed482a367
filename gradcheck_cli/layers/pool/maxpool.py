"""Max pooling of images, and along one axis: of each window the largest element."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.pool.pooling import Pool1dCase, PoolCase, pooling, spread, window_of, windows
from gradcheck_cli.numeric.arrays import Array


def max_pool_forward(x: Array, pool_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return the largest element of each window, and the cache."""
    seen = windows(x, pool_param)
    flat = seen.reshape(*x.shape[:2], -1, *seen.shape[x.ndim :])
    return flat.max(axis=2), (x.shape, flat.argmax(axis=2), pool_param)


def max_pool_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx for dout (N, C, H', W').

    Near x, out[i, j] is that element of its window which is the largest, and no other has a part in it: all of
    dout[i, j] goes there. Windows may overlap, and an element be the largest of several, so shares are added up. Where
    two are the largest there is no derivative; the first of them is taken here, and none are drawn.
    (Goodfellow, Bengio and Courville, Deep Learning, section 9.3.)
    """
    dx = np.zeros(cache[0], dout.dtype)
    np.add.at(dx, positions(cache), dout)
    return dx


def positions(cache: tuple[Any, ...]) -> tuple[Array, ...]:
    """Return where the largest element of each window is: an index along each axis of x."""
    _, chosen, pool_param = cache
    n, c, *starts = np.ogrid[tuple(slice(size) for size in chosen.shape)]
    within = np.unravel_index(chosen, window_of(pool_param))
    return n, c, *(k + i * pool_param["stride"] for k, i in zip(within, starts, strict=True))


def faults(cache: tuple[Any, ...]) -> Iterator[Fault]:
    """Yield dx without the mask of the largest elements, and assigned at their positions."""
    cause = "In {names} the mask is left out: every element of a window has its dout."
    remedy = "Give dout to the largest element of its window alone."
    yield Fault("mask-ignored", cause, remedy, lambda _, dout: {"x": spread(dout, cache[0], cache[2])})

    def assigned(_: Any, dout: Array) -> dict[str, Array]:
        dx = np.zeros(cache[0], dout.dtype)
        dx[positions(cache)] = dout  # of a position that repeats the last value stays
        return {"x": dx}

    cause = "{names} {be} assigned where an element is the largest of several windows: only the last share is left."
    yield Fault("assigned-not-accumulated", cause, "Windows overlap: write `+=`, not `=`, in the loop.", assigned)


MaxpoolCase = PoolCase.named("maxpool")
#: Without zeros in x: two in a window are a tie.
LAYER = pooling(MaxpoolCase, (max_pool_forward, max_pool_backward), faults, zeros=())


def max_pool1d_forward(x: Array, pool_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return the largest element of each window, and the cache."""
    return max_pool_forward(x, pool_param)


def max_pool1d_backward(dout: Array, cache: tuple[Any, ...]) -> Array:
    """Return dx for dout (N, C, W'); `max_pool_backward` has the derivation, for windows along any axes."""
    return max_pool_backward(dout, cache)


LAYER_1D = pooling(Pool1dCase.named("maxpool1d"), (max_pool1d_forward, max_pool1d_backward), faults, zeros=())
