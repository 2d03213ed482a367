"""Kullback-Leibler divergence of a distribution x from its target y: the sum of y log(y / x)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.axes import CLASS, declare
from gradcheck_cli.layers.framework.parameter import size
from gradcheck_cli.layers.framework.words import choice
from gradcheck_cli.layers.loss.targets import DividedCase, TargetLoss, divisor_of, draw_probabilities

if TYPE_CHECKING:
    from random import Random

    from gradcheck_cli.layers.loss.targets import Param
    from gradcheck_cli.numeric.arrays import Array


@frozen
class KlDivergenceCase(DividedCase):
    """Sizes of a loss: probabilities x, or their logarithms, and target probabilities y (N, C)."""

    layer: ClassVar[str] = "kl-divergence"
    axes = declare(CLASS, x="N C", y="N C", out="")
    passed: ClassVar = ("divisor", "input")

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


def draw(case: KlDivergenceCase, source: Random) -> dict[str, Array]:
    """Draw two distributions of each sample."""
    shape = (case.N, case.C)
    x, y = draw_probabilities(source, shape), draw_probabilities(source, shape)
    return {"x": np.log(x) if case.input == "logarithms" else x, "y": y}


def _log(x: Array, param: Param) -> Array:
    return x if param["input"] == "logarithms" else np.log(x)


def _right(x: Array, param: Param) -> Any:
    """Return what -y is divided by in the slope."""
    return 1 if param["input"] == "logarithms" else x


def _guarded(x: Array, y: Array, param: Param, e: float) -> tuple[list[Array], list[Array]]:
    if param["input"] == "logarithms":
        return [y * (np.log(y + e) - x)], [-y]
    return [y * np.log((y + e) / (x + e)), y * np.log(y / (x + e)), y * np.log(y / x + e)], [-y / (x + e)]


LAYER = TargetLoss(
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
    draw=draw,
    zeros=(),
    terms=lambda x, y, p: y * (np.log(y) - _log(x, p)),
    scale=lambda x, y, p: y * (2 + abs(np.log(y)) + abs(_log(x, p))),
    slope_scale=lambda x, y, p: y / _right(x, p),
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
    guarded=_guarded,
).layer()
