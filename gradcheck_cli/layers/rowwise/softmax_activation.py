"""Softmax as a layer, out = exp(x) / sum exp(x) over the classes of each sample, and the logarithm of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH
from gradcheck_cli.layers.framework.fault import (
    EquationFault,
    equations,
    exp_overflow,
    fault_table,
    replaced_in_backward,
    replaced_in_forward,
)
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import draw_inputs
from gradcheck_cli.layers.framework.text_parameters import real
from gradcheck_cli.numeric.arrays import Array


@frozen
class RowsCase(Case):
    """Sizes of scores x (N, C), and of out."""

    axes = declare(CLASS, x="N C", out="N C")

    N: int = size(4, "samples")
    C: int = size(5, "classes", minimum=2)
    shift: float = real(0.0, "added to the scores: 1000 shows what overflows", 1000.0)


#: Of the shares of forward, p. The largest score is subtracted: it changes no share, and exp cannot overflow.
SHARES = """
    low = x - x.max(axis=1, keepdims=True)
    exps = np.exp(low)
    total = row_sum(exps)
    p = exps / total
"""

#: Sums over other axes than classes, with what they are over; and exp that overflows in none of them.
WRONG_TOTALS = {"samples": "total = exps.sum(axis=0)", "all elements": "total = exps.sum()"}
LOWERED_BY_ALL = "exps = np.exp(x - x.max())"


def rows_layer(
    layer: str,
    pair: tuple[Callable[..., Any], Callable[..., Any]],
    forward: str,
    backward: str,
    faults: tuple[EquationFault, ...],
    forward_faults: tuple[EquationFault, ...],
) -> Layer:
    """Declare the layer of a function of rows of scores, by equations of out after `SHARES`, and of dx after these."""
    case, ahead = RowsCase.named(layer), equations(SHARES + forward)
    both = {**ahead, **equations(backward)}
    return Layer(
        case=case,
        builtin={"vectorized": pair},
        # One sample, two classes, as many samples as classes, and scores whose exponentials overflow.
        standard=lambda: case.rows("N C shift", (4, 5, 0), (3, 4, 0), (1, 3, 0), (5, 2, 0), (3, 3, 0), (2, 4, 1000)),
        draw=lambda case, source: {"x": draw_inputs(case, source)["x"] + case.shift},
        relations=lambda _case, _inputs: {"x": {CLASS: EACH}},
        sums=False,
        faults=lambda *_: replaced_in_backward(both, faults, lambda inputs, dout: {**inputs, "dout": dout}),
        forward_faults=lambda _case, problem, _out: replaced_in_forward(ahead, forward_faults, problem.inputs),
        overflows=lambda problem, _: exp_overflow(problem.inputs["x"], "it does not change the output"),
    )


def softmax(scores: Array, axis: int) -> Array:
    """Return the shares of exp(scores) along an axis; of scores that are all -inf, NaN."""
    exps = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return np.asarray(exps / exps.sum(axis=axis, keepdims=True))


def softmax_forward(x: Array) -> tuple[Array, Array]:
    """Return p = exp(x) / sum_c exp(x) of each row, and it again as the cache."""
    p = softmax(x, axis=1)
    return p, p


def softmax_backward(dout: Array, p: Array) -> Array:
    """Return dx for dout (N, C).

    dp_j/dx_i = p_j (delta_ij - p_i). Summed over j with dout_j: dx_i = p_i (dout_i - sum_j dout_j p_j).
    (Goodfellow, Bengio and Courville, Deep Learning, section 6.2.2.3.)
    """
    return np.asarray(p * (dout - (dout * p).sum(axis=1, keepdims=True)))


LAYER = rows_layer(
    "softmax-activation",
    (softmax_forward, softmax_backward),
    "out = p",
    "sum = row_sum(dout * p); dx = p * (dout - sum)",
    fault_table(
        "dx = p (dout - sum(dout p)), the sum over the classes of a sample.",
        ("diagonal-only", "there is dout p (1 - p), the diagonal of the Jacobian", "dx = dout * p * (1 - p)"),
        ("softmax-sum", "the sum of dout p is missing", "sum = 0.0"),
        ("softmax-sum", "the sum of dout p is added, not subtracted", "dx = p * (dout + sum)"),
        ("softmax-sum", "the sum is one of dout, without p", "sum = row_sum(dout)"),
        ("softmax-sum", "the sum of dout p is a mean", "sum = row_sum(dout * p) / x.shape[1]"),
        ("softmax-sum", "the sum is not multiplied by p", "dx = p * dout - sum"),
        ("slope-missing", "the factor p is missing", "dx = dout - sum"),
        ("normalized-axes", "the sum is taken over samples", "sum = (dout * p).sum(axis=0)"),
        ("normalized-axes", "the sum is taken over all elements", "sum = (dout * p).sum()"),
        ("slope-missing", "x is used in place of p", "p = x"),
        ("not-normalized", "exp(x) is used in place of p", "p = np.exp(x)"),
        ("not-normalized", "exp(x - max) is used in place of p", "p = np.exp(low)"),
        ("slope-missing", "the slope is left out", "dx = dout"),
    ),
    (
        *fault_table(
            "Sum over classes.",
            *(
                ("normalized-axes", f"exp(x) is divided by its sum over {words}", f"{LOWERED_BY_ALL}; {total}")
                for words, total in WRONG_TOTALS.items()
            ),
        ),
        *fault_table(
            "Divide by the sum over classes.",
            ("not-normalized", "exp(x) is not divided by its sum", "total = 1.0"),
        ),
    ),
)


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


LOG = rows_layer(
    "log-softmax",
    (log_softmax_forward, log_softmax_backward),
    "out = low - np.log(total)",
    "sum = row_sum(dout); dx = dout - p * sum",
    fault_table(
        "dx = dout - p sum(dout), the sum over the classes of a sample, with p = exp(out).",
        ("slope-missing", "the slope is left out", "dx = dout"),
        ("diagonal-only", "dout is not summed: there is dout (1 - p), the diagonal of the Jacobian", "sum = dout"),
        ("softmax-sum", "the sum of dout is added, not subtracted", "dx = dout + p * sum"),
        ("softmax-sum", "the sum of dout is a mean", "sum = row_sum(dout) / x.shape[1]"),
        ("softmax-sum", "the sum is one of dout p", "sum = row_sum(dout * p)"),
        ("softmax-sum", "the sum is not multiplied by p", "dx = dout - sum"),
        (
            "softmax-sum",
            "there is p (dout - sum(dout p)), the gradient of softmax without its logarithm",
            "dx = p * (dout - row_sum(dout * p))",
        ),
        ("normalized-axes", "the sum is taken over samples", "sum = dout.sum(axis=0)"),
        ("normalized-axes", "the sum is taken over all elements", "sum = dout.sum()"),
        ("slope-missing", "out is used in place of p", "dx = dout - out * sum"),
        ("not-normalized", "exp(x) is used in place of p", "p = np.exp(x)"),
        ("not-normalized", "exp(x - max) is used in place of p", "p = np.exp(low)"),
    ),
    fault_table(
        "Sum over classes.",
        *(
            (
                "normalized-axes",
                f"exp(x) is summed over {words}",
                f"{LOWERED_BY_ALL}; {total}; out = x - x.max() - np.log(total)",
            )
            for words, total in WRONG_TOTALS.items()
        ),
    ),
)
