"""Shared by losses that compare x with targets y element by element: a sum of terms, divided by a number."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, ClassVar

import numpy as np

from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import declare
from gradcheck_cli.layers.framework.case import Case, Param
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.text_parameters import choice
from gradcheck_cli.layers.loss.loss import loss_layer, one_hot
from gradcheck_cli.numeric.arrays import Array


@frozen
class DividedCase(Case):
    """A loss over samples that is a sum, divided by a number."""

    passed: ClassVar[tuple[str, ...]] = ("divisor",)

    N: int = size(4, "samples")
    divisor: str = choice("N", "by which the sum is divided", "1")


@frozen
class TargetsCase(DividedCase):
    """Sizes of a loss: x and its targets y (N, D)."""

    axes = declare(x="N D", y="N D", out="")

    D: int = size(3, "numbers of a sample")


def draw_probabilities(source: Random, shape: tuple[int, int]) -> Array:
    """Draw rows whose sums are 1, and of which no number is far smaller than the others."""
    weights = drawn(source, shape, (0.3, 1.0))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def divisor_of(x: Array, param: Param) -> Any:
    """Return the number that a sum over elements of x is divided by, in its dtype."""
    whole = {"ND": x.size, "NC": x.size, "2ND": 2 * x.size}
    return x.dtype.type((whole | {"N": len(x), "2N": 2 * len(x), "1": 1, "2": 2})[param["divisor"]])


def targets_loss(case: type[Case], function: Any, **declared: Any) -> Layer:
    """Declare a loss of targets, as `loss_layer` does.

    Its equations are of x, y and the parameters; where y are labels, of the one-hot `label` too.
    """
    letters = "".join(axis.size for axis in case.axes["x"])

    def given(inputs: Mapping[str, Array], param: Param) -> dict[str, Any]:
        x, y = inputs["x"], inputs["y"]
        divisors = {letters: x.size, "N": len(x), f"2{letters}": 2 * x.size, "2N": 2 * len(x), "2": 2, "1": 1}
        found = {**param, "x": x, "y": y, "mask": True, "weights": 1 / divisor_of(x, param), "shape": x.shape}
        return found | {"label": one_hot(x, y) if y.ndim == 1 else None, "divisors": divisors}

    return loss_layer(case, function, given=given, param="loss_param", constants=("y",), **declared)
