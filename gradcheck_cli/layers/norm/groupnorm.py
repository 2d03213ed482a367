"""Group normalization: each group of a sample's channels has mean 0 and variance 1; or each channel alone."""

from __future__ import annotations

from typing import Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CHANNEL, COLUMN, ROW, SAMPLE, Axis, declare
from gradcheck_cli.layers.framework.case import Case, Param
from gradcheck_cli.layers.framework.coupling import EACH, group
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.norm.layer import eps, normalization_layer
from gradcheck_cli.layers.norm.normalization import Normalization, standardize, standardize_backward
from gradcheck_cli.numeric.arrays import Array

_GROUP = Axis(name="group", letter="g", size="G")
_IN_GROUP = Axis(name="channel", letter="c", size="C/G")


@frozen
class GroupnormCase(Case):
    """Sizes and settings of group normalization: x and out (N, C, H, W), gamma and beta (C,)."""

    layer = "groupnorm"
    axes = declare(x="N C H W", gamma="C", beta="C", out="N C H W")
    passed = ("G", "eps")
    divides: ClassVar = {"G": ("C", 5)}

    N: int = size(2, "samples")
    C: int = size(6, "channels")
    H: int = size(3, "image height")
    W: int = size(2, "image width")
    G: int = size(2, "groups of channels")
    eps: float = eps()


def groupnorm_forward(x: Array, gamma: Array, beta: Array, gn_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, both over a sample's channels of one group."""
    z, s = standardize(x.reshape(len(x), gn_param["G"], -1), -1, gn_param["eps"])
    return gamma[:, None, None] * z.reshape(x.shape) + beta[:, None, None], (z, gamma, s)


def groupnorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta for dout (N, C, H, W).

    `standardize_backward` has the derivation of dx; gamma and beta are shared by samples and positions. (Wu and He,
    Group Normalization, 2018, section 3.)
    """
    z, gamma, s = cache
    dx = standardize_backward((dout * gamma[:, None, None]).reshape(z.shape), z, s, -1).reshape(dout.shape)
    return dx, (dout * z.reshape(dout.shape)).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


LAYER = normalization_layer(
    GroupnormCase,
    groupnorm_forward,
    groupnorm_backward,
    sets=lambda case: Normalization(
        axes=(SAMPLE, _GROUP, _IN_GROUP, ROW, COLUMN),
        shape=(case.N, case.G, case.C // case.G, case.H, case.W),
        over=(_IN_GROUP, ROW, COLUMN),
        own=(_GROUP, _IN_GROUP),
        of=" of a group",
    ),
    param="gn_param",
    # Groups of several channels, of one, and one group; one sample; two elements, of which little but eps is left.
    standard=GroupnormCase.rows(
        "N C H W G eps",
        *((2, 6, 3, 2, 2, 1e-5), (3, 4, 2, 3, 4, 1e-2), (2, 3, 2, 2, 1, 1e-3)),
        *((1, 4, 3, 3, 2, 0.1), (4, 6, 1, 1, 3, 1e-2), (2, 2, 4, 1, 1, 1e-5)),
    ),
    probe_cases=(GroupnormCase(N=2, C=6, H=3, W=5, G=2), GroupnormCase(N=2, C=6, H=3, W=5, G=1)),
    # The channels of a group meet in its mean and variance.
    relations=lambda case, _: {"x": {CHANNEL: group(CHANNEL, case.G, case.C), ROW: EACH, COLUMN: EACH}},
)


@frozen
class InstancenormCase(Case):
    """Sizes and settings of instance normalization: x and out (N, C, H, W), gamma and beta (C,)."""

    layer = "instancenorm"
    axes = declare(x="N C H W", gamma="C", beta="C", out="N C H W")
    passed = ("eps",)

    N: int = size(2, "samples")
    C: int = size(4, "channels")
    H: int = size(3, "image height")
    W: int = size(2, "image width")
    eps: float = eps()


def instancenorm_forward(x: Array, gamma: Array, beta: Array, in_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, both over the image of a channel; and the cache."""
    z, s = standardize(x, (2, 3), in_param["eps"])
    return gamma[:, None, None] * z + beta[:, None, None], (z, gamma, s)


def instancenorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Return dx, dgamma and dbeta for dout (N, C, H, W).

    `standardize_backward` has the derivation of dx; gamma and beta are shared by samples and positions. (Ulyanov,
    Vedaldi and Lempitsky, Instance normalization, 2016, equation 3.)
    """
    z, gamma, s = cache
    dx = standardize_backward(dout * gamma[:, None, None], z, s, (2, 3))
    return dx, (dout * z).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


INSTANCE = normalization_layer(
    InstancenormCase,
    instancenorm_forward,
    instancenorm_backward,
    sets=lambda case: Normalization.along_axes(case, (ROW, COLUMN), " of a channel"),
    param="in_param",
    # All sizes different, one channel, one sample, one row; eps that matters; two elements, of which little is left.
    standard=InstancenormCase.rows(
        "N C H W eps",
        *((2, 4, 3, 5, 1e-5), (3, 1, 2, 3, 1e-2), (1, 3, 4, 3, 1e-3), (4, 2, 1, 5, 0.1)),
        *((2, 2, 3, 3, 1e-5), (2, 3, 2, 1, 1e-2)),
    ),
    probe_cases=(InstancenormCase(N=2, C=4, H=3, W=5),),
)
