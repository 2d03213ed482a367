"""The hinge loss of a multiclass support vector machine, with a margin of 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.layers.scores import ScoresCase, loss, of_label, picked

if TYPE_CHECKING:
    from gradcheck_cli.arrays import Array


@dataclass(frozen=True, kw_only=True)
class SvmCase(ScoresCase):
    """Sizes of a loss: scores x (N, C), labels y (N,) from 0 to C - 1."""

    layer: ClassVar[str] = "svm"


def svm_loss(x: Array, y: Array) -> tuple[Any, Array]:
    """Return the loss, 1/N sum_n sum_(c != y_n) max(0, x[n, c] - x[n, y_n] + 1), and its gradient.

    A class whose margin x[n, c] - x[n, y_n] + 1 is positive adds 1/N to dx[n, c] and takes 1/N from dx[n, y_n]; the
    others have no part. At a margin of 0 there is no derivative, and none is drawn. (Weston and Watkins, 1999.)
    """
    label, count = of_label(x, y), x.dtype.type(len(y))
    margins = np.maximum(0, x - picked(x, y) + 1) * (1 - label)
    active = (margins > 0).astype(x.dtype)
    return margins.sum() / count, (active - label * active.sum(axis=1, keepdims=True)) / count


def _scale(x: Array, y: Array) -> Array:
    active = (x - picked(x, y) + 1 > 0) & (of_label(x, y) == 0)
    return np.asarray((active * (abs(x) + abs(picked(x, y)) + 1)).sum() / len(y))


LAYER = loss(
    SvmCase,
    svm_loss,
    names=("svm", "hinge"),
    scale=_scale,
    gradient_scale=lambda x, y: abs(svm_loss(x, y)[1]),
)
