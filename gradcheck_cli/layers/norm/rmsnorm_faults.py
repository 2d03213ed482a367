"""Faults of RMS normalization, as equations that replace the right ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.framework import equations
from gradcheck_cli.layers.framework.equations import fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gradcheck_cli.layers.framework.equations import EquationFault, Equations
    from gradcheck_cli.layers.framework.fault import Fault, ForwardFault
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.layers.norm.rmsnorm import RmsnormCase
    from gradcheck_cli.numeric.arrays import Array


def _mean(array: Array) -> Array:
    return np.asarray(array.mean(axis=-1, keepdims=True))


_FORWARD: Equations = {
    "square": lambda v: _mean(v.x * v.x),
    "s": lambda v: np.sqrt(v.square + v.eps),
    "z": lambda v: v.x / v.s,
    "out": lambda v: v.gamma * v.z,
}
#: dx = g / r - through z mean(g z) / r2, in which r and r2 are s but in faults.
_BACKWARD: Equations = {
    **_FORWARD,
    "g": lambda v: v.gamma * v.dout,
    "through": 1.0,
    "product": lambda v: _mean(v.g * v.z),
    "r": lambda v: v.s,
    "r2": lambda v: v.s,
    "dx": lambda v: v.g / v.r - v.through * v.z * v.product / v.r2,
    "factor": lambda v: v.z,
    "dgamma": lambda v: (v.dout * v.factor).sum(axis=tuple(range(v.dout.ndim - 1))),
}

_DX = "dx = (g - z mean(g z)) / s, with g = gamma dout, z = x / s and s = sqrt(mean(x^2) + eps)."
_OUT = "out = gamma x / sqrt(mean(x^2) + eps)."
_TERM = "the term through the mean square"


def _power(power: int, v: Any) -> Any:
    return v.s**power


def _in_backward(case: RmsnormCase) -> Iterator[EquationFault]:
    rows: list[tuple[str, str, float]] = [
        ("variance-path", f"{_TERM} is missing", 0),
        ("variance-sign", f"{_TERM} has the wrong sign", -1),
    ]
    if case.D > 2:
        rows += [
            ("variance-path", f"{_TERM} is twice what it should be", 2),
            ("variance-path", f"{_TERM} is half of what it should be", 0.5),
            ("sum-not-mean", f"{_TERM} is a sum over D elements, not their mean", case.D),
            ("divided-twice", f"{_TERM} is divided by D twice", 1 / case.D),
        ]
    for code, words, through in rows:
        yield fault(code, words, _DX, through=through)
    yield fault("gamma-missing", "gamma is missing", _DX, g=lambda v: v.dout)
    yield fault("scale-missing", "the division by s is missing", _DX, r=1.0, r2=1.0)
    for power in (0, 2, 3):
        words = f"{_TERM} has (mean(x^2) + eps)^(-{(power + 2) / 2:g}) x, not (mean(x^2) + eps)^(-1.5) x"
        yield fault("variance-power", words, _DX, r2=partial(_power, power))
    less = "the mean of g is subtracted, as in layer normalization"
    yield fault("mean-path", less, _DX, dx=lambda v: (v.g - _mean(v.g) - v.z * v.product) / v.s)
    yield fault("not-normalized", "dout is multiplied by x, not by z", "dgamma = sum(dout z).", factor=lambda v: v.x)
    yield fault(
        "not-normalized", "dout is multiplied by out, not by z", "dgamma = sum(dout z).", factor=lambda v: v.out
    )


def _in_forward(case: RmsnormCase) -> Iterator[EquationFault]:
    yield fault("eps-missing", "eps is not added to the mean square", _OUT, s=lambda v: np.sqrt(v.square))
    outside = "eps is added to the root of the mean square, not to the mean square"
    yield fault("eps-outside-root", outside, _OUT, s=lambda v: np.sqrt(v.square) + v.eps)
    yield fault(
        "root-missing", "mean(x^2) + eps is used in place of its square root", _OUT, s=lambda v: v.square + v.eps
    )
    yield fault("gamma-missing", "gamma is missing", _OUT, out=lambda v: v.z)
    if case.D > 1:
        summed = "the sum of squares is used in place of their mean"
        yield fault("sum-not-mean", summed, _OUT, square=lambda v: _mean(v.x * v.x) * v.x.shape[-1])
        variance = "the variance is used in place of the mean square"
        yield fault("mean-path", variance, _OUT, square=lambda v: _mean(v.x * v.x) - _mean(v.x) ** 2)


def faults(case: RmsnormCase, _: Problem) -> Iterator[Fault]:
    """Yield the faults of backward in a case."""

    def given(inputs: Mapping[str, Array], cotangent: Array) -> dict[str, Any]:
        return {**inputs, **case.settings, "dout": cotangent}

    return equations.backward_faults(_BACKWARD, _in_backward(case), given)


def forward_faults(case: RmsnormCase, problem: Problem, _: Array) -> Iterator[ForwardFault]:
    """Yield the faults of forward in a case."""
    return equations.forward_faults(_FORWARD, _in_forward(case), {**problem.inputs, **case.settings}, ["out"])
