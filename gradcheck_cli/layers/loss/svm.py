"""The hinge loss of a multiclass support vector machine, with a margin of 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.loss.cross_entropy_faults import loss_fault, wrong_means
from gradcheck_cli.layers.loss.scores import ScoresCase, loss, of_label, picked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.framework.fault import ForwardFault
    from gradcheck_cli.numeric.arrays import Array


@frozen
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


def _faults() -> Iterator[Fault]:
    """Yield what people take for the gradient."""
    # Each from the margins, 1 where one of them is missed, 1 for the label, and the scores less that of the label.
    slips: dict[tuple[str, str], Callable[[Array, Array, Array, Array], Array]] = {
        ("label-missing", "the label has no gradient"): lambda _, a, __, ___: a,
        ("label-missing", "the label has -1 / N, and not -1 / N for each class whose margin is missed"): (
            lambda _, a, y, __: a - y
        ),
        ("label-missing", "only the label has a gradient"): lambda _, a, y, __: -y * _count(a),
        ("label-sign", "the label has the wrong sign"): lambda _, a, y, __: a + y * _count(a),
        ("label-counted", "the label is counted among the classes: it has 1 / N too much"): (
            lambda _, a, y, __: a + y - y * _count(a)
        ),
        ("label-counted", "the label is counted among the classes: it has 1 / N too little"): (
            lambda _, a, y, __: a - y * (_count(a) + 1)
        ),
        ("margins-not-counted", "margins are added up, where each that is missed counts as 1"): (
            lambda m, _, y, __: m - y * _count(m)
        ),
        ("margins-not-counted", "margins are added up twice, as for the squared hinge loss"): (
            lambda m, _, y, __: 2 * (m - y * _count(m))
        ),
        ("margin-missing", "a margin is missed where it is below 0, and not below 1"): (
            lambda _, __, y, ahead: (ahead > 0) - y * _count((ahead > 0).astype(y.dtype))
        ),
    }
    for (code, words), slip in slips.items():

        def gradients(
            inputs: Mapping[str, Array], _: Array, slip: Callable[[Array, Array, Array, Array], Array] = slip
        ) -> Mapping[str, Array]:
            x, y = inputs["x"], inputs["y"]
            label, ahead = of_label(x, y), x - picked(x, y)
            margins = np.maximum(0, ahead + 1) * (1 - label)
            return {"x": slip(margins, (margins > 0).astype(x.dtype), label, ahead) / x.dtype.type(len(y))}

        yield Fault(
            code=code,
            cause=f"In {{names}} {words}.",
            remedy="A class whose margin is missed has 1 / N more, and the label 1 / N less for each of these.",
            gradients=gradients,
        )


def _count(active: Array) -> Array:
    return np.asarray(active.sum(axis=1, keepdims=True))


def _loss_faults(x: Array, y: Array) -> Iterator[ForwardFault]:
    """Yield what people take for the loss."""
    label, ahead, count = of_label(x, y), x - picked(x, y), len(y)
    margins = np.maximum(0, ahead + 1) * (1 - label)
    yield from wrong_means(margins.sum(), {"N": count}, {"N C": x.size, "C": x.shape[1], "1": 1})
    yield loss_fault("counts the label among the classes: it is 1 too large", margins.sum() / count + 1)
    yield loss_fault("has no margin of 1", (np.maximum(0, ahead) * (1 - label)).sum() / count)
    yield loss_fault("has squared margins", (margins**2).sum() / count)


LAYER = loss(
    SvmCase,
    svm_loss,
    scale=_scale,
    gradient_scale=lambda x, y: abs(svm_loss(x, y)[1]),
    faults=_faults,
    forward_faults=_loss_faults,
)
