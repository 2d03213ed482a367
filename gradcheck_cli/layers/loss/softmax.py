"""The softmax loss: cross-entropy of the labels under exp(x) / sum exp(x)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.loss.cross_entropy import guards, overflows
from gradcheck_cli.layers.loss.cross_entropy_faults import faults, loss_faults
from gradcheck_cli.layers.loss.scores import ScoresCase, loss, of_label, picked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradcheck_cli.layers.framework.fault import Guard
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array


@frozen
class SoftmaxCase(ScoresCase):
    """Sizes of a loss: scores x (N, C), labels y (N,) from 0 to C - 1."""

    layer: ClassVar[str] = "softmax"


def softmax_loss(x: Array, y: Array) -> tuple[Any, Array]:
    """Return the loss, -1/N sum_n log p[n, y_n] with p = exp(x) / sum_c exp(x), and its gradient.

    -log p[n, y] = log sum_c exp(x[n, c]) - x[n, y]. The derivative of the first term in x[n, c] is p[n, c], that of the
    second 1 for the label: dx = (p - [c = y_n]) / N. Scores are lowered by their largest, which changes neither p nor
    the loss, so that exp cannot overflow. (Bishop, Pattern Recognition and Machine Learning, equation 4.109.)
    """
    lowered = x - x.max(axis=1, keepdims=True)
    exps = np.exp(lowered)
    total = exps.sum(axis=1, keepdims=True)
    return (np.log(total) - picked(lowered, y)).mean(), (exps / total - of_label(x, y)) / x.dtype.type(len(y))


def scale(x: Array, y: Array) -> Array:
    """Sum the absolute values of the loss's terms."""
    largest = abs(x).max(axis=1, keepdims=True)
    return np.asarray((2 * largest + abs(picked(x, y)) + np.log(x.shape[1])).mean())


def gradient_scale(x: Array, y: Array) -> Array:
    """Sum p and the label's 1: where p is near it, they cancel. What x is rounded by moves log p by as much."""
    label = of_label(x, y)
    p = softmax_loss(x, y)[1] * len(y) + label
    return np.asarray((p * (1 + abs(x - x.max(axis=1, keepdims=True))) + label) / len(y))


def _guards(problem: Problem) -> Iterable[Guard]:
    return guards(problem.inputs["x"], problem.inputs["y"], len(problem.inputs["y"]), problem.expected.dtype)


LAYER = loss(
    SoftmaxCase,
    softmax_loss,
    scale=scale,
    gradient_scale=gradient_scale,
    zeros=("x",),
    guards=_guards,
    overflows=lambda problem, finite: overflows(problem.inputs["x"], problem.inputs["y"], finite=finite),
    faults=faults,
    forward_faults=loss_faults,
)
