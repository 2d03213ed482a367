"""Losses of given probabilities: cross-entropy of labels, binary cross-entropy, and the Kullback-Leibler divergence."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np

from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.text_parameters import choice
from gradcheck_cli.layers.loss.loss import one_hot
from gradcheck_cli.layers.loss.targets import (
    DividedCase,
    Param,
    TargetLoss,
    TargetsCase,
    divisor_of,
    draw_probabilities,
)
from gradcheck_cli.numeric.arrays import Array


@frozen
class CrossEntropyCase(DividedCase):
    """Sizes of a loss: probabilities x (N, C), labels y (N,) from 0 to C - 1."""

    layer = "cross-entropy"
    axes = declare(CLASS, x="N C", y="N", out="")

    C: int = size(3, "classes", minimum=2)

    @property
    def domain(self) -> dict[str, tuple[float, float]]:
        """Probabilities lie between 0 and 1."""
        return {"x": (0.0, 1.0)}


def cross_entropy_loss(x: Array, y: Array, loss_param: Param) -> tuple[Any, Array]:
    """Return the loss, the sum of -log x[n, y_n] divided by N (or 1), and its gradient.

    Only the probability of the label has a part in it: dx[n, y_n] = -1 / (N x[n, y_n]), and 0 elsewhere. Probabilities
    are not normalized here. (Goodfellow, Bengio and Courville, Deep Learning, section 6.2.2.3.)
    """
    count, label = divisor_of(x, loss_param), one_hot(x, y)
    return -np.log((x * label).sum(axis=1)).sum() / count, -label / x / count


def draw(case: CrossEntropyCase, source: Random) -> dict[str, Array]:
    """Draw a distribution and a label of each sample."""
    x = draw_probabilities(source, (case.N, case.C))
    return {"x": x, "y": np.array([source.randrange(case.C) for _ in range(case.N)])}


def _guarded(x: Array, y: Array, _: Param, e: float) -> tuple[list[Array], list[Array]]:
    label = one_hot(x, y)
    return [-label * np.log(x + e), -label * np.log(np.clip(x, e, 1 - e))], [-label / (x + e)]


LAYER = TargetLoss(
    case=CrossEntropyCase,
    function=cross_entropy_loss,
    standard=CrossEntropyCase.rows(
        "N C divisor",
        *((4, 3, "N"), (3, 5, "N"), (1, 4, "N"), (5, 2, "N"), (3, 3, "N"), (4, 3, "1"), (2, 5, "1")),
    ),
    probe_cases=CrossEntropyCase.rows("N C divisor", (4, 3, "N"), (4, 3, "1")),
    draw=draw,
    terms=lambda x, y, _: -one_hot(x, y) * np.log(x),
    remedy="dx is -1 / x for the label and 0 elsewhere, divided by what the loss is divided by.",
    slopes=(
        ("slope-of-logits", "1 is subtracted from x for the label, as in scores", lambda x, y, _: x - one_hot(x, y)),
        ("label-missing", "there is -1 / x in all classes", lambda x, _y, _p: -1 / x),
        ("slope-missing", "the label has -1, not -1 / x", lambda x, y, _: -one_hot(x, y)),
        ("label-sign", "the label has 1 / x, not -1 / x", lambda x, y, _: one_hot(x, y) / x),
        ("label-shifted", "the label is one too low", lambda x, y, _: -np.roll(one_hot(x, y), -1, axis=1) / x),
        ("slope-missing", "the label has log x, not its slope", lambda x, y, _: one_hot(x, y) * np.log(x)),
        (
            "label-missing",
            "the other classes have 1 / (1 - x), as in binary cross-entropy",
            lambda x, y, _: (1 - one_hot(x, y)) / (1 - x) - one_hot(x, y) / x,
        ),
    ),
    losses={
        "has the wrong sign": lambda x, y, _: one_hot(x, y) * np.log(x),
        "has no logarithm": lambda x, y, _: -one_hot(x, y) * x,
        "has a logarithm to the base 2": lambda x, y, _: -one_hot(x, y) * np.log2(x),
    },
    definition="The loss is the sum of -log x[n, y] over samples, divided once.",
    guarded=_guarded,
).layer()


@frozen
class BceCase(TargetsCase):
    """Sizes of a loss: probabilities x and their targets y (N, D), 0 or 1."""

    layer = "bce"

    divisor: str = choice("ND", "by which the sum over all elements is divided", "N", "1")

    @property
    def domain(self) -> dict[str, tuple[float, float]]:
        """Probabilities lie between 0 and 1."""
        return {"x": (0.0, 1.0)}


def bce_loss(x: Array, y: Array, loss_param: Param) -> tuple[Any, Array]:
    """Return the loss, the sum of -y log x - (1 - y) log(1 - x) divided by N D (or another number), and its gradient.

    Its derivative in x is -y / x + (1 - y) / (1 - x) = (x - y) / (x (1 - x)). (Bishop, Pattern Recognition and Machine
    Learning, equation 4.90.)
    """
    count = divisor_of(x, loss_param)
    return -(y * np.log(x) + (1 - y) * np.log(1 - x)).sum() / count, (x - y) / (x * (1 - x)) / count


def draw_binary(case: BceCase, source: Random) -> dict[str, Array]:
    """Draw probabilities from 0.1 to 0.9, and targets of which some are 0 and some 1."""
    x, shape = drawn(source, case.shapes["x"], (0.1, 0.9)), case.shapes["y"]
    y = np.array([source.randrange(2) for _ in range(x.size)], float)
    y[:2] = (1.0, 0.0)[: y.size]
    return {"x": x, "y": y.reshape(shape)}


def _guarded_binary(x: Array, y: Array, _: Param, e: float) -> tuple[list[Array], list[Array]]:
    logarithms = [(np.log(x + e), np.log(1 - x + e)), (np.log(np.clip(x, e, 1 - e)), np.log(1 - np.clip(x, e, 1 - e)))]
    return [-y * one - (1 - y) * other for one, other in logarithms], [
        (1 - y) / (1 - x + e) - y / (x + e),
        (x - y) / (x * (1 - x) + e),
    ]


BINARY = TargetLoss(
    case=BceCase,
    function=bce_loss,
    standard=BceCase.rows(
        "N D divisor",
        *((4, 3, "ND"), (3, 5, "ND"), (1, 4, "ND"), (5, 1, "ND"), (4, 3, "N"), (2, 5, "N"), (3, 4, "1"), (5, 2, "1")),
    ),
    probe_cases=BceCase.rows("N D divisor", (4, 3, "ND"), (4, 3, "N"), (4, 3, "1")),
    draw=draw_binary,
    terms=lambda x, y, _: -y * np.log(x) - (1 - y) * np.log(1 - x),
    remedy="dx = -y / x + (1 - y) / (1 - x), divided by what the loss is divided by.",
    slopes=(
        ("slope-of-logits", "there is x - y, the slope in the logits of a sigmoid x", lambda x, y, _: x - y),
        ("label-missing", "the terms with y = 0 are missing", lambda x, y, _: -y / x),
        ("label-missing", "the terms with y = 1 are missing", lambda x, y, _: (1 - y) / (1 - x)),
        ("label-sign", "-y / x has the wrong sign", lambda x, y, _: y / x + (1 - y) / (1 - x)),
        ("label-sign", "(1 - y) / (1 - x) has the wrong sign", lambda x, y, _: -y / x - (1 - y) / (1 - x)),
        ("slope-of-logits", "x - y is multiplied by x (1 - x)", lambda x, y, _: (x - y) * x * (1 - x)),
        ("slope-of-logits", "x - y is divided by x alone", lambda x, y, _: (x - y) / x),
        ("slope-of-logits", "x - y is divided by 1 - x alone", lambda x, y, _: (x - y) / (1 - x)),
    ),
    losses={
        "has the wrong sign": lambda x, y, _: y * np.log(x) + (1 - y) * np.log(1 - x),
        "has no term for y = 0": lambda x, y, _: -y * np.log(x),
        "has logarithms to the base 2": lambda x, y, _: (-y * np.log(x) - (1 - y) * np.log(1 - x)) / np.log(2),
    },
    definition="The loss is the sum of -y log x - (1 - y) log(1 - x), divided once.",
    guarded=_guarded_binary,
).layer()


@frozen
class KlDivergenceCase(DividedCase):
    """Sizes of a loss: probabilities x, or their logarithms, and target probabilities y (N, C)."""

    layer = "kl-divergence"
    axes = declare(CLASS, x="N C", y="N C", out="")
    passed = ("divisor", "input")

    C: int = size(3, "classes", minimum=2)
    divisor: str = choice("N", "by which the sum over all elements is divided", "NC", "1")
    input: str = choice("probabilities", "what x is", "logarithms")

    @property
    def domain(self) -> dict[str, tuple[float, float]]:
        """Probabilities lie between 0 and 1."""
        return {"x": (0.0, 1.0)} if self.input == "probabilities" else {}


def kl_divergence_loss(x: Array, y: Array, loss_param: Param) -> tuple[Any, Array]:
    """Return the loss, the sum of y log(y / x) divided by N (or another number), and its gradient.

    Only -y log x depends on x: its derivative is -y / x, or -y in the logarithm of x. (Bishop, Pattern Recognition and
    Machine Learning, equation 1.113.)
    """
    count = divisor_of(x, loss_param)
    if loss_param["input"] == "logarithms":
        return (y * (np.log(y) - x)).sum() / count, -y / count
    return (y * np.log(y / x)).sum() / count, -y / x / count


def draw_two(case: KlDivergenceCase, source: Random) -> dict[str, Array]:
    """Draw two distributions of each sample."""
    shape = (case.N, case.C)
    x, y = draw_probabilities(source, shape), draw_probabilities(source, shape)
    return {"x": np.log(x) if case.input == "logarithms" else x, "y": y}


def _log(x: Array, param: Param) -> Array:
    return x if param["input"] == "logarithms" else np.log(x)


def _right(x: Array, param: Param) -> Any:
    """Return what -y is divided by in the slope."""
    return 1 if param["input"] == "logarithms" else x


def _guarded_divergence(x: Array, y: Array, param: Param, e: float) -> tuple[list[Array], list[Array]]:
    if param["input"] == "logarithms":
        return [y * (np.log(y + e) - x)], [-y]
    return [y * np.log((y + e) / (x + e)), y * np.log(y / (x + e)), y * np.log(y / x + e)], [-y / (x + e)]


KL = TargetLoss(
    case=KlDivergenceCase,
    function=kl_divergence_loss,
    standard=KlDivergenceCase.rows(
        "N C divisor input",
        *((4, 3, "N", "probabilities"), (3, 5, "N", "probabilities"), (1, 4, "N", "probabilities")),
        *((4, 2, "NC", "probabilities"), (3, 4, "NC", "probabilities"), (2, 3, "1", "probabilities")),
        *((4, 3, "N", "logarithms"), (2, 5, "NC", "logarithms"), (3, 2, "1", "logarithms")),
    ),
    probe_cases=KlDivergenceCase.rows(
        "N C divisor input", *((4, 3, d, i) for i in ("probabilities", "logarithms") for d in ("N", "NC", "1"))
    ),
    draw=draw_two,
    terms=lambda x, y, p: y * (np.log(y) - _log(x, p)),
    remedy="dx = -y / x, or -y where x is a logarithm, divided by what the loss is divided by.",
    slopes=(
        ("kl-slope", "there is log(y / x), not its derivative", lambda x, y, p: np.log(y) - _log(x, p)),
        ("kl-slope", "there is log(y / x) + 1, the derivative in y", lambda x, y, p: np.log(y) - _log(x, p) + 1),
        ("kl-slope", "there is 1 - y / x", lambda x, y, p: 1 - y / _right(x, p)),
        ("kl-slope", "there is -1 / x, without the factor y", lambda x, y, p: -1 / _right(x, p) + 0 * y),
        ("kl-slope", "there is x - y, the slope in the scores of a softmax", lambda x, y, p: np.exp(_log(x, p)) - y),
        ("kl-slope", "there is -x / y, not -y / x", lambda x, y, p: -np.exp(_log(x, p)) / y),
        ("kl-slope", "x is taken for the other of probabilities and logarithms", lambda x, y, p: -y * _right(x, p) / x),
    ),
    losses={
        "has the wrong sign": lambda x, y, p: y * (_log(x, p) - np.log(y)),
        "has x log(x / y): the two are exchanged": lambda x, y, p: np.exp(_log(x, p)) * (_log(x, p) - np.log(y)),
        "has no log y: it is the cross-entropy": lambda x, y, p: -y * _log(x, p),
        "has a logarithm to the base 2": lambda x, y, p: y * (np.log(y) - _log(x, p)) / np.log(2),
    },
    definition="The loss is the sum of y log(y / x), divided once.",
    guarded=_guarded_divergence,
).layer()
