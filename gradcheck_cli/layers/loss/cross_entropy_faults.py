"""What people get wrong in a softmax loss, of samples or of the steps of sequences.

With p = exp(x) / sum exp(x) over classes, the gradient is (p - 1 for the label) / N.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.framework.fault import Fault, ForwardFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.numeric.arrays import Array

    #: dx of rows (R, C) from p, the labels as one-hot rows, the weight of each row (R, 1), and x
    Rows = Callable[[Array, Array, Array, Array], Array]

_DX = "dx = p / N, less 1 / N for the label of each sample: `dx = p; dx[np.arange(N), y] -= 1; dx /= N`."


def _exps(x: Array, axis: int | None) -> Array:
    return np.asarray(np.exp(x - x.max(axis=axis, keepdims=True)))


def slips() -> Iterator[tuple[str, str, Rows]]:
    """Yield (code, cause, dx of rows) of what people take for the gradient."""
    yield (
        "label-missing",
        "In {names} the 1 of the label is not subtracted: {names} {be} p / N.",
        lambda p, _, w, __: p * w,
    )
    yield "label-sign", "In {names} the 1 of the label is added, and not subtracted.", lambda p, y, w, _: (p + y) * w
    yield (
        "label-sign",
        "In {names} the label has 1 - p where p - 1 is due.",
        lambda p, y, w, _: (p + y * (1 - 2 * p)) * w,
    )
    yield (
        "softmax-diagonal",
        "In {names} only the diagonal of the softmax's Jacobian is used: all classes but the label have 0.",
        lambda p, y, w, _: (p - 1) * y * w,
    )
    yield (
        "softmax-diagonal",
        "{names} {be} multiplied by p (1 - p), the diagonal of the softmax's Jacobian, which p - 1 has in it already.",
        lambda p, y, w, _: (p - y) * p * (1 - p) * w,
    )
    yield (
        "softmax-diagonal",
        "{names} {be} p (1 - p), the diagonal of the softmax's Jacobian, without the loss.",
        lambda p, _, w, __: p * (1 - p) * w,
    )
    yield (
        "label-in-all-rows",
        "In {names} 1 is subtracted in every sample for the labels of all samples.",
        lambda p, y, w, _: (p - y.any(axis=0)) * w,
    )
    for shift, words in ((-1, "one too low, as if classes were counted from 1"), (1, "one too high")):
        yield (
            "label-shifted",
            f"In {{names}} the label is {words}.",
            lambda p, y, w, _, shift=shift: (p - np.roll(y, shift, axis=1)) * w,  # type: ignore[misc]
        )
    yield (
        "label-assigned",
        "In {names} the label has -1, and not p - 1.",
        lambda p, y, w, _: np.where(y != 0, -1, p) * w,
    )
    yield (
        "label-not-averaged",
        "In {names} p is divided by N before the 1 of the label is subtracted, which is not.",
        lambda p, y, w, _: p * w - y * (w != 0),
    )
    yield (
        "label-not-averaged",
        "In {names} the 1 of the label is divided by N, and p is not.",
        lambda p, y, w, _: p * (w != 0) - y * w,
    )
    unnormalized = "In {names} exp(x) is not divided by its sum over classes."
    yield "not-normalized", unnormalized, lambda _, y, w, x: (_exps(x, 1) - y) * w
    yield "not-normalized", unnormalized, lambda _, y, w, x: (np.exp(x) - y) * w
    for over, words in ((0, "samples"), (None, "all elements")):
        for lowered in (1, None):

            def other_sum(
                _: Array, y: Array, w: Array, x: Array, lowered: int | None = lowered, over: int | None = over
            ) -> Array:
                exps = _exps(x, lowered)
                return np.asarray((exps / exps.sum(axis=over, keepdims=True) - y) * w)

            yield (
                "normalized-axes",
                f"In {{names}} exp(x) is divided by its sum over {words}, and not over classes.",
                other_sum,
            )


def faults() -> Iterator[Fault]:
    """Yield the slips of a loss over scores x (N, C) with labels y (N,)."""

    def gradients(inputs: Mapping[str, Array], _: Array, rows: Rows) -> Mapping[str, Array]:
        x, y = inputs["x"], inputs["y"]
        return {"x": of_rows(rows, x, y, np.full(len(y), 1 / x.dtype.type(len(y))))}

    for code, cause, rows in slips():
        yield Fault(code=code, cause=cause, remedy=_DX, gradients=partial(gradients, rows=rows))


def of_rows(rows: Rows, x: Array, y: Array, weights: Array) -> Array:
    """Return what a slip makes of scores x (R, C), labels y (R,) and the weight of each row (R,)."""
    exps = _exps(x, 1)
    label = (np.arange(x.shape[1]) == y[:, None]).astype(x.dtype)
    return rows(exps / exps.sum(axis=1, keepdims=True), label, weights[:, None], x)


def loss_faults(x: Array, y: Array) -> Iterator[ForwardFault]:
    """Yield what people take for the loss of scores x (N, C)."""
    logs = x - x.max(axis=1, keepdims=True)
    logs = (logs - np.log(np.exp(logs).sum(axis=1, keepdims=True)))[np.arange(len(y)), y]
    yield from wrong_means(-logs.sum(), {"N": len(y)}, {"N C": x.size, "C": x.shape[1], "1": 1})
    for words, loss in (
        ("has the wrong sign", logs.mean()),
        ("has no logarithm: it is -1/N times the sum of p of the labels", -np.exp(logs).mean()),
        ("has a logarithm to the base 2", -logs.mean() / np.log(2)),
    ):
        yield loss_fault(words, loss)


def wrong_means(total: Array, right: Mapping[str, int], others: Mapping[str, int]) -> Iterator[ForwardFault]:
    """Yield a total divided by something else than what is right; of names for one size, all are listed."""
    ((name, count),) = right.items()
    for size in dict.fromkeys(others.values()):
        called = " or ".join(other for other, own in others.items() if own == size)
        if size == 1:
            yield loss_fault(f"is a sum: it is not divided by {name}", total)
        elif size != count:
            yield loss_fault(f"is divided by {called} = {size}, not by {name}", total / size)


def loss_fault(words: str, loss: Array) -> ForwardFault:
    """Say of a loss what is wrong with it."""
    return ForwardFault(
        code="loss-wrong",
        cause=f"The loss {words}.",
        remedy="The loss is the mean over samples.",
        outputs={"out": np.asarray(loss)},
    )
