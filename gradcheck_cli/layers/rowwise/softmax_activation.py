"""Softmax as a layer, out = exp(x) / sum exp(x) over the classes of each sample, and the logarithm of it."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Self

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH
from gradcheck_cli.layers.framework.fault import (
    EquationFault,
    Equations,
    exp_overflow,
    fault,
    replaced_in_backward,
    replaced_in_forward,
)
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import draw_inputs, row_sum
from gradcheck_cli.layers.framework.text_parameters import real
from gradcheck_cli.numeric.arrays import Array


@frozen
class RowsCase(Case):
    """Sizes of scores x (N, C), and of out."""

    axes = declare(CLASS, x="N C", out="N C")

    N: int = size(4, "samples")
    C: int = size(5, "classes", minimum=2)
    shift: float = real(0.0, "added to the scores: 1000 shows what overflows", 1000.0)

    @classmethod
    def standard(cls) -> tuple[Self, ...]:
        """One sample, two classes, as many samples as classes, and scores whose exponentials overflow."""
        return cls.rows("N C shift", (4, 5, 0), (3, 4, 0), (1, 3, 0), (5, 2, 0), (3, 3, 0), (2, 4, 1000))


def draw(case: RowsCase, source: Random) -> dict[str, Array]:
    """Draw scores."""
    return {"x": draw_inputs(case, source)["x"] + case.shift}


def lowered(x: Array) -> Array:
    """Subtract the largest score of each row: it changes no share, and exp cannot overflow."""
    return np.asarray(x - x.max(axis=1, keepdims=True))


#: Of the shares of forward, p.
SHARES: Equations = {
    "exps": lambda v: np.exp(lowered(v.x)),
    "total": lambda v: row_sum(v.exps),
    "p": lambda v: v.exps / v.total,
}

#: Sums over other axes than classes, with what they are over.
WRONG_TOTALS = {
    "samples": {"exps": lambda v: np.exp(v.x - v.x.max()), "total": lambda v: v.exps.sum(axis=0)},
    "all elements": {"exps": lambda v: np.exp(v.x - v.x.max()), "total": lambda v: v.exps.sum()},
}


def rows_layer(
    case: type[RowsCase],
    pair: tuple[Callable[..., Any], Callable[..., Any]],
    *,
    equations: Equations,
    faults: tuple[EquationFault, ...],
    forward_faults: tuple[EquationFault, ...],
) -> Layer:
    """Declare the layer of a function of rows of scores.

    Args:
        case: its sizes.
        pair: its forward and backward pass.
        equations: of `out`, and with `dout` of `dx`.
        faults: in backward.
        forward_faults: in forward.
    """
    ahead = {name: equations[name] for name in (*SHARES, "out")}
    return Layer(
        case=case,
        builtin={"vectorized": pair},
        standard=case.standard,
        draw=draw,
        relations=lambda _case, _inputs: {"x": {CLASS: EACH}},
        sums=False,
        faults=lambda *_: replaced_in_backward(equations, faults, lambda inputs, dout: {**inputs, "dout": dout}),
        forward_faults=lambda _case, problem, _out: replaced_in_forward(ahead, forward_faults, problem.inputs, ["out"]),
        overflows=lambda problem, _: exp_overflow(problem.inputs["x"], "it does not change the output"),
    )


@frozen
class SoftmaxActivationCase(RowsCase):
    """Sizes of scores x (N, C), and of out."""

    layer = "softmax-activation"


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


_DX = "dx = p (dout - sum(dout p)), the sum over the classes of a sample."

LAYER = rows_layer(
    SoftmaxActivationCase,
    (softmax_forward, softmax_backward),
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
)


@frozen
class LogSoftmaxCase(RowsCase):
    """Sizes of scores x (N, C), and of out."""

    layer = "log-softmax"


def log_softmax_forward(x: Array) -> tuple[Array, Array]:
    """Return log p = x - log sum_c exp(x) of each row, and it again as the cache."""
    low = x - x.max(axis=1, keepdims=True)
    out = low - np.log(np.exp(low).sum(axis=1, keepdims=True))
    return out, out


def log_softmax_backward(dout: Array, out: Array) -> Array:
    """Return dx for dout (N, C).

    dout_j/dx_i = delta_ij - p_i with p = exp(out). Summed over j with dout_j: dx_i = dout_i - p_i sum_j dout_j.
    (Bridle, 1990; Goodfellow, Bengio and Courville, Deep Learning, equation 6.30.)
    """
    return np.asarray(dout - np.exp(out) * dout.sum(axis=1, keepdims=True))


_LOG_DX = "dx = dout - p sum(dout), the sum over the classes of a sample, with p = exp(out)."

LOG = rows_layer(
    LogSoftmaxCase,
    (log_softmax_forward, log_softmax_backward),
    equations={
        **SHARES,
        "out": lambda v: lowered(v.x) - np.log(v.total),
        "sum": lambda v: row_sum(v.dout),
        "dx": lambda v: v.dout - v.p * v.sum,
    },
    faults=(
        fault("slope-missing", "the slope is left out", _LOG_DX, dx=lambda v: v.dout),
        fault(
            "diagonal-only",
            "dout is not summed: there is dout (1 - p), the diagonal of the Jacobian",
            _LOG_DX,
            sum=lambda v: v.dout,
        ),
        fault("softmax-sum", "the sum of dout is added, not subtracted", _LOG_DX, dx=lambda v: v.dout + v.p * v.sum),
        fault("softmax-sum", "the sum of dout is a mean", _LOG_DX, sum=lambda v: row_sum(v.dout) / v.x.shape[1]),
        fault("softmax-sum", "the sum is one of dout p", _LOG_DX, sum=lambda v: row_sum(v.dout * v.p)),
        fault("softmax-sum", "the sum is not multiplied by p", _LOG_DX, dx=lambda v: v.dout - v.sum),
        fault(
            "softmax-sum",
            "there is p (dout - sum(dout p)), the gradient of softmax without its logarithm",
            _LOG_DX,
            dx=lambda v: v.p * (v.dout - row_sum(v.dout * v.p)),
        ),
        fault("normalized-axes", "the sum is taken over samples", _LOG_DX, sum=lambda v: v.dout.sum(axis=0)),
        fault("normalized-axes", "the sum is taken over all elements", _LOG_DX, sum=lambda v: v.dout.sum()),
        fault("slope-missing", "out is used in place of p", _LOG_DX, dx=lambda v: v.dout - v.out * v.sum),
        fault("not-normalized", "exp(x) is used in place of p", _LOG_DX, p=lambda v: np.exp(v.x)),
        fault("not-normalized", "exp(x - max) is used in place of p", _LOG_DX, p=lambda v: np.exp(lowered(v.x))),
    ),
    forward_faults=(
        fault(
            "normalized-axes",
            "exp(x) is summed over samples",
            "Sum over classes.",
            **WRONG_TOTALS["samples"],
            out=lambda v: v.x - v.x.max() - np.log(v.total),
        ),
        fault(
            "normalized-axes",
            "exp(x) is summed over all elements",
            "Sum over classes.",
            **WRONG_TOTALS["all elements"],
            out=lambda v: v.x - v.x.max() - np.log(v.total),
        ),
    ),
)
