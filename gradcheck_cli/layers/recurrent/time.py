"""A cell repeated over time, the way back through its steps, and faults on that way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from gradcheck_cli.numeric.arrays import Array

Backward = Callable[..., Any]


def over_time(step: Callable[..., Any], x: Array, states: Sequence[Array], *weights: Any) -> tuple[Array, list[Any]]:
    """Repeat a step for each x[:, t], with x (N, T, D), from given states (N, H), with the same weights.

    Returns:
        The first state after each step, (N, T, H), and the cache of each step.
    """
    outputs, caches = [], []
    for t in range(x.shape[1]):
        *states, cache = step(x[:, t], *states, *weights)
        outputs.append(states[0])
        caches.append(cache)
    return np.stack(outputs, axis=1), caches


def through_time(
    backward: Backward,
    dh: Array,
    caches: Sequence[Any],
    carried: tuple[float, ...] = (1.0,),
    *,
    accumulate: bool = True,
) -> tuple[Array, ...]:
    """Carry dh (N, T, H) back through all steps, the last first.

    h[t] reaches the loss by itself and by way of step t + 1: into step t go dh[:, t] plus the gradient that step t + 1
    returned for the state before it. Any further state is no output, and reaches the loss by way of step t + 1 alone.
    The weights are the same in each step, so their gradients are summed over steps. (Goodfellow, Bengio and Courville,
    Deep Learning, section 10.2.2.)

    Args:
        backward: of a step: (cotangent of each state..., cache) -> (dx, gradient of each state before..., weights...).
        dh: the cotangent of the first state after each step.
        caches: of each step.
        carried: for each state the factor on what is carried from step to step: 1, or in a fault 0.
        accumulate: whether the gradients of weights are summed, or in a fault assigned.

    Returns:
        dx (N, T, D), the gradient of the first state before the first step, and those of the weights.
    """
    states = [np.zeros_like(dh[:, 0])] * len(carried)
    dxs: list[Array] = []
    weights: list[Array] = []
    for t in reversed(range(dh.shape[1])):
        hidden, *others = (factor * state for factor, state in zip(carried, states, strict=True))
        dx, *rest = backward(dh[:, t] + hidden, *others, caches[t])
        states, shares = rest[: len(carried)], rest[len(carried) :]
        weights = [w + share for w, share in zip(weights, shares, strict=True)] if weights and accumulate else shares
        dxs.append(dx)
    return np.stack(dxs[::-1], axis=1), states[0], *weights


def time_faults(backward: Backward, states: int, steps: int) -> Iterator[tuple[str, str, str, Backward]]:
    """Yield faults between the steps of a sequence: code, cause, remedy, and the sequence's backward pass with it.

    Args:
        backward: of a step.
        states: how many the cell has.
        steps: of the sequence, at least 2.
    """
    carried = (1.0,) * states
    right = partial(through_time, backward, carried=carried)

    def of_last_step(dh: Array, caches: Sequence[Any]) -> tuple[Array, ...]:
        return right(dh, caches)[0], *right(dh[:, -1:], caches[-1:])[1:]

    def forward_in_time(dh: Array, caches: Sequence[Any]) -> tuple[Array, ...]:
        dx, *rest = right(dh[:, ::-1], caches[::-1])
        return dx[:, ::-1], *rest

    lost = "In {{names}} the gradient of the {} state is not carried back from step to step.".format
    into = "Into step t go dh[:, t] and what step t + 1 returned for its previous state, added up."
    yield "not-carried-back", lost("hidden"), into, partial(through_time, backward, carried=(0.0, *carried[1:]))
    last = np.arange(steps)[:, None] == steps - 1
    only = "In {names} the dh of a step is not added to what the next step returned: only dh of the last step counts."
    yield "upstream-missing", only, into, lambda dh, caches: right(dh * last, caches)
    accumulate = "Every step has the same weights: write `+=`, not `=`, in the loop."
    first = "{names} {be} assigned where contributions of all steps are to be summed: that of the first step remains."
    yield "assigned-not-accumulated", first, accumulate, partial(right, accumulate=False)
    one = "{names} {be} not summed over steps: the contribution of the last step remains."
    yield "assigned-not-accumulated", one, accumulate, of_last_step
    if states > 1:
        passed = "Pass the dprev_c of step t + 1 to step t as its dnext_c."
        yield "cell-not-carried-back", lost("cell"), passed, partial(through_time, backward, carried=(1.0, 0.0))
    ahead = "In {names} the loop runs from the first step to the last: gradients are carried forward in time."
    yield "time-not-reversed", ahead, "Loop over `reversed(range(T))`.", forward_in_time
