"""The affine (fully connected) layer: out = x w + b."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import FEATURE, SAMPLE, Axis, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.drawing import multiple
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.make_problem import make_problem
from gradcheck_cli.layers.framework.parameter import size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


@frozen
class AffineCase(Case):
    """Sizes of an affine layer: x (N, D), w (D, M), b (M,), out (N, M)."""

    layer: ClassVar[str] = "affine"

    N: int = size(4, "samples")
    D: int = size(6, "features of a sample")
    M: int = size(3, "units")
    split: int = size(1, "above 1, x is (N, split, D / split)")

    @property
    def x_shape(self) -> tuple[int, ...]:
        """Shape of x."""
        return (self.N, self.D) if self.split == 1 else (self.N, self.split, self.D // self.split)

    def impossible(self) -> str | None:
        """Say why there is no such layer, or None."""
        return f"split {self.split} must divide D {self.D}" if self.D % self.split else None

    def label(self) -> str:
        """Name the geometry: `4x6 * 6x3`."""
        return f"{'x'.join(map(str, self.x_shape))} * {self.D}x{self.M}"


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, tuple[Array, Array]]:
    """Return out = x w + b, with each sample of x (N, ...) as one row of D features; and the cache."""
    return x.reshape(x.shape[0], -1) @ w + b, (x, w)


def affine_backward(dout: Array, cache: tuple[Array, Array]) -> tuple[Array, Array, Array]:
    """Carry dout (N, M) back.

    out[n, m] = b[m] + sum_d x[n, d] w[d, m]. So x[n, d] reaches out[n, m] by w[d, m], w[d, m] reaches it by x[n, d],
    and b[m] by 1: dx = dout w', dw = x' dout, db = sum_n dout. (Any text on backpropagation; Goodfellow, Bengio and
    Courville, Deep Learning, algorithm 6.4.)
    """
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(x.shape[0], -1).T @ dout, dout.sum(axis=0)


AXES = declare(x="N D", w="D M", b="M", out="N M")

#: Of an x of three axes, the one in the middle.
_PART = Axis(name="row", index="i", size="split")


def problem(case: AffineCase) -> Problem:
    """Draw a case's arrays."""
    posed = make_problem(
        case,
        axes=AXES if case.split == 1 else {**AXES, "x": (SAMPLE, _PART, FEATURE)},
        shapes={"x": case.x_shape},
        reference=(affine_forward, affine_backward),
    )
    return replace(posed, skip_reason="it does not flatten an x of three axes, or cannot" if case.split > 1 else None)


def standard() -> tuple[AffineCase, ...]:
    """Sizes of which none is like another, one of each, a square w, and x of three axes."""
    rows = [(4, 6, 3, 1), (3, 4, 4, 1), (1, 5, 2, 1), (5, 1, 3, 1), (3, 4, 1, 1), (1, 1, 1, 1), (2, 6, 5, 2)]
    return tuple(AffineCase(N=N, D=D, M=M, split=split) for N, D, M, split in rows)


def _faults(case: AffineCase, _: Problem) -> Iterator[Fault]:
    """Yield the product with w where its transpose is due."""
    if case.D == case.M:
        yield Fault(
            code="matrix-not-transposed",
            cause="In {names} w is not transposed.",
            remedy="dx is `dout @ w.T`.",
            gradients=lambda inputs, dout: {"x": (dout @ inputs["w"]).reshape(case.x_shape)},
        )


LAYER = Layer(
    case=AffineCase,
    inputs=("x", "w", "b"),
    problem=problem,
    standard=standard,
    builtin={"matrix": (affine_forward, affine_backward)},
    trials=(AffineCase(N=3, D=4, M=2),),
    faults=_faults,
    random=multiple("D", of="split"),
)
