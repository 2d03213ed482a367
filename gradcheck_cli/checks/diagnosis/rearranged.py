"""Right numbers in the wrong places, or only some of them. Hypotheses made from the expected array alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradcheck_cli.checks.comparison import judge_elements
from gradcheck_cli.checks.diagnosis.codes import Explanation, explanation
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Hypothesis
from gradcheck_cli.checks.where import where
from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.numeric.estimate import Estimate


class Rearrangement(NamedTuple):
    """An explanation, and the change of the right array that it describes."""

    explanation: Explanation
    change: Callable[[Array], Array]
    portable: bool  #: whether it says the same of other cases

    def predict(self, right: Estimate) -> Estimate:
        """Return the right array rearranged."""
        value, scale, bound = (self.change(array) for array in (right.value, right.scale, right.error_bound))
        return replace(right, value=value, scale=scale, error_bound=bound)


def exchanged(evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield gradients that were returned under another's name."""
    order = ", ".join(f"d{name}" for name in evidence.problem.differentiable)
    cause = explanation("wrong-order", order=order)
    found: dict[str, str] = {}
    for name, other in itertools.permutations(evidence.failing, 2):  # one that is right was not exchanged
        if name not in found and evidence.fits(name, evidence.right(other)):
            found[name] = other

    def predict(elsewhere: Evidence) -> Mapping[str, Estimate]:
        return {name: elsewhere.right(other) for name, other in found.items()}

    yield Hypothesis(explanation=cause, names=frozenset(found), predict=predict)


def rearrangements(evidence: Evidence, of: Callable[[Evidence, str], Iterator[Rearrangement]]) -> Iterator[Hypothesis]:
    """Yield what rearrangements fit, those of several gradients by the same explanation together."""
    found: dict[Explanation, dict[str, Rearrangement]] = {}
    for name in evidence.failing:
        for each in of(evidence, name):
            if evidence.fits(name, each.predict(evidence.right(name))):
                found.setdefault(each.explanation, {})[name] = each
    for cause, fitting in found.items():
        yield Hypothesis(explanation=cause, names=frozenset(fitting), predict=_predictor(fitting))


def _predictor(fitting: Mapping[str, Rearrangement]) -> Callable[[Evidence], Mapping[str, Estimate]]:
    def predict(elsewhere: Evidence) -> Mapping[str, Estimate]:
        return {name: each.predict(elsewhere.right(name)) for name, each in fitting.items() if each.portable}

    return predict


def reshaped(evidence: Evidence, name: str) -> Iterator[Rearrangement]:
    """Yield the right numbers in another shape."""
    shape, right = evidence.returned[name].shape, evidence.right(name).value
    if shape != right.shape and evidence.returned[name].size == right.size:
        cause = explanation("reshaped", shape=shape, right=right.shape)
        yield Rearrangement(cause, lambda array: array.reshape(shape), portable=False)


def moved(evidence: Evidence, name: str) -> Iterator[Rearrangement]:
    """Yield other orders of the axes, and of the indices along each axis; and parts left at zero."""
    right, returned, axes = evidence.right(name), evidence.returned[name], evidence.problem.axes[name]
    yield from transposed(right.value.shape, axes)
    if returned.shape == right.value.shape:
        for k, axis in enumerate(axes):
            yield from _permuted(returned, right.value, axis, k)
        yield from _unfinished(evidence, name, axes)


def transposed(shape: tuple[int, ...], axes: tuple[Axis, ...]) -> Iterator[Rearrangement]:
    """Yield other orders of the axes, and reshapes from one."""
    right = ", ".join(axis.name for axis in axes)
    for order in itertools.permutations(range(len(shape))):
        if order == tuple(range(len(shape))):
            continue
        names = ", ".join(axes[k].name for k in order)
        yield Rearrangement(explanation("transposed", order=names, right=right), _transpose(order), portable=True)
        mixed = explanation("reshaped-not-transposed", order=names)
        yield Rearrangement(mixed, _transpose(order, reshape=True), portable=True)


def _transpose(order: tuple[int, ...], *, reshape: bool = False) -> Callable[[Array], Array]:
    return lambda array: array.transpose(order).reshape(array.shape if reshape else [array.shape[k] for k in order])


def _permuted(returned: Array, right: Array, axis: Axis, k: int) -> Iterator[Rearrangement]:
    """Pair the slices of two arrays along an axis by a weighted sum of each, and yield that order."""
    slices, expected = (np.moveaxis(array, k, 0).reshape(array.shape[k], -1) for array in (returned, right))
    weights = np.cos(np.arange(slices.shape[1]))  # any that have no symmetry
    order = np.empty(len(slices), int)
    order[np.argsort(slices @ weights)] = np.argsort(expected @ weights)
    straight = np.arange(len(order))
    if (order == straight).all():
        return
    kind = axis.name.replace(" ", "-")
    cause = explanation("{kind}s-permuted", kind=kind, axis=axis.name, index=axis.letter, order=_order(order))
    if (order == straight[::-1]).all():
        yield Rearrangement(cause, lambda array: np.flip(array, axis=k), portable=True)
    else:
        yield Rearrangement(cause, lambda array: array.take(order, axis=k), portable=False)


def _order(order: Array) -> str:
    size = len(order)
    if (order == np.arange(size)[::-1]).all():
        return "in reverse order"
    shift = int(order[0])
    if (order == (np.arange(size) + shift) % size).all():
        return f"rolled by {min(shift, size - shift)}"
    changed = np.flatnonzero(order != np.arange(size))
    return f"mixed up, {changed[0]} and {changed[1]} exchanged" if len(changed) == 2 else "in another order"


def _unfinished(evidence: Evidence, name: str, axes: tuple[Axis, ...]) -> Iterator[Rearrangement]:
    returned = evidence.returned[name]
    wrong = judge_elements(returned, evidence.right(name), evidence.dtype, evidence.run.settings).wrong
    if wrong.any() and returned.any() and not returned[wrong].any():
        place = where(wrong, axes) or f"in {int(wrong.sum())} of {wrong.size} elements"
        cause = explanation("unfinished", place=place)
        yield Rearrangement(cause, lambda array: np.where(wrong, 0, array), portable=False)
