"""Spatial batch normalization: each channel has mean 0 and variance 1 over the batch and its images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.norm.batchnorm import batchnorm_backward, batchnorm_forward
from gradcheck_cli.layers.norm.layer import NormalizationLayer, eps, mode, momentum

if TYPE_CHECKING:
    from gradcheck_cli.layers.norm.batchnorm import Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class SpatialBatchnormCase(Case):
    """Sizes and settings of spatial batch normalization: x and out (N, C, H, W), gamma and beta (C,)."""

    layer: ClassVar[str] = "spatial-batchnorm"
    axes = declare(x="N C H W", gamma="C", beta="C", out="N C H W", running_mean="C", running_var="C")
    passed: ClassVar = ("mode", "eps", "momentum")

    N: int = size(3, "samples")
    C: int = size(4, "channels")
    H: int = size(3, "image height")
    W: int = size(2, "image width")
    mode: str = mode()
    eps: float = eps()
    momentum: float = momentum()


def spatial_batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, with each channel as a feature; and the cache."""
    out, cache = batchnorm_forward(np.moveaxis(x, 1, -1), gamma, beta, bn_param)
    return np.moveaxis(out, -1, 1), cache


def spatial_batchnorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta for dout (N, C, H, W).

    A place in an image is to its channels what a sample is to its features: this is batch normalization with the
    channels as the last axis. (Ioffe and Szegedy, 2015, section 3.2.)
    """
    dx, dgamma, dbeta = batchnorm_backward(np.moveaxis(dout, 1, -1), cache)
    return np.moveaxis(dx, -1, 1), dgamma, dbeta


LAYER = NormalizationLayer(
    case=SpatialBatchnormCase,
    forward=spatial_batchnorm_forward,
    backward=spatial_batchnorm_backward,
    param="bn_param",
    # Both modes; one channel, one sample, one place; eps and momentum that matter.
    standard=SpatialBatchnormCase.rows(
        "N C H W mode eps momentum",
        *((3, 4, 3, 2, "train", 1e-5, 0.9), (2, 2, 2, 4, "train", 1e-2, 0.5), (2, 1, 3, 3, "train", 1e-3, 1.0)),
        *((1, 3, 2, 3, "train", 0.1, 0.0), (5, 3, 1, 1, "train", 1e-5, 0.9)),
        *((2, 3, 3, 2, "test", 1e-5, 0.9), (1, 2, 1, 1, "test", 1e-2, 0.5)),
    ),
    state=("running_mean", "running_var"),
).layer()
