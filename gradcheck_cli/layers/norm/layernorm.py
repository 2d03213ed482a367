"""Layer normalization: each sample is shifted and scaled to mean 0 and variance 1 over its features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from gradcheck_cli.layers.framework.axes import FEATURE, SAMPLE, STEP
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.norm.layer import NormalizationLayer, eps
from gradcheck_cli.layers.norm.normalization import Normalization, standardize, standardize_backward

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


@dataclass(frozen=True, kw_only=True)
class LayernormCase(Case):
    """Sizes and settings of layer normalization: x and out (N, D) or (N, T, D), gamma and beta (D,)."""

    layer: ClassVar[str] = "layernorm"

    N: int = size(4, "samples")
    D: int = size(6, "features")
    T: int = size(1, "steps: above 1, x is (N, T, D)")
    eps: float = eps()

    def label(self) -> str:
        """Name the geometry: `4x6 eps 1e-05`."""
        return f"{'x'.join(map(str, _normalization(self).shape))} eps {self.eps:g}"


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


def _normalization(case: LayernormCase) -> Normalization:
    steps, T = ((STEP,), (case.T,)) if case.T > 1 else ((), ())
    axes, shape = (SAMPLE, *steps, FEATURE), (case.N, *T, case.D)
    return Normalization(axes=axes, shape=shape, over=(FEATURE,), own=(FEATURE,), of=" of a sample")


#: One sample, two features, of which little but eps is left, and eps that matters.
_CASES = ((4, 6, 1e-5), (3, 5, 1e-2), (1, 4, 1e-5), (5, 3, 0.1), (3, 2, 1e-2), (2, 8, 1e-3))

LAYER = NormalizationLayer(
    case=LayernormCase,
    forward=layernorm_forward,
    backward=layernorm_backward,
    normalization=_normalization,
    param="ln_param",
    settings=("eps",),
    standard=(*(LayernormCase(N=N, D=D, eps=eps) for N, D, eps in _CASES), LayernormCase(N=2, T=3, D=4)),
    trials=(LayernormCase(N=3, D=5),),
    x=lambda case: "N T D" if case.T > 1 else "N D",
).layer()
