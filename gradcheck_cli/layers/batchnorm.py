"""Batch normalisation: each feature is shifted and scaled to mean 0 and variance 1 over the batch."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.arrays import signed_uniform
from gradcheck_cli.layers.coupling import per_unit
from gradcheck_cli.layers.layer import Axis, Case, Fault, Layer
from gradcheck_cli.layers.parameter import choice, real, size
from gradcheck_cli.layers.pose import pose
from gradcheck_cli.layers.vocabulary import simple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.layers.layer import Problem

    Param = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BatchnormCase(Case):
    """Sizes and settings of batch normalisation: x and out (N, D), gamma and beta (D,)."""

    layer: ClassVar[str] = "batchnorm"

    N: int = size(6, "samples")
    D: int = size(4, "features")
    mode: str = choice("train", "normalises by the batch, or by the running statistics", "test")
    eps: float = real(1e-5, "added to the variance", low=1e-12)
    momentum: float = real(0.9, "share of the running statistics that is kept", high=1.0)

    def label(self) -> str:
        """Name the geometry: `6x4 train eps 1e-05 momentum 0.9`."""
        return f"{self.N}x{self.D} {self.mode} eps {self.eps:g} momentum {self.momentum:g}"


def batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: Param) -> tuple[Array, tuple[Any, ...]]:
    """Return out = gamma (x - mean) / sqrt(variance + eps) + beta, and the cache.

    In mode "train" mean and variance (divided by N) are the batch's, and are blended into "running_mean" and
    "running_var" of `bn_param`: momentum * old + (1 - momentum) * the batch's. In "test" they are these.
    """
    train = bn_param["mode"] == "train"
    if train:
        mean, variance = x.mean(axis=0), x.var(axis=0)
        for name, found in (("running_mean", mean), ("running_var", variance)):
            bn_param[name] = bn_param["momentum"] * bn_param[name] + (1 - bn_param["momentum"]) * found
    else:
        mean, variance = bn_param["running_mean"], bn_param["running_var"]
    deviation = np.sqrt(variance + bn_param["eps"])
    normal = (x - mean) / deviation
    return gamma * normal + beta, (normal, gamma, deviation, train)


def batchnorm_backward(dout: Array, cache: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """Carry dout (N, D) back.

    With z = (x - m) / s, s = sqrt(v + eps), g = gamma dout, each feature for itself (Ioffe and Szegedy, 2015, section
    3, simplified as in Kevin Zakka's note): dm/dx_i = 1/N and dv/dx_i = 2 (x_i - m) / N, so dz_j/dx_i =
    (delta_ij - 1/N - z_i z_j / N) / s, where the second term is the way by the mean and the third that by the variance.
    Summed over j with g_j: dx = (g - mean(g) - z mean(g z)) / s. In test mode m and s are constants: dx = g / s.
    """
    normal, gamma, deviation, train = cache
    dnormal = dout * gamma
    dx = dnormal / deviation
    if train:
        dx = (dnormal - dnormal.mean(axis=0) - normal * (dnormal * normal).mean(axis=0)) / deviation
    return dx, (dout * normal).sum(axis=0), dout.sum(axis=0)


_SAMPLE = Axis(name="sample", index="n", size="N")
_FEATURE = Axis(name="feature", index="d", size="D")


def problem(case: BatchnormCase) -> Problem:
    """Draw a case's arrays; running variances are positive, and neither statistic is where it would start."""
    source = random.Random(case.seed)  # noqa: S311  # arrays to compute with, not secrets
    inputs = {
        "x": signed_uniform(source, (case.N, case.D)),
        "gamma": signed_uniform(source, (case.D,)),
        "beta": signed_uniform(source, (case.D,)),
    }
    statistics = {
        "running_mean": signed_uniform(source, (case.D,)),
        "running_var": abs(signed_uniform(source, (case.D,))),
    }
    one = (_FEATURE,)
    return pose(
        case,
        source,
        inputs,
        parameters={"mode": case.mode, "eps": case.eps, "momentum": case.momentum, **statistics},
        reference=(batchnorm_forward, batchnorm_backward),
        scale=_scale,
        gradient_scale=_gradient_scale,
        axes={
            **dict.fromkeys(("x", "out"), (_SAMPLE, _FEATURE)),
            **dict.fromkeys(("gamma", "beta", "running_mean", "running_var"), one),
        },
        couples=dict.fromkeys(inputs, per_unit),
        state=("running_mean", "running_var"),
    )


def _scale(x: Array, gamma: Array, beta: Array, param: Param) -> tuple[Array, ...]:
    train = param["mode"] == "train"
    mean, variance = (x.mean(axis=0), x.var(axis=0)) if train else (param["running_mean"], param["running_var"])
    out = abs(gamma) * (abs(x) + abs(x).mean(axis=0) + abs(mean)) / np.sqrt(variance + param["eps"]) + abs(beta)
    kept, added = (param["momentum"], 1 - param["momentum"]) if train else (1, 0)
    running = kept * abs(param["running_mean"]) + added * abs(x).mean(axis=0)
    return out, running, kept * param["running_var"] + added * (x**2).mean(axis=0)


def _gradient_scale(dout: Array, x: Array, gamma: Array, _beta: Array, param: Param) -> dict[str, Array]:
    """Sum the absolute values of the three terms of dx, and of dgamma's: with x - m, digits are lost in each."""
    if param["mode"] != "train":
        deviation = np.sqrt(param["running_var"] + param["eps"])
        return {"gamma": (abs(dout) * (abs(x) + abs(param["running_mean"])) / deviation).sum(axis=0)}
    deviation = np.sqrt(x.var(axis=0) + param["eps"])
    normal = (abs(x) + abs(x).mean(axis=0)) / deviation
    g = abs(dout * gamma)
    dx = (g + g.mean(axis=0) + normal * (g * normal).mean(axis=0)) / deviation
    return {"x": dx, "gamma": (abs(dout) * normal).sum(axis=0)}


def faults(case: BatchnormCase, problem: Problem) -> Iterator[Fault]:
    """Yield the ways that are left out of dx, and other divisors."""
    if case.mode != "train":
        return

    def fault(code: str, cause: str, remedy: str, dx: Callable[[Array, Array, Array], Array]) -> Fault:
        def gradients(inputs: Mapping[str, Array], dout: Array) -> Mapping[str, Array]:
            x, gamma, _ = inputs.values()
            deviation = np.sqrt(x.var(axis=0) + case.eps)
            dnormal = problem.parts(dout)["out"] * gamma
            return {"x": dx(dnormal, (x - x.mean(axis=0)) / deviation, deviation)}

        return Fault(code=code, cause=cause, remedy=remedy, gradients=gradients)

    total = "dx = (g - mean(g) - z mean(g z)) / s, with g = gamma dout, z = (x - mean) / s and s = sqrt(var + eps)."
    yield fault(
        "variance-path",
        "In {names} the way by the variance is left out.",
        total,
        lambda g, _, s: (g - g.mean(axis=0)) / s,
    )
    yield fault(
        "mean-path",
        "In {names} the way by the mean is left out.",
        total,
        lambda g, z, s: (g - z * (g * z).mean(axis=0)) / s,
    )
    yield fault(
        "statistics-constant", "In {names} mean and variance are taken for constants.", total, lambda g, _, s: g / s
    )
    n = case.N - 1
    if n:
        yield fault(
            "divided-by-n-minus-1",
            "In {names} it is divided by N - 1 where the mean and the variance are divided by N.",
            "Divide by N, as forward does.",
            lambda g, z, s: (g - g.sum(axis=0) / n - z * (g * z).sum(axis=0) / n) / s,
        )
        yield fault(
            "divided-by-n-minus-1",
            "In {names} the way by the variance is divided by N - 1, where the variance is by N.",
            "Divide by N, as forward does.",
            lambda g, z, s: (g - g.mean(axis=0) - z * (g * z).sum(axis=0) / n) / s,
        )
    yield fault(
        "eps-missing",
        "In {names} eps is not added to the variance.",
        "Take s = sqrt(var + eps), as forward does.",
        lambda g, z, s: _without_eps(g, z, s, case.eps),
    )


def _without_eps(g: Array, z: Array, s: Array, eps: float) -> Array:
    own = np.sqrt(s**2 - eps)
    z = z * s / own
    return np.asarray((g - g.mean(axis=0) - z * (g * z).mean(axis=0)) / own)


def standard() -> tuple[BatchnormCase, ...]:
    """Both modes; one feature; two samples, of which little but eps is left; eps and momentum that matter."""
    train = [
        (6, 4, 1e-5, 0.9),
        (5, 3, 1e-2, 0.5),
        (4, 1, 1e-5, 0.9),
        (3, 5, 0.1, 0.0),
        (2, 3, 1e-2, 0.9),
        (8, 2, 1e-3, 1.0),
    ]
    test = [(6, 4, 1e-5, 0.9), (3, 2, 1e-2, 0.5), (1, 3, 1e-5, 0.9)]
    return tuple(
        BatchnormCase(N=N, D=D, eps=eps, momentum=momentum, mode=mode)
        for mode, rows in (("train", train), ("test", test))
        for N, D, eps, momentum in rows
    )


LAYER = Layer(
    name="batchnorm",
    title="batch normalisation",
    command="gradcheck batchnorm",
    case=BatchnormCase,
    inputs=("x", "gamma", "beta"),
    problem=problem,
    standard=standard,
    builtin={"vectorised": (batchnorm_forward, batchnorm_backward)},
    vocabulary=simple(
        ("batchnorm", "batch_norm", "bn"),
        others=("spatial", "layernorm", "layer_norm", "group", "instance", "relu", "conv", "affine"),
        inputs={"x": ("x",), "gamma": ("gamma",), "beta": ("beta",)},
        axes={"x": "N D", "gamma": "D", "beta": "D", "out": "N D"},
    ),
    trials=(BatchnormCase(N=5, D=3),),
    faults=faults,
    param="bn_param",
    state=("running_mean", "running_var"),
)
