"""Reshapes where a transpose is needed: slips of layers that are computed as one matrix product."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.framework.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gradcheck_cli.numeric.arrays import Array

    Gradients = Mapping[str, Array]
    Backward = Callable[[Mapping[str, Array], Array], Gradients]


def mistaken(array: Array, really: Sequence[int], taken_for: Sequence[int]) -> Array:
    """Return an array as it comes out if its axes are transposed to one order and taken for another.

    Args:
        array: of any axes.
        really: their order in memory after the transpose; 0, 1, 2, ... for none.
        taken_for: the order that the reshape assumes.
    """
    assumed = array.transpose(really).reshape([array.shape[k] for k in taken_for])
    return assumed.transpose(np.argsort(taken_for))


def last_missed(what: str, size: int) -> str:
    """Say that the last of something is missed; of two, that is the same as to use only the first."""
    if size == 2:
        return f"In {{names}} only the first of the two {what}s is used: the last {what} is missed."
    return f"In {{names}} the last {what} is missed."


def cotangent_layouts(right: Backward, axes: tuple[str, ...]) -> Iterator[Fault]:
    """Yield backward passes that reshape dout to a matrix in an order that its axes do not have.

    Args:
        right: the backward pass, of inputs by name.
        axes: the sizes of dout, as they are written: N, F, H', W'.
    """
    own = tuple(range(len(axes)))
    outer = len(own) - 1
    # Orders in which dout is a matrix of one row, or one column, for each filter.
    matrices = [order for place in (0, outer) for order in itertools.permutations(own) if order.index(1) == place]
    orders = [(own, other) for other in itertools.permutations(own)]
    orders += [(really, other) for really in matrices for other in matrices if _cyclic(really) and _cyclic(other)]
    for really, other in orders:
        if really == other:
            continue
        names = ", ".join(axes[k] for k in other)
        if really == own:
            cause = f"In {{names}} dout is reshaped as if its axes were ({names}), without a transpose."
        else:
            have = ", ".join(axes[k] for k in really)
            cause = f"In {{names}} dout is transposed to the axes ({have}), and reshaped as if they were ({names})."
        yield Fault(
            code="reshaped-not-transposed",
            cause=cause,
            remedy=f"Reshape `dout.transpose({', '.join(map(str, other))})`: a reshape keeps the order in memory.",
            gradients=partial(_of_mistaken, right=right, really=really, taken_for=other),
        )


def _of_mistaken(
    inputs: Mapping[str, Array], g: Array, right: Backward, really: tuple[int, ...], taken_for: tuple[int, ...]
) -> Gradients:
    return right(inputs, np.ascontiguousarray(mistaken(g, really, taken_for)))


def _cyclic(order: tuple[int, ...]) -> bool:
    """Tell whether rows are next to their columns, and before them, as in every matrix that people write."""
    return len(order) < 4 or order.index(3) == order.index(2) + 1
