"""Spatial batch normalization: each channel has mean 0 and variance 1 over the batch and its images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.words import choice, real
from gradcheck_cli.layers.norm.batchnorm import STATISTICS, batch_problem, batchnorm_backward, batchnorm_forward
from gradcheck_cli.layers.norm.batchnorm_faults import batch_faults, batch_forward_faults

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.layers.norm.batchnorm import Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class SpatialBatchnormCase(Case):
    """Sizes and settings of spatial batch normalization: x and out (N, C, H, W), gamma and beta (C,)."""

    layer: ClassVar[str] = "spatial-batchnorm"

    N: int = size(3, "samples")
    C: int = size(4, "channels")
    H: int = size(3, "image height")
    W: int = size(2, "image width")
    mode: str = choice("train", "normalizes by the batch, or by the running statistics", "test")
    eps: float = real(1e-5, "added to the variance", 1e-2, 0.1, low=1e-12)
    momentum: float = real(0.9, "share of the running statistics that is kept", 0.0, 0.5, 1.0, high=1.0)

    def label(self) -> str:
        """Name the geometry: `3x4x3x2 train eps 1e-05 momentum 0.9`."""
        return f"{self.N}x{self.C}x{self.H}x{self.W} {self.mode} eps {self.eps:g} momentum {self.momentum:g}"


def spatial_batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, with each channel as a feature; and the cache."""
    N, C, H, W = x.shape
    out, cache = batchnorm_forward(x.transpose(0, 2, 3, 1).reshape(-1, C), gamma, beta, bn_param)
    return out.reshape(N, H, W, C).transpose(0, 3, 1, 2), cache


def spatial_batchnorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Carry dout (N, C, H, W) back.

    A place in an image is to its channels what a sample is to its features, so the derivation is that of
    `batchnorm_backward` for N H W samples. (Ioffe and Szegedy, 2015, section 3.2.)
    """
    N, C, H, W = dout.shape
    dx, dgamma, dbeta = batchnorm_backward(dout.transpose(0, 2, 3, 1).reshape(-1, C), cache)
    return dx.reshape(N, H, W, C).transpose(0, 3, 1, 2), dgamma, dbeta


AXES = declare(x="N C H W", gamma="C", beta="C", out="N C H W", running_mean="C", running_var="C")


def problem(case: SpatialBatchnormCase) -> Problem:
    """Draw a case's arrays."""
    shape = (case.N, case.C, case.H, case.W)
    return batch_problem(case, shape, AXES, (spatial_batchnorm_forward, spatial_batchnorm_backward))


def standard() -> tuple[SpatialBatchnormCase, ...]:
    """Both modes; one channel, one sample, one place; eps and momentum that matter."""
    rows = [
        # N  C  H  W  mode  eps  momentum
        (3, 4, 3, 2, "train", 1e-5, 0.9),
        (2, 2, 2, 4, "train", 1e-2, 0.5),
        (2, 1, 3, 3, "train", 1e-3, 1.0),
        (1, 3, 2, 3, "train", 0.1, 0.0),
        (5, 3, 1, 1, "train", 1e-5, 0.9),
        (2, 3, 3, 2, "test", 1e-5, 0.9),
        (1, 2, 1, 1, "test", 1e-2, 0.5),
    ]
    return tuple(
        SpatialBatchnormCase(N=N, C=C, H=H, W=W, mode=mode, eps=eps, momentum=momentum)
        for N, C, H, W, mode, eps, momentum in rows
    )


LAYER = Layer(
    case=SpatialBatchnormCase,
    inputs=("x", "gamma", "beta"),
    make_problem=problem,
    standard=standard,
    builtin={"vectorized": (spatial_batchnorm_forward, spatial_batchnorm_backward)},
    probe_cases=(SpatialBatchnormCase(N=2, C=4, H=3, W=5),),
    faults=batch_faults,
    forward_faults=batch_forward_faults,
    # Of one place nothing but beta is left.
    has_nonzero_gradient=lambda case: case.N * case.H * case.W > 1 or case.mode == "test",
    param="bn_param",
    state=STATISTICS,
)
