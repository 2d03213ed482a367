"""Cross-entropy of labels under given probabilities; from scores it is the softmax loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.loss.loss import one_hot
from gradcheck_cli.layers.loss.targets import DividedCase, TargetLoss, divisor_of, draw_probabilities

if TYPE_CHECKING:
    from random import Random

    from gradcheck_cli.layers.loss.targets import Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class CrossEntropyCase(DividedCase):
    """Sizes of a loss: probabilities x (N, C), labels y (N,) from 0 to C - 1."""

    layer: ClassVar[str] = "cross-entropy"
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
    zeros=(),
    terms=lambda x, y, _: -one_hot(x, y) * np.log(x),
    scale=lambda x, y, _: one_hot(x, y) * (1 - np.log(x)),
    slope_scale=lambda x, y, _: one_hot(x, y) / x,
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
