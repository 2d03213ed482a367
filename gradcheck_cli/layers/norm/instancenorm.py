"""Instance normalization: each channel of each sample is shifted and scaled to mean 0 and variance 1 over its image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import COLUMN, ROW, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.norm.layer import NormalizationLayer, eps
from gradcheck_cli.layers.norm.normalization import standardize, standardize_backward

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

    Param = dict[str, Any]


@frozen
class InstancenormCase(Case):
    """Sizes and settings of instance normalization: x and out (N, C, H, W), gamma and beta (C,)."""

    layer: ClassVar[str] = "instancenorm"
    axes = declare(x="N C H W", gamma="C", beta="C", out="N C H W")
    passed: ClassVar = ("eps",)

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

    `standardize_backward` has the derivation of dx; gamma and beta are shared by samples and places. (Ulyanov, Vedaldi
    and Lempitsky, Instance normalization, 2016, equation 3.)
    """
    z, gamma, s = cache
    dx = standardize_backward(dout * gamma[:, None, None], z, s, (2, 3))
    return dx, (dout * z).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


LAYER = NormalizationLayer(
    case=InstancenormCase,
    forward=instancenorm_forward,
    backward=instancenorm_backward,
    over=(ROW, COLUMN),
    of=" of a channel",
    param="in_param",
    # All sizes different, one channel, one sample, one row; eps that matters; two elements, of which little is left.
    standard=InstancenormCase.rows(
        "N C H W eps",
        *((2, 4, 3, 5, 1e-5), (3, 1, 2, 3, 1e-2), (1, 3, 4, 3, 1e-3), (4, 2, 1, 5, 0.1)),
        *((2, 2, 3, 3, 1e-5), (2, 3, 2, 1, 1e-2)),
    ),
    probe_cases=(InstancenormCase(N=2, C=4, H=3, W=5),),
).layer()
