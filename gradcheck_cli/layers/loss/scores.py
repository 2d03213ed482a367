"""Shared by losses over scores: each row of scores has a label, a weight in the mean over samples, and a loss.

A row is a sample, or of a temporal loss a step of one. Everything but the formulas of a row follows from that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import Any, Self

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.text_parameters import real
from gradcheck_cli.layers.loss.loss import loss_layer
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


def draw(case: Case, source: Random) -> dict[str, Array]:
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


def scores_loss(case: type[Case], function: Any, *, standard: tuple[Case, ...], **declared: Any) -> Layer:
    """Declare a loss over scores: a mean over samples, with equations of rows.

    Args:
        case: its sizes.
        function: from (x, y), and with a mask (x, y, mask), to (loss, dx).
        standard: its standard cases, the first of which is probed.
        declared: as `loss_layer` takes it. Equations are of x (R, C), label (R, C), which is one-hot, and N.
    """

    def given(inputs: Mapping[str, Array], _: Mapping[str, Any]) -> dict[str, Any]:
        x, y = inputs["x"], inputs["y"]
        rows, labels, N = x.reshape(-1, x.shape[-1]), y.reshape(-1), x.dtype.type(len(x))
        counted = inputs["mask"].reshape(-1, 1) if "mask" in inputs else np.ones((y.size, 1), bool)
        divisors = {"the number of steps that count": int(counted.sum())} if "mask" in inputs else {}
        for name, array in (("y", y), ("x", x)):
            axes = case.axes[name]
            divisors[" ".join(axis.size for axis in axes)] = array.size
            divisors |= {axis.size: length for axis, length in zip(axes, array.shape, strict=True)}
        rest = {"N": N, "weights": counted / N, "shape": x.shape, "divisor": "N", "divisors": divisors}
        return {"x": rows, "y": labels, "label": one_hot(rows, labels), "mask": counted, **rest}

    return loss_layer(case, function, standard=standard, probe_cases=standard[:1], given=given, draw=draw, **declared)
