"""The affine (fully connected) layer, out = x w + b, and the same at each step of a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import FEATURE, SAMPLE, Axis, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.fault import Fault, Gradients
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

#: Of an x of three axes, the one in the middle.
_PART = Axis(name="row", letter="i", size="split")


@frozen
class AffineCase(Case):
    """Sizes of an affine layer: x (N, D), w (D, M), b (M,), out (N, M)."""

    layer = "affine"
    axes = declare(x="N D", w="D M", b="M", out="N M")
    divides: ClassVar = {"split": ("D", 5)}

    N: int = size(4, "samples")
    D: int = size(6, "features of a sample")
    M: int = size(3, "units")
    split: int = size(1, "above 1, x is (N, split, D / split)")

    @property
    def array_axes(self) -> Mapping[str, tuple[Axis, ...]]:
        """The axes of the arrays: of x three, where it is split."""
        return self.axes if self.split == 1 else {**self.axes, "x": (SAMPLE, _PART, FEATURE)}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the inputs."""
        x = (self.N, self.D) if self.split == 1 else (self.N, self.split, self.D // self.split)
        return {"x": x, "w": (self.D, self.M), "b": (self.M,)}

    @property
    def skip_reason(self) -> str | None:
        """Why a forward that raises may be right, or None."""
        return "it does not flatten an x of three axes, or cannot" if self.split > 1 else None


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    """Return out = x w + b, with each sample of x (N, ...) as one row of D features; and the cache."""
    return x.reshape(x.shape[0], -1) @ w + b, (x, w)


def affine_backward(dout: Array, cache: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """Return dx, dw and db for dout (N, M).

    out[n, m] = b[m] + sum_d x[n, d] w[d, m]. So x[n, d] reaches out[n, m] by w[d, m], w[d, m] reaches it by x[n, d],
    and b[m] by 1: dx = dout w', dw = x' dout, db = sum_n dout. (Any text on backpropagation; Goodfellow, Bengio and
    Courville, Deep Learning, algorithm 6.4.)
    """
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(x.shape[0], -1).T @ dout, dout.sum(axis=0)


def faults(case: AffineCase, _: Problem) -> Iterator[Fault]:
    """Yield the product with w in place of its transpose."""

    def not_transposed(inputs: Gradients, dout: Array) -> Gradients:
        return {"x": (dout @ inputs["w"]).reshape(case.shapes["x"])}

    if case.D == case.M:
        yield Fault("matrix-not-transposed", "In {names} w is not transposed.", "dx is `dout @ w.T`.", not_transposed)


LAYER = Layer(
    case=AffineCase,
    builtin={"matrix": (affine_forward, affine_backward)},
    # No two sizes equal, a size of 1 each, a square w, and an x of three axes.
    standard=lambda: AffineCase.rows(
        "N D M split",
        *((4, 6, 3, 1), (3, 4, 4, 1), (1, 5, 2, 1), (5, 1, 3, 1), (3, 4, 1, 1), (1, 1, 1, 1), (2, 6, 5, 2)),
    ),
    faults=faults,
)


@frozen
class TemporalAffineCase(Case):
    """Sizes of a temporal affine layer: x (N, T, D), w (D, M), b (M,), out (N, T, M)."""

    layer = "temporal-affine"
    axes = declare(x="N T D", w="D M", b="M", out="N T M")

    N: int = size(3, "samples")
    T: int = size(4, "steps")
    D: int = size(5, "features of a step")
    M: int = size(2, "units")


def temporal_affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    """Return out = x w + b at each step of x (N, T, D), and the cache."""
    rows, _ = affine_forward(x.reshape(-1, x.shape[2]), w, b)
    return rows.reshape(*x.shape[:2], -1), (x, w)


def temporal_affine_backward(dout: Array, cache: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """Return dx, dw and db for dout (N, T, M).

    A step of a sample is to this layer what a sample is to an affine one: the derivation is that of `affine_backward`,
    with N T rows, over all of which dw and db are summed.
    """
    x, w = cache
    dx, dw, db = affine_backward(dout.reshape(-1, dout.shape[2]), (x.reshape(-1, x.shape[2]), w))
    return dx.reshape(x.shape), dw, db


TEMPORAL = Layer(
    case=TemporalAffineCase,
    builtin={"matrix": (temporal_affine_forward, temporal_affine_backward)},
    # No two sizes equal, a size of 1 each, and a square w.
    standard=lambda: TemporalAffineCase.rows(
        "N T D M", (3, 4, 5, 2), (2, 3, 4, 4), (1, 3, 5, 2), (4, 1, 2, 3), (2, 5, 1, 3), (2, 3, 4, 1)
    ),
)
