"""Normalization: each set of elements is shifted and scaled to mean 0 and variance 1, then by gamma and beta.

Batch, spatial batch, layer and group normalization are one formula, in which a set extends over different axes:
out = gamma z + beta, with z = (x - mean) / s and s = sqrt(variance + eps). RMS normalization is the same without mean
and beta.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import Equations, equations
from gradcheck_cli.layers.framework.faults import misread
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names

Axes = int | tuple[int, ...]


def standardize(x: Array, axes: Axes, eps: float) -> tuple[Array, Array]:
    """Return z = (x - mean) / s and s = sqrt(variance + eps), of which the variance is divided by the number N."""
    s = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    return (x - x.mean(axis=axes, keepdims=True)) / s, s


def standardize_backward(g: Array, z: Array, s: Array, axes: Axes) -> Array:
    """Return the gradient of x for the cotangent g of z.

    Within a set of N elements, dmean/dx_i = 1/N and dvariance/dx_i = 2 (x_i - mean) / N, so
    dz_j/dx_i = (delta_ij - 1/N - z_i z_j / N) / s: the second term goes through the mean, the third through the
    variance. Summed over j with g_j: dx = (g - mean(g) - z mean(g z)) / s. (Ioffe and Szegedy, 2015, section 3,
    simplified as in Kevin Zakka's note.)
    """
    through_variance = z * (g * z).mean(axis=axes, keepdims=True)
    return np.asarray((g - g.mean(axis=axes, keepdims=True) - through_variance) / s)


@frozen
class Normalization:
    """The sets of a normalization, and what shares an element of gamma and beta, by the axes of x.

    Arrays are those of a layer, whose x is reshaped so that groups of channels have an axis of their own.
    """

    axes: tuple[Axis, ...]
    shape: tuple[int, ...]  #: the sizes of `axes`
    over: tuple[Axis, ...]  #: those of a set
    own: tuple[Axis, ...]  #: those of gamma and beta
    of: str = ""  #: what a set belongs to, " of a sample"
    shifts: bool = True  #: whether x is shifted to mean 0, and the output by beta

    @classmethod
    def along_axes(cls, case: Case, over: tuple[Axis, ...] = (), of: str = "") -> Normalization:
        """Return the sets of a case that extend over some axes of x, by default over all that gamma lacks."""
        axes, own = case.array_axes["x"], case.axes["gamma"]
        over = over or tuple(axis for axis in axes if axis not in own)
        return cls(axes=axes, shape=case.shapes["x"], over=over, own=own, of=of, shifts="beta" in case.axes)

    @property
    def size(self) -> str:
        """How the number of elements of a set is written, N H W."""
        return " ".join(axis.size for axis in self.over)

    @property
    def count(self) -> int:
        """The number of elements of a set."""
        return math.prod(self.shape[self.axes.index(axis)] for axis in self.over)

    @property
    def words(self) -> str:
        """The axes that a set extends over, in words: `features of a sample`."""
        return f"{join_names(axis.plural for axis in self.over)}{self.of}"

    @property
    def moment(self) -> str:
        """What s is made of, in words."""
        return "variance" if self.shifts else "mean square"

    @property
    def symbol(self) -> str:
        """How that is written in a formula."""
        return "var" if self.shifts else "mean(x^2)"

    def mean(self, x: Array, over: str | None = None) -> Array:
        """Average over the axes of a set, or over those of other sizes, which are kept with size 1."""
        sizes = (over or self.size).split()
        return np.asarray(x.mean(axis=tuple(k for k, a in enumerate(self.axes) if a.size in sizes), keepdims=True))

    def total(self, terms: Array) -> Array:
        """Sum all that shares an element of gamma."""
        return np.asarray(terms.sum(axis=tuple(k for k, axis in enumerate(self.axes) if axis not in self.own)).ravel())

    def spread(self, values: Array) -> Array:
        """Lay an array like gamma along its axes."""
        return values.reshape(
            [size if axis in self.own else 1 for axis, size in zip(self.axes, self.shape, strict=True)]
        )

    def given(
        self, inputs: Mapping[str, Array], parameters: Mapping[str, Any], dout: Array | None = None
    ) -> dict[str, Any]:
        """Return the values that the equations below start from."""
        x = inputs["x"]
        found = {"norm": self, "misread": misread, "shape": x.shape, "x": x.reshape(self.shape), **parameters}
        found |= {name: self.spread(inputs[name]) if name in inputs else 0.0 for name in ("gamma", "beta")}
        if "running_mean" in parameters:
            found |= {f"old_{name}": np.asarray(parameters[f"running_{name}"], x.dtype) for name in ("mean", "var")}
        return found if dout is None else found | {"dout": dout.reshape(self.shape)}


#: Of forward, and of the running statistics in train mode. Constants are there for faults to replace.
_FORWARD = equations("""
    x = x
    over_in_forward = norm.size
    mean = norm.mean(x, over_in_forward) if norm.shifts else np.zeros(())
    centred = x - mean
    variance = norm.mean(centred**2, over_in_forward)
    correction = 1.0
    s = np.sqrt(variance * correction + eps)
    z = centred / s
    scaled = gamma * z + beta
    out = scaled.reshape(shape)
""")
_RUNNING = equations("""
    kept = momentum
    added = 1 - momentum
    batch_mean = norm.mean(x).ravel()
    batch_var = norm.mean((x - norm.mean(x)) ** 2).ravel()
    running_mean = kept * old_mean + added * batch_mean
    running_var = kept * old_var + added * batch_var
""")
#: Of dx = (g - through_mean mean(g)) / s1 - through_variance z mean(g z) / s2, dgamma and dbeta.
_BACKWARD = equations("""
    g = gamma * dout
    over = norm.size
    through_mean = float(norm.shifts)
    through_variance = 1.0
    r = s
    s1 = s
    power = 3
    s2 = s ** (power - 2)
    without_variance = (g - through_mean * norm.mean(g, over)) / s1
    of_variance = through_variance * z * norm.mean(g * z, over) / s2
    dx = (without_variance - of_variance).reshape(shape)
    cotangent = dout
    factor = z
    dgamma = norm.total(cotangent * factor)
    dbeta = norm.total(cotangent)
""")
#: In test mode mean and variance are constants.
_CONSTANT = equations("mean = norm.spread(old_mean); variance = norm.spread(old_var); kept = 1.0; added = 0.0")


def is_constant(parameters: Mapping[str, Any]) -> bool:
    """Tell whether mean and variance are constants, as in test mode."""
    return parameters.get("mode") == "test"


def forward_equations(parameters: Mapping[str, Any]) -> Equations:
    """Return the equations of forward, those of `standardize` one by one."""
    found = {**_FORWARD, **(_RUNNING if "momentum" in parameters else {})}
    return {**found, **_CONSTANT} if is_constant(parameters) else found


def backward_equations(parameters: Mapping[str, Any]) -> Equations:
    """Return the equations of backward after those of forward that it needs, where `given` has a dout."""
    forward = {name: forward_equations(parameters)[name] for name in _FORWARD if name != "out"}
    constants = equations("through_mean = 0.0; through_variance = 0.0") if is_constant(parameters) else {}
    return {**forward, **_BACKWARD, **constants}
