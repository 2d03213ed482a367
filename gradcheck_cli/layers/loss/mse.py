"""Mean squared error: the mean of (x - y)^2."""

from __future__ import annotations

from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.case import Param
from gradcheck_cli.layers.framework.text_parameters import choice
from gradcheck_cli.layers.loss.loss import wrong_slopes
from gradcheck_cli.layers.loss.targets import TargetsCase, divisor_of, targets_loss
from gradcheck_cli.numeric.arrays import Array


@frozen
class MseCase(TargetsCase):
    """Sizes of a loss: x and its targets y (N, D)."""

    layer = "mse"

    divisor: str = choice("ND", "by which the sum over all elements is divided", "N", "2ND", "2N", "1", "2")


def mse_loss(x: Array, y: Array, loss_param: Param) -> tuple[Any, Array]:
    """Return the loss, the sum of (x - y)^2 divided by N D (or another number), and its gradient.

    (x - y)^2 has the derivative 2 (x - y) in x: dx = 2 (x - y) / (N D). (Bishop, Pattern Recognition and Machine
    Learning, equation 1.2, where the divisor is 2.)
    """
    count = divisor_of(x, loss_param)
    return ((x - y) ** 2).sum() / count, 2 * (x - y) / count


LAYER = targets_loss(
    MseCase,
    mse_loss,
    # Each divisor twice, one sample, one number, and as many samples as numbers.
    standard=MseCase.rows(
        "N D divisor",
        *((4, 3, "ND"), (3, 5, "ND"), (1, 4, "ND"), (5, 1, "ND"), (4, 3, "N"), (2, 5, "N")),
        *((4, 3, "2ND"), (3, 4, "2ND"), (4, 3, "2N"), (3, 4, "2N"), (3, 4, "1"), (2, 3, "1"), (3, 5, "2"), (4, 2, "2")),
    ),
    probe_cases=MseCase.rows("N D divisor", *((4, 3, divisor) for divisor in ("ND", "N", "2ND", "2N", "1", "2"))),
    formulas="terms = (x - y) ** 2; slope = 2 * (x - y)",
    faults=wrong_slopes(
        "dx = 2 (x - y), divided by what the loss is divided by.",
        ("target-missing", "the target is not subtracted", "2 * x"),
        ("residual-squared", "x - y is squared, as in the loss", "2 * terms"),
        ("residual-squared", "there is (x - y)^2, the loss itself", "terms"),
        ("target-sign", "the target is added, not subtracted", "2 * (x + y)"),
        ("residual-squared", "there is 2 |x - y|, without its sign", "2 * abs(x - y)"),
        ("product-rule", "there is 2 (x - y) x, with a factor x too many", "2 * (x - y) * x"),
    ),
    loss_faults={
        "has the absolute value of x - y, not its square": "abs(x - y).sum() * weights",
        "has the root of the mean": "out**0.5",
    },
    definition="The loss is the sum of (x - y)^2, divided once.",
)
