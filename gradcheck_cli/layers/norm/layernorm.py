"""Layer normalization: each sample is shifted and scaled to mean 0 and variance 1 over its features."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import FEATURE, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.words import real
from gradcheck_cli.layers.norm.normalization import absolute, absolute_dx
from gradcheck_cli.layers.norm.normalization_faults import Normalization, faults, forward_faults

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


@frozen
class LayernormCase(Case):
    """Sizes and settings of layer normalization: x and out (N, D) or (N, T, D), gamma and beta (D,)."""

    layer: ClassVar[str] = "layernorm"

    N: int = size(4, "samples")
    D: int = size(6, "features")
    T: int = size(1, "steps: above 1, x is (N, T, D)")
    eps: float = real(1e-5, "added to the variance", 1e-2, 0.1, low=1e-12)

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Shape of x."""
        return (self.N, self.D) if self.T == 1 else (self.N, self.T, self.D)

    def label(self) -> str:
        """Name the geometry: `4x6 eps 1e-05`."""
        return f"{'x'.join(map(str, self.x_shape))} eps {self.eps:g}"


def layernorm_forward(x: Array, gamma: Array, beta: Array, ln_param: dict[str, Any]) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, both over the last axis of x; and the cache."""
    deviation = np.sqrt(x.var(axis=-1, keepdims=True) + ln_param["eps"])
    normal = (x - x.mean(axis=-1, keepdims=True)) / deviation
    return gamma * normal + beta, (normal, gamma, deviation)


def layernorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Carry dout (N, D) or (N, T, D) back.

    A sample, or a step of one, is to its features what in batch normalization a feature is to its samples, so with
    g = gamma dout and z = (x - mean) / s the same derivation gives dx = (g - mean(g) - z mean(g z)) / s, the means now
    over features; gamma and beta are still shared by the samples, and by their steps. (Ba, Kiros and Hinton, 2016;
    Ioffe and Szegedy, 2015, section 3.)
    """
    normal, gamma, deviation = cache
    g = dout * gamma
    dx = (g - g.mean(axis=-1, keepdims=True) - normal * (g * normal).mean(axis=-1, keepdims=True)) / deviation
    rows = tuple(range(dout.ndim - 1))
    return dx, (dout * normal).sum(axis=rows), dout.sum(axis=rows)


AXES = declare(x="N D", gamma="D", beta="D", out="N D")


def problem(case: LayernormCase) -> Problem:
    """Draw a case's arrays."""
    posed = make_problem(
        case,
        axes=AXES if case.T == 1 else {**AXES, **declare(x="N T D", out="N T D")},
        parameters={"eps": case.eps},
        reference=(layernorm_forward, layernorm_backward),
        relations={"x": {FEATURE: EACH}},  # by way of mean and variance
        scale=_scale,
        gradient_scale=_gradient_scale,
    )
    if case.T == 1:
        return posed
    return replace(posed, skip_reason="it does not normalize an x of three axes over the last one", meaning_open=True)


def _mean(x: Array) -> Array:
    return np.asarray(x.mean(axis=-1, keepdims=True))


def _scale(x: Array, gamma: Array, beta: Array, param: dict[str, Any]) -> tuple[Array]:
    return (abs(gamma) * absolute(x, _mean, param["eps"])[0] + abs(beta),)


def _gradient_scale(dout: Array, x: Array, gamma: Array, _: Array, param: dict[str, Any]) -> dict[str, Array]:
    normal, _ = absolute(x, _mean, param["eps"])
    return {
        "x": absolute_dx(dout * gamma, x, _mean, param["eps"]),
        "gamma": (abs(dout) * normal).sum(axis=tuple(range(x.ndim - 1))),
    }


def _normalization(case: LayernormCase) -> Normalization:
    return Normalization(
        mean=_mean,
        eps=case.eps,
        size="D",
        count=case.D,
        over="the features of a sample",
        spread=lambda gamma, _: gamma,
        summed=lambda terms: terms.sum(axis=tuple(range(terms.ndim - 1))),
        others=(
            ("the samples", lambda x: x.mean(axis=0, keepdims=True)),
            ("all elements", lambda x: x.mean(keepdims=True)),
        ),
    )


def standard() -> tuple[LayernormCase, ...]:
    """One sample, two features, of which little but eps is left, eps that matters, and x of three axes."""
    rows = [(4, 6, 1e-5), (3, 5, 1e-2), (1, 4, 1e-5), (5, 3, 0.1), (3, 2, 1e-2), (2, 8, 1e-3)]
    return (*(LayernormCase(N=N, D=D, eps=eps) for N, D, eps in rows), LayernormCase(N=2, T=3, D=4))


LAYER = Layer(
    case=LayernormCase,
    inputs=("x", "gamma", "beta"),
    make_problem=problem,
    standard=standard,
    builtin={"vectorized": (layernorm_forward, layernorm_backward)},
    probe_cases=(LayernormCase(N=3, D=5),),
    faults=lambda case, _: faults(_normalization(case)),
    forward_faults=lambda case, problem, _: forward_faults(_normalization(case), problem.inputs),
    # Of one feature nothing but beta is left.
    has_nonzero_gradient=lambda case: case.D > 1,
    param="ln_param",
)
