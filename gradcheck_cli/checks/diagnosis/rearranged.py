"""Has a gradient the right numbers in the wrong places, or none at all? Hypotheses made from the derivative alone."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import judge_elements
from gradcheck_cli.checks.diagnosis.evidence import Explanation
from gradcheck_cli.checks.where import where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gradcheck_cli.arrays import Array
    from gradcheck_cli.checks.comparison import Expected
    from gradcheck_cli.checks.diagnosis.evidence import Evidence
    from gradcheck_cli.layers.framework.axes import Axis

    Hypothesis = tuple[Explanation, Expected]


def simple(evidence: Evidence, name: str) -> Iterator[Hypothesis]:
    """Yield what is seen at a glance: another gradient, another shape."""
    returned, right = evidence.returned[name], evidence.right(name)
    for other in evidence.failing:  # one that is right was returned in its place
        if other != name:
            wrong = "{names} {be} returned under another's name."
            owed = ", ".join(f"d{key}" for key in evidence.problem.differentiable)
            order = f"Return the gradients in the order ({owed})."
            yield Explanation(code="wrong-order", cause=wrong, remedy=order), evidence.right(other)
    if returned.shape != right.value.shape and returned.size == right.value.size:
        shaped = f"{{names}} {{have}} the right numbers in the shape {returned.shape}."
        remedy = f"Reshape to {right.value.shape}."
        explanation = Explanation(code="reshaped", cause=shaped, remedy=remedy)
        yield explanation, _moved(right, lambda array: array.reshape(returned.shape))


def rearranged(evidence: Evidence, name: str) -> Iterator[Hypothesis]:
    """Yield other orders of the axes, and of the indices along each axis; and parts left at zero."""
    right, axes = evidence.right(name), evidence.problem.axes[name]
    yield from _transposed(right, axes)
    if evidence.returned[name].shape == right.value.shape:
        for k in range(right.value.ndim):
            yield from _permuted(evidence.returned[name], right, axes[k], k)
        yield from _unfinished(evidence, name, right, axes)


def _transposed(right: Expected, axes: tuple[Axis, ...]) -> Iterator[Hypothesis]:
    shape = right.value.shape
    for order in itertools.permutations(range(len(shape))):
        if order == tuple(range(len(shape))):
            continue
        names = ", ".join(axes[k].name for k in order)
        remedy = f"Return the axes in the order ({', '.join(axis.name for axis in axes)})."
        turned = f"{{names}} {{have}} the axes in the order ({names})."
        yield Explanation(code="transposed", cause=turned, remedy=remedy), _moved(right, _transpose(order))
        mixed = f"{{names}} {{be}} given the right shape by a reshape, from an array with the axes ({names})."
        use = "Transpose before you reshape: a reshape keeps the order in memory."
        explanation = Explanation(code="reshaped-not-transposed", cause=mixed, remedy=use)
        yield explanation, _moved(right, _transpose(order, shape))


def _transpose(order: tuple[int, ...], shape: tuple[int, ...] | None = None) -> Callable[[Array], Array]:
    return lambda array: array.transpose(order).reshape(shape or [array.shape[k] for k in order])


def _permuted(returned: Array, right: Expected, axis: Axis, k: int) -> Iterator[Hypothesis]:
    """Pair the slices of two arrays along an axis by a weighted sum of each, and yield that order."""
    slices, owed = (np.moveaxis(array, k, 0).reshape(array.shape[k], -1) for array in (returned, right.value))
    weights = np.cos(np.arange(slices.shape[1]))  # any that have no symmetry
    order = np.empty(len(slices), int)
    order[np.argsort(slices @ weights)] = np.argsort(owed @ weights)
    if (order == np.arange(len(order))).all():
        return
    explanation = Explanation(
        code=f"{axis.name.replace(' ', '-')}s-permuted",
        cause=f"The {axis.name}s of {{names}} are {_order(order)}.",
        remedy=f"Write {axis.name} {axis.index} of the gradient where {axis.name} {axis.index} of the input is.",
    )
    yield explanation, _moved(right, lambda array: array.take(order, axis=k))


def _order(order: Array) -> str:
    size = len(order)
    if (order == np.arange(size)[::-1]).all():
        return "in reverse order"
    shift = int(order[0])
    if (order == (np.arange(size) + shift) % size).all():
        return f"rolled by {min(shift, size - shift)}"
    moved = np.flatnonzero(order != np.arange(size))
    return f"mixed up, {moved[0]} and {moved[1]} exchanged" if len(moved) == 2 else "in another order"


def _unfinished(evidence: Evidence, name: str, right: Expected, axes: tuple[Axis, ...]) -> Iterator[Hypothesis]:
    returned = evidence.returned[name]
    wrong = judge_elements(returned, right, evidence.case.dtype, evidence.settings).wrong
    if not wrong.any() or returned[wrong].any() or not returned.any():
        return
    part = where(wrong, axes) or f"in {int(wrong.sum())} of {wrong.size} elements"
    explanation = Explanation(
        code="unfinished",
        cause=f"{{names}} {{be}} right where anything was written, and left at zero elsewhere: {part}.",
        remedy="Look for a loop that ends early, or leaves some of its steps out.",
    )
    yield explanation, _moved(right, lambda array: np.where(wrong, 0, array))


def _moved(right: Expected, change: Callable[[Array], Array]) -> Expected:
    return replace(right, value=change(right.value), scale=change(right.scale), error_bound=change(right.error_bound))
