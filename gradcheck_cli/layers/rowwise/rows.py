"""Shared by softmax and its logarithm: scores x (N, C), each row of which is mapped to a row."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Self

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.arrays import draw_inputs, row_sum
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.coupling import EACH
from gradcheck_cli.layers.framework.equations import EquationFault, Equations
from gradcheck_cli.layers.framework.equations import backward_faults as in_backward
from gradcheck_cli.layers.framework.equations import forward_faults as in_forward
from gradcheck_cli.layers.framework.fault import exp_overflow
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.text_parameters import real
from gradcheck_cli.numeric.arrays import Array


@frozen
class RowsCase(Case):
    """Sizes of scores x (N, C), and of out."""

    axes = declare(CLASS, x="N C", out="N C")

    N: int = size(4, "samples")
    C: int = size(5, "classes", minimum=2)
    shift: float = real(0.0, "added to the scores: 1000 shows what overflows", 1000.0)

    def label(self) -> str:
        """Name the geometry: `4x5 shift 0`."""
        return f"{self.N}x{self.C} shift {self.shift:g}"

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
        faults=lambda *_: in_backward(equations, faults, lambda inputs, cotangent: {**inputs, "dout": cotangent}),
        forward_faults=lambda _case, problem, _out: in_forward(ahead, forward_faults, problem.inputs, ["out"]),
        overflows=lambda problem, _: exp_overflow(problem.inputs["x"], "it does not change the output"),
    )
