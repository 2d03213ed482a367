"""The temporal affine layer: the same affine layer at each step of a sequence."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.dense.affine import affine_backward, affine_forward, without_bias
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


@frozen
class TemporalAffineCase(Case):
    """Sizes of a temporal affine layer: x (N, T, D), w (D, M), b (M,), out (N, T, M)."""

    layer: ClassVar[str] = "temporal-affine"
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


def standard() -> tuple[TemporalAffineCase, ...]:
    """List sizes of which no two are equal, a size of 1 each, and a square w."""
    rows = (3, 4, 5, 2), (2, 3, 4, 4), (1, 3, 5, 2), (4, 1, 2, 3), (2, 5, 1, 3), (2, 3, 4, 1)
    return TemporalAffineCase.rows("N T D M", *rows)


LAYER = Layer(
    case=TemporalAffineCase,
    builtin={"matrix": (temporal_affine_forward, temporal_affine_backward)},
    standard=standard,
    forward_faults=without_bias,
)
