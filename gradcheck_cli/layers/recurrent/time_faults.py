"""What people get wrong on the way back through time, in a recurrent layer of any kind."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.recurrent.recurrent import through_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from gradcheck_cli.layers.recurrent.recurrent import SequenceCase, Slip
    from gradcheck_cli.numeric.arrays import Array


def in_each_step(slips: Iterable[Slip], count: int) -> Iterator[Slip]:
    """Yield the slips of a step as those of a sequence, made in each of its steps."""
    for code, cause, remedy, step in slips:
        yield code, cause, remedy, partial(through_time, step, kept=(1.0,) * count)


def time_slips(step: Callable[..., Any], count: int, case: SequenceCase) -> Iterator[Slip]:
    """Yield what is lost between steps, or of the sums over them; nothing is where there is one step.

    Args:
        step: a step's backward pass.
        count: how many states it has.
        case: of which the number of steps is taken.
    """
    if case.T == 1:
        return
    whole = (1.0,) * count
    last = np.arange(case.T)[:, None] == case.T - 1
    remedy = "Into step t go dh[:, t] and what step t + 1 returned for its previous state, added up."
    yield (
        "not-carried-back",
        "In {names} the gradient of the hidden state is not carried back from step to step.",
        remedy,
        lambda dh, caches: through_time(step, dh, caches, (0.0, *[1.0] * (count - 1))),
    )
    yield (
        "upstream-missing",
        "In {names} the dh of a step is not added to what comes back from the next: only that of the last step counts.",
        remedy,
        lambda dh, caches: through_time(step, dh * last, caches, whole),
    )
    same = "Every step has the same weights: write `+=`, not `=`, in the loop."
    yield (
        "assigned-not-accumulated",
        "{names} {be} assigned where the shares of all steps are to be summed: that of the first step is left.",
        same,
        lambda dh, caches: through_time(step, dh, caches, whole, summed=0.0),
    )
    yield (
        "assigned-not-accumulated",
        "{names} {be} not summed over steps: that of the last step is left.",
        same,
        partial(_of_last_step, step, whole),
    )
    if count > 1:
        yield (
            "cell-not-carried-back",
            "In {names} the gradient of the cell state is not carried back from step to step.",
            "Hand the dprev_c of step t + 1 to step t as its dnext_c.",
            lambda dh, caches: through_time(step, dh, caches, (1.0, 0.0)),
        )
    yield (
        "time-not-reversed",
        "In {names} the steps are gone through from the first to the last: gradients are carried forward in time.",
        "Loop over `reversed(range(T))`.",
        partial(_forwards, step, whole),
    )


def _of_last_step(
    step: Callable[..., Any], whole: tuple[float, ...], dh: Array, caches: Sequence[Any]
) -> tuple[Array, ...]:
    """Return dx as it is, and of the rest what the last step returns."""
    dx, *_ = through_time(step, dh, caches, whole)
    _, *rest = through_time(step, dh[:, -1:], caches[-1:], whole)
    return dx, *rest


def _forwards(
    step: Callable[..., Any], whole: tuple[float, ...], dh: Array, caches: Sequence[Any]
) -> tuple[Array, ...]:
    dx, *rest = through_time(step, dh[:, ::-1], caches[::-1], whole)
    return dx[:, ::-1], *rest
