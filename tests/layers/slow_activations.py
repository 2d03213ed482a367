"""Activations by their definitions, one number at a time, for complex numbers too; `slow.py` says why."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


def _erf(z: complex) -> complex:
    """Sum the Maclaurin series, whose terms alternate: good for small arguments."""
    terms = [(-1) ** n * z ** (2 * n + 1) / (math.factorial(n) * (2 * n + 1)) for n in range(30)]
    return 2 / math.sqrt(math.pi) * sum(terms, start=0j)


def _gelu(v: complex, approximate: str) -> complex:
    if approximate == "tanh":
        return 0.5 * v * (1 + cmath.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))
    if approximate == "sigmoid":
        return v / (1 + cmath.exp(-1.702 * v))
    return 0.5 * v * (1 + _erf(v / math.sqrt(2)))


#: From a number and the parameters to a number.
_FUNCTIONS: Mapping[str, Callable[..., complex]] = {
    "leaky-relu": lambda v, p: v if v.real > 0 else p["alpha"] * v,
    "elu": lambda v, p: v if v.real > 0 else p["alpha"] * (cmath.exp(v) - 1),
    "gelu": lambda v, p: _gelu(v, p["approximate"]),
    "silu": lambda v: v / (1 + cmath.exp(-v)),
    "softplus": lambda v: cmath.log(1 + cmath.exp(v)),
}


def _each(function: Callable[..., complex]) -> Callable[..., list[Any]]:
    def layer(x: Array, *given: Any) -> list[Any]:
        return [np.array([function(v, *given) for v in x.reshape(-1)]).reshape(x.shape)]

    return layer


def _softmax(x: Array, *, logarithm: bool) -> list[Any]:
    out = np.zeros(x.shape, complex)
    for n, c in np.ndindex(x.shape):
        total = sum(cmath.exp(v - x[n, c]) for v in x[n])
        out[n, c] = -cmath.log(total) if logarithm else 1 / total
    return [out]


ACTIVATIONS = {
    "softmax-activation": lambda x: _softmax(x, logarithm=False),
    "log-softmax": lambda x: _softmax(x, logarithm=True),
    **{name: _each(function) for name, function in _FUNCTIONS.items()},
}
