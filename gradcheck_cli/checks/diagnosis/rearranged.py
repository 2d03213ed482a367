"""Has a gradient the right numbers in the wrong places, or none at all? Hypotheses made from the derivative alone."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import judge_elements
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Explanation
from gradcheck_cli.checks.where import where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gradcheck_cli.checks.comparison import Expected
    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.numeric.arrays import Array

    #: An explanation, what it predicts of the gradient, and whether that can be asked of other cases.
    Rearrangement = tuple[Explanation, Callable[[Evidence], Expected], bool]


def simple(evidence: Evidence, name: str) -> Iterator[Rearrangement]:
    """Yield what is seen at a glance: another gradient, another shape."""
    returned, right = evidence.returned[name], evidence.right(name)
    for other in evidence.failing:  # one that is right was returned in its place
        if other != name:
            wrong = "{names} {be} returned under another's name."
            owed = ", ".join(f"d{key}" for key in evidence.problem.differentiable)
            order = f"Return the gradients in the order ({owed})."
            explanation = Explanation(code="wrong-order", cause=wrong, remedy=order)
            yield explanation, partial(Evidence.right, name=other), True
    if returned.shape != right.value.shape and returned.size == right.value.size:
        shaped = f"{{names}} {{have}} the right numbers in the shape {returned.shape}."
        remedy = f"Reshape to {right.value.shape}."
        explanation = Explanation(code="reshaped", cause=shaped, remedy=remedy)
        yield explanation, _moved(name, lambda array: array.reshape(returned.shape)), False


def rearranged(evidence: Evidence, name: str) -> Iterator[Rearrangement]:
    """Yield other orders of the axes, and of the indices along each axis; and parts left at zero."""
    right, axes = evidence.right(name), evidence.problem.axes[name]
    yield from transposed(name, right.value.shape, axes)
    if evidence.returned[name].shape == right.value.shape:
        for k in range(right.value.ndim):
            yield from _permuted(name, evidence.returned[name], right, axes[k], k)
        yield from _unfinished(evidence, name, right, axes)


def transposed(name: str, shape: tuple[int, ...], axes: tuple[Axis, ...]) -> Iterator[Rearrangement]:
    """Yield other orders of the axes, and reshapes from one."""
    for order in itertools.permutations(range(len(shape))):
        if order == tuple(range(len(shape))):
            continue
        names = ", ".join(axes[k].name for k in order)
        remedy = f"Return the axes in the order ({', '.join(axis.name for axis in axes)})."
        turned = f"{{names}} {{have}} the axes in the order ({names})."
        yield Explanation(code="transposed", cause=turned, remedy=remedy), _moved(name, _transpose(order)), True
        mixed = f"{{names}} {{be}} reshaped, not transposed, from an array with the axes ({names})."
        use = "Transpose before you reshape: a reshape keeps the order in memory."
        explanation = Explanation(code="reshaped-not-transposed", cause=mixed, remedy=use)
        yield explanation, _moved(name, _transpose(order, reshape=True)), True


def _transpose(order: tuple[int, ...], *, reshape: bool = False) -> Callable[[Array], Array]:
    return lambda array: array.transpose(order).reshape(array.shape if reshape else [array.shape[k] for k in order])


def _permuted(name: str, returned: Array, right: Expected, axis: Axis, k: int) -> Iterator[Rearrangement]:
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
    if (order == np.arange(len(order))[::-1]).all():
        yield explanation, _moved(name, lambda array: np.flip(array, axis=k)), True
    else:
        yield explanation, _moved(name, lambda array: array.take(order, axis=k)), False


def _order(order: Array) -> str:
    size = len(order)
    if (order == np.arange(size)[::-1]).all():
        return "in reverse order"
    shift = int(order[0])
    if (order == (np.arange(size) + shift) % size).all():
        return f"rolled by {min(shift, size - shift)}"
    moved = np.flatnonzero(order != np.arange(size))
    return f"mixed up, {moved[0]} and {moved[1]} exchanged" if len(moved) == 2 else "in another order"


def _unfinished(evidence: Evidence, name: str, right: Expected, axes: tuple[Axis, ...]) -> Iterator[Rearrangement]:
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
    yield explanation, _moved(name, lambda array: np.where(wrong, 0, array)), False


def _moved(name: str, change: Callable[[Array], Array]) -> Callable[[Evidence], Expected]:
    def predicted(evidence: Evidence) -> Expected:
        right = evidence.right(name)
        value, scale, bound = (change(array) for array in (right.value, right.scale, right.error_bound))
        return replace(right, value=value, scale=scale, error_bound=bound)

    return predicted
