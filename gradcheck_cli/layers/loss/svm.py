"""The hinge loss of a multiclass support vector machine, with a margin of 1."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck_cli.layers.framework.fault import fault_table
from gradcheck_cli.layers.loss.loss import ScoresCase, label_scores, one_hot, scores_loss, wrong_slopes
from gradcheck_cli.numeric.arrays import Array


def svm_loss(x: Array, y: Array) -> tuple[Any, Array]:
    """Return the loss, 1/N sum_n sum_(c != y_n) max(0, x[n, c] - x[n, y_n] + 1), and its gradient.

    A class whose margin x[n, c] - x[n, y_n] + 1 is positive adds 1/N to dx[n, c] and takes 1/N from dx[n, y_n]; the
    others have no part. At a margin of 0 there is no derivative, and none is drawn. (Weston and Watkins, 1999.)
    """
    label, count = one_hot(x, y), x.dtype.type(len(y))
    margins = np.maximum(0, x - label_scores(x, y) + 1) * (1 - label)
    active = (margins > 0).astype(x.dtype)
    return margins.sum() / count, (active - label * active.sum(axis=1, keepdims=True)) / count


SvmCase = ScoresCase.named("svm")
_DX = "A class whose margin is missed has 1 / N more, and the label 1 / N less for each of these."

LAYER = scores_loss(
    SvmCase,
    svm_loss,
    standard=SvmCase.standard(),
    formulas="""
        ahead = x - label_scores(x, y)
        margins = np.maximum(0, ahead + 1) * (1 - label)
        active = (margins > 0).astype(x.dtype)
        count = row_sum(active)
        terms = row_sum(margins)
        slope = active - label * count
    """,
    faults=(
        *wrong_slopes(
            _DX,
            ("label-missing", "the label has no gradient", "active"),
            (
                "label-missing",
                "the label has -1 / N, and not -1 / N for each class whose margin is missed",
                "active - label",
            ),
            ("label-missing", "only the label has a gradient", "-label * count"),
            ("label-sign", "the label has the wrong sign", "active + label * count"),
            (
                "label-counted",
                "the label is counted among the classes: it has 1 / N too much",
                "active + label * (1 - count)",
            ),
            (
                "label-counted",
                "the label is counted among the classes: it has 1 / N too little",
                "active - label * (count + 1)",
            ),
        ),
        *fault_table(
            _DX,
            ("margins-not-counted", "margins are added up, where each that is missed counts as 1", "active = margins"),
            (
                "margins-not-counted",
                "margins are added up twice, as for the squared hinge loss",
                "active = 2 * margins",
            ),
            (
                "margin-missing",
                "a margin is missed where it is below 0, and not below 1",
                "active = (ahead > 0).astype(x.dtype)",
            ),
        ),
    ),
    definition="The loss is 1/N times the sum of max(0, x - x[y] + 1) over all classes but the label.",
    loss_faults={
        "counts the label among the classes: it is 1 too large": "out + 1",
        "has no margin of 1": "(np.maximum(0, ahead) * (1 - label) * weights).sum()",
        "has squared margins": "(margins**2 * weights).sum()",
    },
    zeros=(),
)
