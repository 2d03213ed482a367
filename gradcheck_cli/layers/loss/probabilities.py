"""Losses of given probabilities: cross-entropy of labels, binary cross-entropy, and the Kullback-Leibler divergence."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.text_parameters import choice
from gradcheck_cli.layers.loss.loss import GuardedTerms, one_hot, wrong_slopes
from gradcheck_cli.layers.loss.targets import DividedCase, TargetsCase, divisor_of, draw_probabilities, targets_loss
from gradcheck_cli.numeric.arrays import Array


class ProbabilitiesCase(DividedCase):
    """A loss of probabilities x."""

    @property
    def domain(self) -> Mapping[str, tuple[float, float]]:
        """Probabilities lie between 0 and 1."""
        return {"x": (0.0, 1.0)}


@frozen
class CrossEntropyCase(ProbabilitiesCase):
    """Sizes of a loss: probabilities x (N, C), labels y (N,) from 0 to C - 1."""

    layer = "cross-entropy"
    axes = declare(CLASS, x="N C", y="N", out="")

    C: int = size(3, "classes", minimum=2)


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


LAYER = targets_loss(
    CrossEntropyCase,
    cross_entropy_loss,
    standard=CrossEntropyCase.rows(
        "N C divisor",
        *((4, 3, "N"), (3, 5, "N"), (1, 4, "N"), (5, 2, "N"), (3, 3, "N"), (4, 3, "1"), (2, 5, "1")),
    ),
    probe_cases=CrossEntropyCase.rows("N C divisor", (4, 3, "N"), (4, 3, "1")),
    draw=draw,
    formulas="terms = -label * np.log(x); slope = -label / x",
    faults=wrong_slopes(
        "dx is -1 / x for the label and 0 elsewhere, divided by what the loss is divided by.",
        ("slope-of-logits", "1 is subtracted from x for the label, as in scores", "x - label"),
        ("label-missing", "there is -1 / x in all classes", "-1 / x"),
        ("slope-missing", "the label has -1, not -1 / x", "-label"),
        ("label-sign", "the label has 1 / x, not -1 / x", "label / x"),
        ("label-shifted", "the label is one too low", "-np.roll(label, -1, axis=1) / x"),
        ("slope-missing", "the label has log x, not its slope", "label * np.log(x)"),
        (
            "label-missing",
            "the other classes have 1 / (1 - x), as in binary cross-entropy",
            "(1 - label) / (1 - x) - label / x",
        ),
    ),
    loss_faults={
        "has no logarithm": "-(label * x).sum() * weights",
        "has a logarithm to the base 2": "out / np.log(2)",
    },
    definition="The loss is the sum of -log x[n, y] over samples, divided once.",
    guarded=(GuardedTerms("[-label * np.log(x + e), -label * np.log(np.clip(x, e, 1 - e))]", "[-label / (x + e)]"),),
)


@frozen
class BceCase(ProbabilitiesCase, TargetsCase):
    """Sizes of a loss: probabilities x and their targets y (N, D), 0 or 1."""

    layer = "bce"

    divisor: str = choice("ND", "by which the sum over all elements is divided", "N", "1")


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


BINARY = targets_loss(
    BceCase,
    bce_loss,
    standard=BceCase.rows(
        "N D divisor",
        *((4, 3, "ND"), (3, 5, "ND"), (1, 4, "ND"), (5, 1, "ND"), (4, 3, "N"), (2, 5, "N"), (3, 4, "1"), (5, 2, "1")),
    ),
    probe_cases=BceCase.rows("N D divisor", (4, 3, "ND"), (4, 3, "N"), (4, 3, "1")),
    draw=draw_binary,
    formulas="""
        of_one = -y / x
        of_zero = (1 - y) / (1 - x)
        terms = -y * np.log(x) - (1 - y) * np.log(1 - x)
        slope = of_one + of_zero
    """,
    faults=wrong_slopes(
        "dx = -y / x + (1 - y) / (1 - x), divided by what the loss is divided by.",
        ("slope-of-logits", "there is x - y, the slope in the logits of a sigmoid x", "x - y"),
        ("label-missing", "the terms with y = 0 are missing", "of_one"),
        ("label-missing", "the terms with y = 1 are missing", "of_zero"),
        ("label-sign", "-y / x has the wrong sign", "of_zero - of_one"),
        ("label-sign", "(1 - y) / (1 - x) has the wrong sign", "of_one - of_zero"),
        ("slope-of-logits", "x - y is multiplied by x (1 - x)", "(x - y) * x * (1 - x)"),
        ("slope-of-logits", "x - y is divided by x alone", "(x - y) / x"),
        ("slope-of-logits", "x - y is divided by 1 - x alone", "(x - y) / (1 - x)"),
    ),
    loss_faults={
        "has no term for y = 0": "-(y * np.log(x)).sum() * weights",
        "has logarithms to the base 2": "out / np.log(2)",
    },
    definition="The loss is the sum of -y log x - (1 - y) log(1 - x), divided once.",
    guarded=(
        GuardedTerms(
            "[-y * np.log(x + e) - (1 - y) * np.log(1 - x + e),"
            " -y * np.log(np.clip(x, e, 1 - e)) - (1 - y) * np.log(1 - np.clip(x, e, 1 - e))]",
            "[(1 - y) / (1 - x + e) - y / (x + e), (x - y) / (x * (1 - x) + e)]",
        ),
    ),
)


@frozen
class KlDivergenceCase(ProbabilitiesCase):
    """Sizes of a loss: probabilities x, or their logarithms, and target probabilities y (N, C)."""

    layer = "kl-divergence"
    axes = declare(CLASS, x="N C", y="N C", out="")
    passed = ("divisor", "input")

    C: int = size(3, "classes", minimum=2)
    divisor: str = choice("N", "by which the sum over all elements is divided", "NC", "1")
    input: str = choice("probabilities", "what x is", "logarithms")

    @property
    def domain(self) -> Mapping[str, tuple[float, float]]:
        """Probabilities lie between 0 and 1, and their logarithms anywhere."""
        return super().domain if self.input == "probabilities" else {}


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


KL = targets_loss(
    KlDivergenceCase,
    kl_divergence_loss,
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
    # The slope is -y, divided by `below`.
    formulas="""
        log = x if input == 'logarithms' else np.log(x)
        p = np.exp(x) if input == 'logarithms' else x
        below = 1 if input == 'logarithms' else x
        ratio = np.log(y) - log
        terms = y * ratio
        slope = -y / below
    """,
    faults=wrong_slopes(
        "dx = -y / x, or -y where x is a logarithm, divided by what the loss is divided by.",
        ("kl-slope", "there is log(y / x), not its derivative", "ratio"),
        ("kl-slope", "there is log(y / x) + 1, the derivative in y", "ratio + 1"),
        ("kl-slope", "there is 1 - y / x", "1 - y / below"),
        ("kl-slope", "there is -1 / x, without the factor y", "-1 / below + 0 * y"),
        ("kl-slope", "there is x - y, the slope in the scores of a softmax", "p - y"),
        ("kl-slope", "there is -x / y, not -y / x", "-p / y"),
        (
            "kl-slope",
            "x is taken for the other of probabilities and logarithms",
            "-y / x if input == 'logarithms' else -y",
        ),
    ),
    loss_faults={
        "has x log(x / y): the two are exchanged": "-(p * ratio).sum() * weights",
        "has no log y: it is the cross-entropy": "-(y * log).sum() * weights",
        "has a logarithm to the base 2": "out / np.log(2)",
    },
    definition="The loss is the sum of y log(y / x), divided once.",
    guarded=(
        GuardedTerms(
            "[y * (np.log(y + e) - x)] if input == 'logarithms' else"
            " [y * np.log(ratio) for ratio in ((y + e) / (x + e), y / (x + e), y / x + e)]",
            "[-y if input == 'logarithms' else -y / (x + e)]",
        ),
    ),
)
