"""Reshapes where a transpose is needed: faults of layers that are computed as one matrix product."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

Gradients = Mapping[str, Array]
Backward = Callable[[Gradients, Array], Gradients]


def misread(array: Array, really: Sequence[int], taken_for: Sequence[int]) -> Array:
    """Return an array whose axes are transposed to one order, and reshaped as if they were in another.

    Args:
        array: of any axes.
        really: their order in memory after the transpose; 0, 1, 2, ... for none.
        taken_for: the order that the reshape assumes.
    """
    assumed = array.transpose(really).reshape([array.shape[k] for k in taken_for])
    return assumed.transpose(np.argsort(taken_for))


def reshaped_cotangents(problem: Problem, right: Backward) -> Iterator[Fault]:
    """Yield backward passes that reshape dout to a matrix in an order that its axes do not have.

    Args:
        problem: of one output that has a cotangent.
        right: the backward pass.
    """
    out = next(iter(problem.outputs), "out")
    axes = problem.axes[out]
    own = tuple(range(len(axes)))
    orders = [(own, other) for other in itertools.permutations(own)]
    # A transposed dout is a matrix of one row, or one column, for each channel or unit.
    features = [k for k, axis in enumerate(axes) if k and not axis.spatial]
    matrices = [
        order
        for end in (0, -1)
        for order in itertools.permutations(own)
        if order and features and order[end] == features[0] and _rows_before_columns(order)
    ]
    for really, taken_for in [*orders, *itertools.product(matrices, matrices)]:
        if really == taken_for:
            continue
        names = ", ".join(axes[k].size for k in taken_for)
        cause = f"In {{names}} dout is reshaped as if its axes were ({names}), without a transpose."
        if really != own:
            have = ", ".join(axes[k].size for k in really)
            cause = f"In {{names}} dout is transposed to the axes ({have}), and reshaped as if they were ({names})."
        yield Fault(
            code="reshaped-not-transposed",
            cause=cause,
            remedy=f"Reshape `dout.transpose({', '.join(map(str, taken_for))})`: a reshape keeps the order in memory.",
            gradients=partial(_of_misread, problem, out, right, really, taken_for),
        )


def _of_misread(
    problem: Problem,
    out: str,
    right: Backward,
    really: tuple[int, ...],
    taken_for: tuple[int, ...],
    inputs: Gradients,
    cotangent: Array,
) -> Gradients:
    changed = cotangent.copy()
    found = problem.parts(changed)[out]
    found[...] = misread(problem.parts(cotangent)[out], really, taken_for)
    return right(inputs, changed)


def _rows_before_columns(order: tuple[int, ...]) -> bool:
    """Tell whether rows are next to their columns, and before them, as in every matrix that people write."""
    return len(order) < 4 or order.index(3) == order.index(2) + 1
