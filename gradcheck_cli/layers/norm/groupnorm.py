"""Group normalization: each group of a sample's channels is shifted and scaled to mean 0 and variance 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CHANNEL, COLUMN, ROW, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH, group
from gradcheck_cli.layers.framework.drawing import multiple
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.words import real
from gradcheck_cli.layers.norm.layernorm import layernorm_backward, layernorm_forward
from gradcheck_cli.layers.norm.normalization import absolute, absolute_dx, batch_mean, by_feature
from gradcheck_cli.layers.norm.normalization_faults import Normalization, faults, forward_faults

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.layers.norm.normalization import Mean
    from gradcheck_cli.numeric.arrays import Array

    Param = dict[str, Any]


@frozen
class GroupnormCase(Case):
    """Sizes and settings of group normalization: x and out (N, C, H, W), gamma and beta (C,)."""

    layer: ClassVar[str] = "groupnorm"

    N: int = size(2, "samples")
    C: int = size(6, "channels")
    H: int = size(3, "image height")
    W: int = size(2, "image width")
    G: int = size(2, "groups of channels")
    eps: float = real(1e-5, "added to the variance", 1e-2, 0.1, low=1e-12)

    def impossible(self) -> str | None:
        """Say why there are no such groups, or None."""
        return f"G {self.G} must divide C {self.C}" if self.C % self.G else None

    def label(self) -> str:
        """Name the geometry: `2x6x3x2 G 2 eps 1e-05`."""
        return f"{self.N}x{self.C}x{self.H}x{self.W} G {self.G} eps {self.eps:g}"


def groupnorm_forward(x: Array, gamma: Array, beta: Array, gn_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, both over a sample's channels of one group.

    To its elements such a group is what in layer normalization a sample is to its features.
    """
    rows = x.reshape(len(x) * gn_param["G"], -1)
    normal, cache = layernorm_forward(rows, np.ones(1, x.dtype), np.zeros(1, x.dtype), gn_param)
    normal, gamma = normal.reshape(x.shape), gamma[:, None, None]
    return gamma * normal + beta[:, None, None], (normal, gamma, cache)


def groupnorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Carry dout (N, C, H, W) back.

    With g = gamma dout, dx is what `layernorm_backward` makes of g with the groups of all samples as its rows and a
    gamma of 1; gamma and beta are shared by samples and places. (Wu and He, Group Normalization, 2018, section 3.)
    """
    normal, gamma, rows = cache
    dx, _, _ = layernorm_backward((dout * gamma).reshape(rows[0].shape), rows)
    return dx.reshape(dout.shape), (dout * normal).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


AXES = declare(x="N C H W", gamma="C", beta="C", out="N C H W")


def problem(case: GroupnormCase) -> Problem:
    """Draw a case's arrays."""
    return make_problem(
        case,
        axes=AXES,
        parameters={"G": case.G, "eps": case.eps},
        reference=(groupnorm_forward, groupnorm_backward),
        # The elements of a group meet in its mean and variance.
        relations={"x": {CHANNEL: group(CHANNEL, case.G, case.C), ROW: EACH, COLUMN: EACH}},
        scale=_scale,
        gradient_scale=_gradient_scale,
    )


def _mean(G: int) -> Mean:
    def mean(x: Array) -> Array:
        means = x.reshape(len(x), G, -1).mean(axis=2)
        return np.repeat(means, x.shape[1] // G, axis=1)[:, :, None, None]

    return mean


def _scale(x: Array, gamma: Array, beta: Array, param: Param) -> tuple[Array]:
    normal, _ = absolute(x, _mean(param["G"]), param["eps"])
    return (abs(gamma)[:, None, None] * normal + abs(beta)[:, None, None],)


def _gradient_scale(dout: Array, x: Array, gamma: Array, _: Array, param: Param) -> dict[str, Array]:
    mean, eps = _mean(param["G"]), param["eps"]
    dx = absolute_dx(dout * gamma[:, None, None], x, mean, eps)
    return {"x": dx, "gamma": (abs(dout) * absolute(x, mean, eps)[0]).sum(axis=(0, 2, 3))}


def _normalization(case: GroupnormCase) -> Normalization:
    others = {
        "all channels of a sample": _mean(1),
        "the samples, rows and columns": batch_mean,
        "all elements": lambda x: np.asarray(x.mean(keepdims=True)),
    }
    if case.G < case.C:
        others["the rows and columns alone"] = _mean(case.C)
    return Normalization(
        mean=_mean(case.G),
        eps=case.eps,
        size="C/G H W",
        count=case.C // case.G * case.H * case.W,
        over="the channels of a group, their rows and columns",
        spread=by_feature,
        summed=lambda terms: terms.sum(axis=(0, 2, 3)),
        others=tuple(others.items()),
    )


def standard() -> tuple[GroupnormCase, ...]:
    """Groups of several channels and of one, one group; one sample, one place; eps that matters."""
    rows = [
        # N  C  H  W  G  eps
        (2, 6, 3, 2, 2, 1e-5),
        (3, 4, 2, 3, 4, 1e-2),  # each channel for itself
        (2, 3, 2, 2, 1, 1e-3),  # all together
        (1, 4, 3, 3, 2, 0.1),
        (4, 6, 1, 1, 3, 1e-2),  # two elements, of which little but eps is left
        (2, 2, 4, 1, 1, 1e-5),
    ]
    return tuple(GroupnormCase(N=N, C=C, H=H, W=W, G=G, eps=eps) for N, C, H, W, G, eps in rows)


_random = multiple("C", of="G")

LAYER = Layer(
    case=GroupnormCase,
    inputs=("x", "gamma", "beta"),
    make_problem=problem,
    standard=standard,
    builtin={"vectorized": (groupnorm_forward, groupnorm_backward)},
    probe_cases=(GroupnormCase(N=2, C=6, H=3, W=5, G=2), GroupnormCase(N=2, C=6, H=3, W=5, G=1)),
    faults=lambda case, _: faults(_normalization(case)),
    forward_faults=lambda case, problem, _: forward_faults(_normalization(case), problem.inputs),
    random=_random,
    # Of one element nothing but beta is left.
    has_nonzero_gradient=lambda case: case.C // case.G * case.H * case.W > 1,
    param="gn_param",
)
