"""Softmax as a layer: out = exp(x) / sum exp(x) over the classes of each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.equations import fault
from gradcheck_cli.layers.rowwise.rows import SHARES, WRONG_TOTALS, Rows, RowsCase, lowered, row_sum

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


@frozen
class SoftmaxActivationCase(RowsCase):
    """Sizes of scores x (N, C), and of out."""

    layer: ClassVar[str] = "softmax-activation"


def softmax_forward(x: Array) -> tuple[Array, Array]:
    """Return p = exp(x) / sum_c exp(x) of each row, and it again as the cache."""
    exps = np.exp(x - x.max(axis=1, keepdims=True))
    p = exps / exps.sum(axis=1, keepdims=True)
    return p, p


def softmax_backward(dout: Array, p: Array) -> Array:
    """Return dx for dout (N, C).

    dp_j/dx_i = p_j (delta_ij - p_i). Summed over j with dout_j: dx_i = p_i (dout_i - sum_j dout_j p_j).
    (Goodfellow, Bengio and Courville, Deep Learning, section 6.2.2.3.)
    """
    return np.asarray(p * (dout - (dout * p).sum(axis=1, keepdims=True)))


def _scale(x: Array) -> Array:
    p, _ = softmax_forward(x)
    return np.asarray(p * (1 + abs(x) + abs(x.max(axis=1, keepdims=True))))


def _gradient_scale(dout: Array, x: Array) -> Array:
    p = _scale(x)
    return np.asarray(p * (dout + row_sum(dout * p)))


_DX = "dx = p (dout - sum(dout p)), the sum over the classes of a sample."

LAYER = Rows(
    case=SoftmaxActivationCase,
    pair=(softmax_forward, softmax_backward),
    equations={
        **SHARES,
        "out": lambda v: v.p,
        "sum": lambda v: row_sum(v.dout * v.p),
        "dx": lambda v: v.p * (v.dout - v.sum),
    },
    faults=(
        fault(
            "diagonal-only",
            "there is dout p (1 - p), the diagonal of the Jacobian",
            _DX,
            dx=lambda v: v.dout * v.p * (1 - v.p),
        ),
        fault("softmax-sum", "the sum of dout p is missing", _DX, sum=0.0),
        fault("softmax-sum", "the sum of dout p is added, not subtracted", _DX, dx=lambda v: v.p * (v.dout + v.sum)),
        fault("softmax-sum", "the sum is one of dout, without p", _DX, sum=lambda v: row_sum(v.dout)),
        fault("softmax-sum", "the sum of dout p is a mean", _DX, sum=lambda v: row_sum(v.dout * v.p) / v.x.shape[1]),
        fault("softmax-sum", "the sum is not multiplied by p", _DX, dx=lambda v: v.p * v.dout - v.sum),
        fault("slope-missing", "the factor p is missing", _DX, dx=lambda v: v.dout - v.sum),
        fault("normalized-axes", "the sum is taken over samples", _DX, sum=lambda v: (v.dout * v.p).sum(axis=0)),
        fault("normalized-axes", "the sum is taken over all elements", _DX, sum=lambda v: (v.dout * v.p).sum()),
        fault("slope-missing", "x is used in place of p", _DX, p=lambda v: v.x),
        fault("not-normalized", "exp(x) is used in place of p", _DX, p=lambda v: np.exp(v.x)),
        fault("not-normalized", "exp(x - max) is used in place of p", _DX, p=lambda v: np.exp(lowered(v.x))),
        fault("slope-missing", "the slope is left out", _DX, dx=lambda v: v.dout),
    ),
    forward_faults=(
        *(
            fault("normalized-axes", f"exp(x) is divided by its sum over {words}", "Sum over classes.", **wrong)
            for words, wrong in WRONG_TOTALS.items()
        ),
        fault("not-normalized", "exp(x) is not divided by its sum", "Divide by the sum over classes.", total=1.0),
    ),
    scale=_scale,
    gradient_scale=_gradient_scale,
).layer()
