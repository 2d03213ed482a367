"""Shared by losses over scores: each row of scores has a label, a weight in the mean over samples, and a loss.

A row is a sample, or of a temporal loss a step of one. Everything but the formulas of a row follows from that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Self

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.equations import EquationFault, Equations, Formula, backward_faults, evaluate
from gradcheck_cli.layers.framework.fault import ForwardFault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.layers.framework.text_parameters import real
from gradcheck_cli.layers.loss.guarded import guards, overflows
from gradcheck_cli.numeric.arrays import Array

#: How near to a kink no margin is, as a share of the scale: ten roundings of the largest scores in float16.
_KINK = 0.01


@frozen
class ScoresCase(Case):
    """Sizes of a loss: scores x (N, C), labels y (N,) from 0 to C - 1."""

    axes = declare(CLASS, x="N C", y="N", out="")

    N: int = size(5, "samples")
    C: int = size(4, "classes", minimum=2)
    scale: float = real(1.0, "factor on the scores: 1000 shows what overflows", 10.0, 1000.0, low=1e-3)

    def label(self) -> str:
        """Name the geometry: `5x4 scale 1`."""
        return f"{self.N}x{self.C} scale {self.scale:g}"

    @classmethod
    def standard(cls) -> tuple[Self, ...]:
        """One sample, two classes, and scores that are far apart."""
        rows = ((5, 4, 1), (3, 5, 1), (1, 3, 1), (4, 2, 1), (2, 6, 1), (6, 3, 10), (4, 5, 1000))
        return cls.rows("N C scale", *rows)


def label_scores(x: Array, y: Array) -> Array:
    """Return the score of each row's label, (R, 1), of scores (R, C) and labels (R,)."""
    return np.asarray(x[np.arange(len(y)), y][:, None])


def one_hot(x: Array, y: Array) -> Array:
    """Return 1 where a score is that of its row's label, else 0: (R, C)."""
    return np.asarray(np.arange(x.shape[1]) == y[:, None], x.dtype)


#: Equations before and after those of a loss: the weight of each row, (R, 1), and dx from the gradients of rows.
_BEFORE: Equations = {"weights": lambda v: v.mask / v.N}
_AFTER: Equations = {
    "out": lambda v: (v.losses * v.weights).sum(),
    "weighted": lambda v: v.gradient * v.weights,
    "dx": lambda v: v.weighted.reshape(v.shape),
}


@frozen
class Loss:
    """A loss: the mean over samples of what rows of scores contribute.

    Equations are of x (R, C), label (R, C), which is one-hot, mask (R, 1), weights (R, 1), and N.
    """

    case: type[Case]
    function: Callable[..., tuple[Any, Array]]  #: (x, y), and with a mask (x, y, mask) -> (loss, dx)
    standard: tuple[Case, ...]  #: the first of which is probed
    equations: Equations  #: among them `losses` (R, 1) and `gradient` (R, C) of rows
    faults: tuple[EquationFault, ...]
    definition: str  #: of the loss, a sentence
    loss_faults: Mapping[str, Formula]  #: wrong losses, by what "the loss" does, a verb first
    smooth: bool = True  #: cross-entropy, not a hinge: it takes scores of 0, and a logarithm that may be guarded

    def values(self, x: Array, y: Array, mask: Array | None = None) -> Any:
        """Evaluate the equations; each value is an attribute of what is returned."""
        return evaluate({**_BEFORE, **self.equations, **_AFTER}, _given(x, y, mask))

    def draw(self, case: Case, source: Random) -> dict[str, Array]:
        """Draw a case's arrays: scores, labels and, of a temporal loss, which steps count."""
        numbers = case.geometry
        shape = case.shapes["x"]
        rows, scale, shift = math.prod(shape[:-1]), numbers["scale"], numbers.get("shift", 0.0)
        # Two scores differ by a multiple of 0.4, give or take 0.1: never by 1, where a hinge has its kink.
        drawn = [0.4 * source.randrange(-4, 5) + source.uniform(-0.05, 0.05) for _ in range(math.prod(shape))]
        x, y = np.reshape(drawn, (rows, -1)), np.array([source.randrange(shape[-1]) for _ in range(rows)])
        y[0] = x[0].argmin()  # at least one label is unlikely, and its margin missed: else there is no gradient
        # Nor do those that are scaled up: such as differ by nearly 1 then are moved, to where the margin is missed.
        near = abs(x - label_scores(x, y) + 1 / scale) < _KINK
        x = (x + 2 * _KINK * near * (1 - one_hot(x, y))) * scale + shift
        inputs = {"x": x.reshape(shape), "y": y.reshape(shape[:-1])}
        if "mask" in case.axes:  # one step counts, and wherever there are several, one does not
            mask = [True, False, *(source.random() < 0.7 for _ in range(rows - 2))][:rows]
            inputs["mask"] = np.reshape(mask, shape[:-1])
        return inputs

    def forward_faults(self, _case: Case, problem: Problem, _out: Array) -> Iterator[ForwardFault]:
        """Yield wrong losses: divided by other sizes than N, and those of the layer."""
        values, inputs = self.values(*problem.inputs.values()), problem.inputs
        N, sums = len(inputs["x"]), (values.losses * values.mask).sum()
        divisors = {"the number of steps that count": int(values.mask.sum())} if "mask" in inputs else {}
        for name in ("y", "x"):
            axes = self.case.axes[name]
            divisors[" ".join(axis.size for axis in axes)] = inputs[name].size
            divisors |= {axis.size: length for axis, length in zip(axes, inputs[name].shape, strict=True)}
        wrong = {"is a sum: it is not divided by N": sums} if N > 1 else {}
        for divisor in dict.fromkeys(divisors.values()):
            names = " or ".join(name for name, own in divisors.items() if own == divisor)
            if divisor not in {1, N}:
                wrong[f"is divided by {names} = {divisor}, not by N"] = sums / divisor
        wrong |= {words: equation(values) for words, equation in self.loss_faults.items()}
        for words, out in wrong.items():
            cause = f"The loss {words}."
            yield ForwardFault("loss-wrong", cause, self.definition, {"out": np.asarray(out)})

    def layer(self) -> Layer:
        """Make the layer."""
        equations = {**_BEFORE, **self.equations, **_AFTER}
        return Layer(
            case=self.case,
            draw=self.draw,
            sums=False,
            zeros=("x",) if self.smooth else (),
            standard=lambda: self.standard,
            builtin={"vectorized": (self.function,)},
            probe_cases=self.standard[:1],
            faults=lambda *_: backward_faults(equations, self.faults, lambda inputs, _: _given(*inputs.values())),
            forward_faults=self.forward_faults,
            guards=lambda problem: guards(self.values(*problem.inputs.values()), problem) if self.smooth else (),
            overflows=lambda problem, gradients: (
                overflows(self.values(*problem.inputs.values()), gradients.get("x")) if self.smooth else ()
            ),
            loss=True,
        )


def _given(x: Array, y: Array, mask: Array | None = None) -> dict[str, Any]:
    """Return what equations start from: rows of scores, and what belongs to each."""
    rows, labels, N = x.reshape(-1, x.shape[-1]), y.reshape(-1), x.dtype.type(len(x))
    counted = np.ones((y.size, 1), bool) if mask is None else mask.reshape(-1, 1)
    return {"x": rows, "y": labels, "label": one_hot(rows, labels), "mask": counted, "N": N, "shape": x.shape}
