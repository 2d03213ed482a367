"""Batch normalization: each feature is shifted and scaled to mean 0 and variance 1 over the batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.words import choice, real
from gradcheck_cli.layers.norm.batchnorm_faults import batch_faults, batch_forward_faults
from gradcheck_cli.layers.norm.normalization import absolute, absolute_dx, batch_mean, by_feature
from gradcheck_cli.numeric.arrays import signed_uniform

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Pair = tuple[Callable[..., Any], Callable[..., Any]]
    Param = dict[str, Any]
    Shape = tuple[int, ...]

STATISTICS = ("running_mean", "running_var")


@frozen
class BatchnormCase(Case):
    """Sizes and settings of batch normalization: x and out (N, D) or (N, T, D), gamma and beta (D,)."""

    layer: ClassVar[str] = "batchnorm"

    N: int = size(6, "samples")
    D: int = size(4, "features")
    T: int = size(1, "steps: above 1, x is (N, T, D)")
    mode: str = choice("train", "normalizes by the batch, or by the running statistics", "test")
    eps: float = real(1e-5, "added to the variance", 1e-2, 0.1, low=1e-12)
    momentum: float = real(0.9, "share of the running statistics that is kept", 0.0, 0.5, 1.0, high=1.0)

    def label(self) -> str:
        """Name the geometry: `6x4 train eps 1e-05 momentum 0.9`."""
        sizes = "x".join(map(str, (self.N, *([self.T] if self.T > 1 else []), self.D)))
        return f"{sizes} {self.mode} eps {self.eps:g} momentum {self.momentum:g}"


def batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, and the cache.

    In mode "train" mean and variance (divided by N) are the batch's, and are blended into "running_mean" and
    "running_var" of `bn_param`: momentum * old + (1 - momentum) * the batch's. In "test" they are these.
    Of an x (N, T, D) each step of each sample counts as a sample.
    """
    train = bn_param["mode"] == "train"
    shape, x = x.shape, x.reshape(-1, x.shape[-1])
    if train:
        mean, variance = x.mean(axis=0), x.var(axis=0)
        for name, found in (("running_mean", mean), ("running_var", variance)):
            bn_param[name] = bn_param["momentum"] * bn_param[name] + (1 - bn_param["momentum"]) * found
    else:
        mean, variance = bn_param["running_mean"], bn_param["running_var"]
    deviation = np.sqrt(variance + bn_param["eps"])
    normal = (x - mean) / deviation
    return (gamma * normal + beta).reshape(shape), (normal, gamma, deviation, train)


def batchnorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Carry dout (N, D) or (N, T, D) back.

    With z = (x - m) / s, s = sqrt(v + eps), g = gamma dout, each feature for itself (Ioffe and Szegedy, 2015, section
    3, simplified as in Kevin Zakka's note): dm/dx_i = 1/N and dv/dx_i = 2 (x_i - m) / N, so dz_j/dx_i =
    (delta_ij - 1/N - z_i z_j / N) / s, where the second term goes through the mean and the third through the variance.
    Summed over j with g_j: dx = (g - mean(g) - z mean(g z)) / s. In test mode m and s are constants: dx = g / s.
    """
    normal, gamma, deviation, train = cache
    shape, dout = dout.shape, dout.reshape(normal.shape)
    dnormal = dout * gamma
    dx = dnormal / deviation
    if train:
        dx = (dnormal - dnormal.mean(axis=0) - normal * (dnormal * normal).mean(axis=0)) / deviation
    return dx.reshape(shape), (dout * normal).sum(axis=0), dout.sum(axis=0)


def batch_problem(case: Case, shape: Shape, axes: Mapping[str, tuple[Axis, ...]], pair: Pair) -> Problem:
    """Draw the arrays of a batch normalization whose features are the second axis of x.

    Running variances are positive, and neither statistic is where it would start. Courses call no backward in mode
    "test", and many of their layers leave no cache there.

    Args:
        case: with mode, eps and momentum.
        shape: of x.
        axes: of inputs, outputs and state.
        pair: the reference.
    """
    source, one = case.source(), shape[1:2]
    x, gamma, beta, running_mean, running_var = (signed_uniform(source, own) for own in (shape, one, one, one, one))
    posed = make_problem(
        case,
        axes=axes,
        inputs={"x": x, "gamma": gamma, "beta": beta},
        source=source,
        parameters={
            **{name: case.geometry[name] for name in ("mode", "eps", "momentum")},
            "running_mean": running_mean,
            "running_var": abs(running_var),
        },
        reference=pair,
        state=STATISTICS,  # which have no axes but that of features: samples, and places in them, meet there
        scale=_scale,
        gradient_scale=_gradient_scale,
    )
    return replace(posed, cache_optional=case.geometry["mode"] == "test")


def _normal(x: Array, param: Param) -> tuple[Array, Array]:
    """Return (|x| + |mean|) / s, in mode "train" with the mean of |x|, and s."""
    if param["mode"] == "train":
        return absolute(x, batch_mean, param["eps"])
    deviation = np.sqrt(by_feature(param["running_var"], x) + param["eps"])
    return (abs(x) + abs(by_feature(param["running_mean"], x))) / deviation, deviation


def _scale(x: Array, gamma: Array, beta: Array, param: Param) -> tuple[Array, ...]:
    out = abs(by_feature(gamma, x)) * _normal(x, param)[0] + abs(by_feature(beta, x))
    kept, added = (param["momentum"], 1 - param["momentum"]) if param["mode"] == "train" else (1, 0)
    seen = (batch_mean(abs(x)).reshape(-1), batch_mean(x**2).reshape(-1))
    old = (abs(param["running_mean"]), param["running_var"])
    return out, *(kept * statistic + added * found for statistic, found in zip(old, seen, strict=True))


def _gradient_scale(dout: Array, x: Array, gamma: Array, _beta: Array, param: Param) -> dict[str, Array]:
    """Sum the absolute values of the terms of dgamma, and in mode "train" of dx."""
    terms = abs(dout) * _normal(x, param)[0]
    found = {"gamma": terms.sum(axis=(0, *range(2, x.ndim)))}
    if param["mode"] == "train":
        found["x"] = absolute_dx(dout * by_feature(gamma, x), x, batch_mean, param["eps"])
    return found


AXES = declare(x="N D", gamma="D", beta="D", out="N D", running_mean="D", running_var="D")


def problem(case: BatchnormCase) -> Problem:
    """Draw a case's arrays."""
    pair = (batchnorm_forward, batchnorm_backward)
    posed = batch_problem(case, (case.N * case.T, case.D), AXES, pair)
    if case.T == 1:
        return posed
    # In memory steps are samples; only the shapes of x and out say otherwise.
    shape = (case.N, case.T, case.D)
    return replace(
        posed,
        inputs={**posed.inputs, "x": posed.inputs["x"].reshape(shape)},
        outputs={**posed.outputs, "out": shape},
        axes={**AXES, **declare(x="N T D", out="N T D")},
        gradient_scale={name: s.reshape(shape) if name == "x" else s for name, s in posed.gradient_scale.items()},
        skip_reason="it does not normalize an x of three axes over samples and steps",
        meaning_open=True,
    )


def standard() -> tuple[BatchnormCase, ...]:
    """Both modes; one feature; two samples, of which little but eps is left; eps and momentum that matter; T."""
    train = [
        (6, 4, 1e-5, 0.9),
        (5, 3, 1e-2, 0.5),
        (4, 1, 1e-5, 0.9),
        (3, 5, 0.1, 0.0),
        (2, 3, 1e-2, 0.9),
        (8, 2, 1e-3, 1.0),
    ]
    test = [(6, 4, 1e-5, 0.9), (3, 2, 1e-2, 0.5), (1, 3, 1e-5, 0.9)]
    return (
        *(
            BatchnormCase(N=N, D=D, eps=eps, momentum=momentum, mode=mode)
            for mode, rows in (("train", train), ("test", test))
            for N, D, eps, momentum in rows
        ),
        BatchnormCase(N=3, T=2, D=4),
    )


LAYER = Layer(
    case=BatchnormCase,
    inputs=("x", "gamma", "beta"),
    make_problem=problem,
    standard=standard,
    builtin={"vectorized": (batchnorm_forward, batchnorm_backward)},
    probe_cases=(BatchnormCase(N=5, D=3),),
    faults=lambda case, problem: () if case.T > 1 else batch_faults(case, problem),
    forward_faults=lambda case, problem, out: () if case.T > 1 else batch_forward_faults(case, problem, out),
    # Of one sample nothing but beta is left.
    has_nonzero_gradient=lambda case: case.N * case.T > 1 or case.mode == "test",
    param="bn_param",
    state=STATISTICS,
)
