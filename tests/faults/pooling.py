"""Pooling with one fault each, as people make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck_cli.layers.pool.avgpool import (
    avg_pool1d_backward,
    avg_pool1d_forward,
    avg_pool_backward,
    avg_pool_forward,
)
from gradcheck_cli.layers.pool.maxpool import max_pool1d_forward, max_pool_forward
from tests.faults.layer_fault import in_backward


@in_backward("avgpool", avg_pool_forward, "last-windows-missed")
def last_row_of_pools_missed(dout: Any, cache: Any) -> Any:
    part = dout.copy()
    part[:, :, -1] = 0
    return avg_pool_backward(part, cache)


@in_backward("avgpool", avg_pool_forward, "reshaped-not-transposed")
def pools_reshaped(dout: Any, cache: Any) -> Any:
    N, C, rows, columns = dout.shape
    return avg_pool_backward(dout.reshape(N, rows, columns, C).transpose(0, 3, 1, 2), cache)


@in_backward("avgpool1d", avg_pool1d_forward, "last-windows-missed")
def last_pool_missed(dout: Any, cache: Any) -> Any:
    part = dout.copy()
    part[:, :, -1] = 0
    return avg_pool1d_backward(part, cache)


@in_backward("avgpool1d", avg_pool1d_forward, "factor")
def pool_not_divided(dout: Any, cache: Any) -> Any:
    return avg_pool1d_backward(dout * cache[1]["pool_width"], cache)


@in_backward("maxpool1d", max_pool1d_forward, "mask-ignored")
def whole_window(dout: Any, cache: Any) -> Any:
    (N, C, W), _, param = cache
    dx = np.zeros((N, C, W), dout.dtype)
    for n, c, j in np.ndindex(dout.shape):
        dx[n, c, j * param["stride"] : j * param["stride"] + param["pool_width"]] += dout[n, c, j]
    return dx


@in_backward("maxpool1d", max_pool1d_forward, "assigned-not-accumulated")
def maximum_assigned(dout: Any, cache: Any) -> Any:
    (N, C, W), chosen, param = cache
    dx = np.zeros((N, C, W), dout.dtype)
    for n, c, j in np.ndindex(dout.shape):
        dx[n, c, j * param["stride"] + chosen[n, c, j]] = dout[n, c, j]
    return dx


@in_backward("maxpool", max_pool_forward, "assigned-not-accumulated")
def assigned(dout: Any, cache: Any) -> Any:
    shape, chosen, param = cache
    dx = np.zeros(shape, dout.dtype)
    for n, c, i, j in np.ndindex(dout.shape):
        h, k = divmod(chosen[n, c, i, j], param["pool_width"])
        dx[n, c, i * param["stride"] + h, j * param["stride"] + k] = dout[n, c, i, j]
    return dx


def _to_windows(dout: Any, cache: Any, give: Callable[[Any, Any, Any, Any], None]) -> Any:
    """Give each window of dx its dout, and where its largest element is, by what `give` makes of them."""
    shape, chosen, param = cache
    height, width, stride = param["pool_height"], param["pool_width"], param["stride"]
    dx = np.zeros(shape, dout.dtype)
    for n, c, i, j in np.ndindex(dout.shape):
        mask = np.zeros((height, width), dout.dtype)
        mask.reshape(-1)[chosen[n, c, i, j]] = 1
        give(dx, np.s_[n, c, i * stride : i * stride + height, j * stride : j * stride + width], mask, dout[n, c, i, j])
    return dx


@in_backward("maxpool", max_pool_forward, "assigned-not-accumulated")
def windows_assigned(dout: Any, cache: Any) -> Any:
    def give(dx: Any, window: Any, mask: Any, share: Any) -> None:
        dx[window] = mask * share

    return _to_windows(dout, cache, give)


@in_backward("maxpool", max_pool_forward, "mask-ignored")
def maxima_forgotten(dout: Any, cache: Any) -> Any:
    def give(dx: Any, window: Any, _: Any, share: Any) -> None:
        dx[window] += share

    return _to_windows(dout, cache, give)


@in_backward("avgpool", avg_pool_forward, "assigned-not-accumulated")
def share_assigned(dout: Any, cache: Any) -> Any:
    shape, param = cache
    height, width, stride = param["pool_height"], param["pool_width"], param["stride"]
    dx = np.zeros(shape, dout.dtype)
    for n, c, i, j in np.ndindex(dout.shape):
        window = np.s_[n, c, i * stride : i * stride + height, j * stride : j * stride + width]
        dx[window] = dout[n, c, i, j] / (height * width)
    return dx


@in_backward("avgpool", avg_pool_forward, "factor")
def not_divided(dout: Any, cache: Any) -> Any:
    return avg_pool_backward(dout, cache) * (cache[1]["pool_height"] * cache[1]["pool_width"])
