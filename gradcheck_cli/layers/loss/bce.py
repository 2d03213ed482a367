"""Binary cross-entropy: the mean of -y log x - (1 - y) log(1 - x), with probabilities x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.words import choice
from gradcheck_cli.layers.loss.targets import TargetLoss, TargetsCase, divisor_of

if TYPE_CHECKING:
    from random import Random

    from gradcheck_cli.layers.loss.targets import Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class BceCase(TargetsCase):
    """Sizes of a loss: probabilities x and their targets y (N, D), 0 or 1."""

    layer: ClassVar[str] = "bce"

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


def draw(case: BceCase, source: Random) -> dict[str, Array]:
    """Draw probabilities from 0.1 to 0.9, and targets of which some are 0 and some 1."""
    x, shape = drawn(source, case.shapes["x"], (0.1, 0.9)), case.shapes["y"]
    y = np.array([source.randrange(2) for _ in range(x.size)], float)
    y[:2] = (1.0, 0.0)[: y.size]
    return {"x": x, "y": y.reshape(shape)}


def _guarded(x: Array, y: Array, _: Param, e: float) -> tuple[list[Array], list[Array]]:
    logarithms = [(np.log(x + e), np.log(1 - x + e)), (np.log(np.clip(x, e, 1 - e)), np.log(1 - np.clip(x, e, 1 - e)))]
    return [-y * one - (1 - y) * other for one, other in logarithms], [
        (1 - y) / (1 - x + e) - y / (x + e),
        (x - y) / (x * (1 - x) + e),
    ]


LAYER = TargetLoss(
    case=BceCase,
    function=bce_loss,
    standard=BceCase.rows(
        "N D divisor",
        *((4, 3, "ND"), (3, 5, "ND"), (1, 4, "ND"), (5, 1, "ND"), (4, 3, "N"), (2, 5, "N"), (3, 4, "1"), (5, 2, "1")),
    ),
    probe_cases=BceCase.rows("N D divisor", (4, 3, "ND"), (4, 3, "N"), (4, 3, "1")),
    draw=draw,
    zeros=(),
    terms=lambda x, y, _: -y * np.log(x) - (1 - y) * np.log(1 - x),
    scale=lambda x, y, _: y * (1 - np.log(x)) + (1 - y) * (1 / (1 - x) - np.log(1 - x)),
    slope_scale=lambda x, y, _: y / x + (1 - y) / (1 - x) ** 2,
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
    guarded=_guarded,
).layer()
