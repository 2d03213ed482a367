"""Batch normalization: each feature, or of images each channel, has mean 0 and variance 1 over the batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.norm.layer import StepsCase, eps, mode, momentum, normalization_layer
from gradcheck_cli.layers.norm.normalization import Normalization, standardize_backward
from gradcheck_cli.numeric.arrays import Array


@frozen
class BatchnormCase(StepsCase):
    """Sizes and settings of batch normalization: x and out (N, D) or (N, T, D), gamma and beta (D,)."""

    layer = "batchnorm"
    axes = declare(x="N D", gamma="D", beta="D", out="N D", running_mean="D", running_var="D")
    passed = ("mode", "eps", "momentum")
    normalized = "samples and steps"

    N: int = size(6, "samples")
    D: int = size(4, "features")
    mode: str = mode()
    eps: float = eps()
    momentum: float = momentum()


def batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta for x (..., D), and the cache.

    In mode "train" mean and variance (divided by N) are taken over all axes but the last, and are blended into
    "running_mean" and "running_var" of `bn_param`: momentum * old + (1 - momentum) * new. In mode "test" they are
    these.
    """
    train, batch = bn_param["mode"] == "train", tuple(range(x.ndim - 1))
    if train:
        mean, variance = x.mean(axis=batch), x.var(axis=batch)
        for name, new in (("running_mean", mean), ("running_var", variance)):
            bn_param[name] = bn_param["momentum"] * bn_param[name] + (1 - bn_param["momentum"]) * new
    else:
        mean, variance = bn_param["running_mean"], bn_param["running_var"]
    s = np.sqrt(variance + bn_param["eps"])
    z = (x - mean) / s
    return gamma * z + beta, (z, gamma, s, train)


def batchnorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta for dout (..., D).

    With g = gamma dout, `standardize_backward` has the derivation of dx. In test mode mean and variance are constants:
    dx = g / s.
    """
    z, gamma, s, train = cache
    g, batch = dout * gamma, tuple(range(dout.ndim - 1))
    dx = standardize_backward(g, z, s, batch) if train else g / s
    return dx, (dout * z).sum(axis=batch), dout.sum(axis=batch)


LAYER = normalization_layer(
    BatchnormCase,
    batchnorm_forward,
    batchnorm_backward,
    sets=Normalization.along_axes,
    param="bn_param",
    # Both modes; one feature; two samples, of which little but eps is left; eps and momentum that matter; steps.
    standard=BatchnormCase.rows(
        "N D T mode eps momentum",
        *((6, 4, 1, "train", 1e-5, 0.9), (5, 3, 1, "train", 1e-2, 0.5), (4, 1, 1, "train", 1e-5, 0.9)),
        *((3, 5, 1, "train", 0.1, 0.0), (2, 3, 1, "train", 1e-2, 0.9), (8, 2, 1, "train", 1e-3, 1.0)),
        *((6, 4, 1, "test", 1e-5, 0.9), (3, 2, 1, "test", 1e-2, 0.5), (1, 3, 1, "test", 1e-5, 0.9)),
        (3, 4, 2, "train", 1e-5, 0.9),
    ),
    probe_cases=(BatchnormCase(N=5, D=3),),
    state=("running_mean", "running_var"),
)


@frozen
class SpatialBatchnormCase(Case):
    """Sizes and settings of spatial batch normalization: x and out (N, C, H, W), gamma and beta (C,)."""

    layer = "spatial-batchnorm"
    axes = declare(x="N C H W", gamma="C", beta="C", out="N C H W", running_mean="C", running_var="C")
    passed = ("mode", "eps", "momentum")

    N: int = size(3, "samples")
    C: int = size(4, "channels")
    H: int = size(3, "image height")
    W: int = size(2, "image width")
    mode: str = mode()
    eps: float = eps()
    momentum: float = momentum()


def spatial_batchnorm_forward(
    x: Array, gamma: Array, beta: Array, bn_param: dict[str, Any]
) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, with each channel as a feature; and the cache."""
    out, cache = batchnorm_forward(np.moveaxis(x, 1, -1), gamma, beta, bn_param)
    return np.moveaxis(out, -1, 1), cache


def spatial_batchnorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta for dout (N, C, H, W).

    A position in an image is to its channels what a sample is to its features: this is batch normalization with the
    channels as the last axis. (Ioffe and Szegedy, 2015, section 3.2.)
    """
    dx, dgamma, dbeta = batchnorm_backward(np.moveaxis(dout, 1, -1), cache)
    return np.moveaxis(dx, -1, 1), dgamma, dbeta


SPATIAL = normalization_layer(
    SpatialBatchnormCase,
    spatial_batchnorm_forward,
    spatial_batchnorm_backward,
    sets=Normalization.along_axes,
    param="bn_param",
    # Both modes; one channel, one sample, one position; eps and momentum that matter.
    standard=SpatialBatchnormCase.rows(
        "N C H W mode eps momentum",
        *((3, 4, 3, 2, "train", 1e-5, 0.9), (2, 2, 2, 4, "train", 1e-2, 0.5), (2, 1, 3, 3, "train", 1e-3, 1.0)),
        *((1, 3, 2, 3, "train", 0.1, 0.0), (5, 3, 1, 1, "train", 1e-5, 0.9)),
        *((2, 3, 3, 2, "test", 1e-5, 0.9), (1, 2, 1, 1, "test", 1e-2, 0.5)),
    ),
    state=("running_mean", "running_var"),
)
