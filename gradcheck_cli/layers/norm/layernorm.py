"""Layer normalization: each sample has mean 0 and variance 1 over its features; and without a shift, mean square 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import FEATURE, declare
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.norm.layer import StepsCase, eps, normalization_layer
from gradcheck_cli.layers.norm.normalization import Normalization, standardize, standardize_backward
from gradcheck_cli.numeric.arrays import Array


def _features(case: StepsCase) -> Normalization:
    return Normalization.along_axes(case, (FEATURE,), " of a sample")


@frozen
class LayernormCase(StepsCase):
    """Sizes and settings of layer normalization: x and out (N, D) or (N, T, D), gamma and beta (D,)."""

    layer = "layernorm"
    axes = declare(x="N D", gamma="D", beta="D", out="N D")
    passed = ("eps",)

    eps: float = eps()


def layernorm_forward(x: Array, gamma: Array, beta: Array, ln_param: dict[str, Any]) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, both over the last axis of x; and the cache."""
    z, s = standardize(x, -1, ln_param["eps"])
    return gamma * z + beta, (z, gamma, s)


def layernorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta for dout (N, D) or (N, T, D).

    `standardize_backward` has the derivation of dx; gamma and beta are shared by the samples, and by their steps.
    (Ba, Kiros and Hinton, 2016.)
    """
    z, gamma, s = cache
    rows = tuple(range(dout.ndim - 1))
    return standardize_backward(dout * gamma, z, s, -1), (dout * z).sum(axis=rows), dout.sum(axis=rows)


LAYER = normalization_layer(
    LayernormCase,
    layernorm_forward,
    layernorm_backward,
    sets=_features,
    param="ln_param",
    # One sample; two features, of which little but eps is left; eps that matters; steps.
    standard=LayernormCase.rows(
        "N D T eps",
        *((4, 6, 1, 1e-5), (3, 5, 1, 1e-2), (1, 4, 1, 1e-5), (5, 3, 1, 0.1), (3, 2, 1, 1e-2), (2, 8, 1, 1e-3)),
        (2, 4, 3, 1e-5),
    ),
    probe_cases=(LayernormCase(N=3, D=5),),
)


RmsnormCase = LayernormCase.named("rmsnorm", axes=declare(x="N D", gamma="D", out="N D"))


def rmsnorm_forward(x: Array, gamma: Array, rms_param: Param) -> tuple[Array, tuple[Array, Array, Array]]:
    """Return out = gamma x / sqrt(mean(x^2) + eps), the mean over the last axis; and the cache."""
    s = np.sqrt((x * x).mean(axis=-1, keepdims=True) + rms_param["eps"])
    z = x / s
    return gamma * z, (z, gamma, s)


def rmsnorm_backward(dout: Array, cache: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    """Return dx and dgamma for dout (N, D) or (N, T, D).

    With z = x / s, s = sqrt(mean(x^2) + eps) and D features, ds/dx_i = x_i / (D s), so that
    dz_j/dx_i = (delta_ij - z_i z_j / D) / s. Summed over j with g_j = gamma_j dout_j: dx = (g - z mean(g z)) / s.
    (Zhang and Sennrich, Root mean square layer normalization, 2019, section 4.)
    """
    z, gamma, s = cache
    g = dout * gamma
    dx = (g - z * (g * z).mean(axis=-1, keepdims=True)) / s
    return dx, (dout * z).sum(axis=tuple(range(dout.ndim - 1)))


RMS = normalization_layer(
    RmsnormCase,
    rmsnorm_forward,
    rmsnorm_backward,
    sets=_features,
    param="rms_param",
    # One sample, one and two features, eps that matters, steps.
    standard=RmsnormCase.rows(
        "N D T eps",
        *((4, 6, 1, 1e-5), (3, 5, 1, 1e-2), (1, 4, 1, 1e-5), (5, 3, 1, 0.1), (3, 2, 1, 1e-2), (2, 8, 1, 1e-3)),
        *((3, 1, 1, 0.1), (2, 4, 3, 1e-5)),
    ),
    probe_cases=(RmsnormCase(N=3, D=5),),
)
