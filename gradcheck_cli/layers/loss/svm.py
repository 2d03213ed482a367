"""The hinge loss of a multiclass support vector machine, with a margin of 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.fault import fault
from gradcheck_cli.layers.framework.problem import row_sum
from gradcheck_cli.layers.loss.loss import ScoresCase, label_scores, one_hot, scores_loss, wrong_slopes
from gradcheck_cli.numeric.arrays import Array


@frozen
class SvmCase(ScoresCase):
    """Sizes of a loss: scores x (N, C), labels y (N,) from 0 to C - 1."""

    layer = "svm"


def svm_loss(x: Array, y: Array) -> tuple[Any, Array]:
    """Return the loss, 1/N sum_n sum_(c != y_n) max(0, x[n, c] - x[n, y_n] + 1), and its gradient.

    A class whose margin x[n, c] - x[n, y_n] + 1 is positive adds 1/N to dx[n, c] and takes 1/N from dx[n, y_n]; the
    others have no part. At a margin of 0 there is no derivative, and none is drawn. (Weston and Watkins, 1999.)
    """
    label, count = one_hot(x, y), x.dtype.type(len(y))
    margins = np.maximum(0, x - label_scores(x, y) + 1) * (1 - label)
    active = (margins > 0).astype(x.dtype)
    return margins.sum() / count, (active - label * active.sum(axis=1, keepdims=True)) / count


_DX = "A class whose margin is missed has 1 / N more, and the label 1 / N less for each of these."

LAYER = scores_loss(
    SvmCase,
    svm_loss,
    standard=SvmCase.standard(),
    equations={
        "ahead": lambda v: v.x - label_scores(v.x, v.y),
        "margins": lambda v: np.maximum(0, v.ahead + 1) * (1 - v.label),
        "active": lambda v: (v.margins > 0).astype(v.x.dtype),
        "count": lambda v: row_sum(v.active),
        "terms": lambda v: row_sum(v.margins),
        "slope": lambda v: v.active - v.label * v.count,
    },
    faults=(
        *wrong_slopes(
            _DX,
            ("label-missing", "the label has no gradient", lambda v: v.active),
            (
                "label-missing",
                "the label has -1 / N, and not -1 / N for each class whose margin is missed",
                lambda v: v.active - v.label,
            ),
            ("label-missing", "only the label has a gradient", lambda v: -v.label * v.count),
            ("label-sign", "the label has the wrong sign", lambda v: v.active + v.label * v.count),
            (
                "label-counted",
                "the label is counted among the classes: it has 1 / N too much",
                lambda v: v.active + v.label * (1 - v.count),
            ),
            (
                "label-counted",
                "the label is counted among the classes: it has 1 / N too little",
                lambda v: v.active - v.label * (v.count + 1),
            ),
        ),
        fault(
            "margins-not-counted",
            "margins are added up, where each that is missed counts as 1",
            _DX,
            active=lambda v: v.margins,
        ),
        fault(
            "margins-not-counted",
            "margins are added up twice, as for the squared hinge loss",
            _DX,
            active=lambda v: 2 * v.margins,
        ),
        fault(
            "margin-missing",
            "a margin is missed where it is below 0, and not below 1",
            _DX,
            active=lambda v: (v.ahead > 0).astype(v.x.dtype),
        ),
    ),
    definition="The loss is 1/N times the sum of max(0, x - x[y] + 1) over all classes but the label.",
    loss_faults={
        "counts the label among the classes: it is 1 too large": lambda v: v.out + 1,
        "has no margin of 1": lambda v: (np.maximum(0, v.ahead) * (1 - v.label) * v.weights).sum(),
        "has squared margins": lambda v: (v.margins**2 * v.weights).sum(),
    },
    zeros=(),
)
