"""The evidence of a failing case, and whether a hypothesis fits it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck_cli.checks.comparison import judge_elements
from gradcheck_cli.checks.diagnosis.codes import Explanation
from gradcheck_cli.checks.run import CaseRun
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.fault import Backward
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array, epsilon, working_dtype
from gradcheck_cli.numeric.estimate import Estimate

#: A hypothesis that fits must do so by more than luck. An element is evidence of log2(difference / tolerance) bits,
#: with its difference from the right value: how unlikely it is that an error of that size lands within the tolerance.
#: In float64 that is at most 45, in float32 16, in float16 8. With 24 bits, and about a hundred hypotheses tried, luck
#: explains fewer than one wrong gradient in 100,000.
ENOUGH_BITS = 24.0

#: Roundings of the working dtype that a sum computed here may be off: pairwise and blocked sums measured below 2.
_OWN_ROUNDINGS = 4.0


@frozen
class Hypothesis:
    """An explanation, the failing arrays that it fits, and what it predicts of them in other cases.

    `predict` takes the evidence of another case. What it leaves out, or if it is None, the explanation says nothing of.
    """

    explanation: Explanation
    names: frozenset[str]
    predict: Callable[[Evidence], Mapping[str, Estimate]] | None = None


def choose(
    failing: Sequence[str], hypotheses: Iterable[Hypothesis], refute: Callable[[Hypothesis], frozenset[str]]
) -> dict[Explanation, list[str]]:
    """Return what explains all failing arrays at once, or else the first that explains each, with their names.

    Args:
        failing: names of arrays.
        hypotheses: in the order in which they are tried.
        refute: returns the names of which a hypothesis turns out not to hold.
    """
    found: dict[str, Explanation] = {}
    for hypothesis in hypotheses:
        if hypothesis.names <= found.keys() and not hypothesis.names.issuperset(failing):
            continue
        names = hypothesis.names - refute(hypothesis)
        explained = dict.fromkeys(names, hypothesis.explanation)
        if names.issuperset(failing):
            found = explained
            break
        found = explained | found
    causes = dict.fromkeys(found[name] for name in failing if name in found)
    return {cause: [name for name in failing if found.get(name) == cause] for cause in causes}


@frozen
class Evidence:
    """A run in which something is wrong. Arrays are named after the input, and in the working dtype."""

    run: CaseRun
    returned: Mapping[str, Array] = field(default_factory=dict)  #: the gradients that are finite numbers
    failing: tuple[str, ...] = ()  #: which of them are wrong
    expected: Mapping[str, Estimate] = field(default_factory=dict)  #: derivatives of forward, as far as computed

    @property
    def problem(self) -> Problem:
        """The problem of the case."""
        return self.run.problem

    @property
    def dtype(self) -> str:
        """The dtype under test."""
        return self.run.dtype

    @cached_property
    def inputs(self) -> dict[str, Array]:
        """The problem's inputs, as the reference takes them."""
        wide = {name: self._widen(self.problem.inputs[name]) for name in self.problem.differentiable}
        return {**self.problem.inputs, **wide}

    @cached_property
    def cotangent(self) -> Array:
        """The problem's cotangent, as the reference takes it."""
        return self._widen(self.problem.cotangent)

    @cached_property
    def reference(self) -> dict[str, Estimate]:
        """The reference's gradients."""
        return self.estimate(lambda inputs, cotangent: self.run.layer.gradients(self.problem, inputs, cotangent))

    def right(self, name: str) -> Estimate:
        """Return what an array should be: the derivative of the layer's own forward, else the reference's."""
        return self.expected.get(name) or self.reference[name]

    def estimate(self, backward: Backward) -> dict[str, Estimate]:
        """Return the gradients of a backward pass with a fault, with the scale of their roundoff."""
        values = backward(self.inputs, self.cotangent)
        return {name: self._estimate(name, value, backward) for name, value in values.items()}

    def explained_by(self, backward: Backward) -> frozenset[str]:
        """Return the failing gradients that a backward pass with a fault reproduces."""
        values = backward(self.inputs, self.cotangent)
        near = {name: value for name, value in values.items() if name in self.failing and self._is_near(name, value)}
        return frozenset(name for name, value in near.items() if self.fits(name, self._estimate(name, value, backward)))

    def fits(self, name: str, predicted: Estimate, *, spent: int = 0) -> bool:
        """Tell whether an array is what a hypothesis predicts, and that by no accident.

        Args:
            name: which array.
            predicted: what it would be.
            spent: how many of its elements were used to make the hypothesis, and are no evidence for it.
        """
        if not self.matches(name, predicted):
            return False
        # An array without elements is known by its shape.
        return not self.returned[name].size or self.differs(name, predicted, spent=spent)

    def matches(self, name: str, expected: Estimate) -> bool:
        """Tell whether an array is as expected, be it by accident."""
        returned = self.returned[name]
        if returned.shape != expected.value.shape:
            return False
        if not returned.size:
            return True
        elements = judge_elements(returned, expected, self.dtype, self.run.settings)
        return not (elements.wrong.any() or elements.undecided.any())

    def differs(self, name: str, predicted: Estimate, *, spent: int = 0) -> bool:
        """Tell whether a prediction differs from what is right in enough elements that no luck explains a fit."""
        bits = np.sort(self._bits(predicted, self.right(name)).reshape(-1))
        return bool(bits[: bits.size - spent].sum() >= ENOUGH_BITS)

    def ratio(self, name: str) -> np.floating[Any] | None:
        """Return the factor by which a gradient fits what is right best; None where there is none."""
        returned, right = self.returned[name], self.right(name)
        if returned.shape != right.value.shape or not right.value.any():
            return None
        ratio: np.floating[Any] = (right.value * returned).sum() / np.square(right.value).sum()
        return ratio if np.isfinite(ratio) and ratio else None

    def multiple(self, name: str, factor: np.floating[Any] | float) -> Estimate:
        """Return that multiple of what is right."""
        right = self.right(name)
        return replace(
            right,
            value=right.value * factor,
            scale=right.scale * abs(factor),
            error_bound=right.error_bound * abs(factor),
        )

    def _bits(self, predicted: Estimate, right: Estimate) -> Array:
        """Return the bits of evidence in each element that a prediction is not what is right."""
        most = -math.log2(self.run.settings.share(self.dtype))
        if right.value.shape != predicted.value.shape:
            return np.full(predicted.value.shape, most)
        elements = judge_elements(predicted.value, right, self.dtype, self.run.settings)
        bits = np.where(elements.wrong, np.log2(elements.error / elements.allowed), 0)
        return np.minimum(bits, most)

    def _estimate(self, name: str, value: Array, backward: Backward) -> Estimate:
        """Return a gradient with its scale, which is what the same backward pass computes from absolute values."""
        absolute = {**self.inputs, **{key: abs(self.inputs[key]) for key in self.problem.differentiable}}
        scale = np.maximum(abs(backward(absolute, abs(self.cotangent))[name]), abs(value))
        return Estimate(
            value=value, scale=scale, error_bound=_OWN_ROUNDINGS * epsilon(value.dtype) * scale, method="reference"
        )

    def _is_near(self, name: str, value: Array) -> bool:
        """Tell at a glance whether it is worth computing the scale of a prediction."""
        returned = self.returned[name]
        if returned.shape != value.shape:
            return False
        # Roundings, even those of float16 in sums that cancel, are below a tenth of the whole.
        return bool(np.linalg.norm((returned - value).ravel()) <= np.linalg.norm(value.ravel()) / 4)

    def _widen(self, value: Array) -> Array:
        return value.astype(working_dtype(self.dtype))


def usable(arrays: Mapping[str, object], dtype: str) -> dict[str, Array]:
    """Return the gradients that can be compared with numbers, in the working dtype; the form of others is at fault."""
    kept = {name: np.asarray(array) for name, array in arrays.items() if isinstance(array, np.ndarray | np.generic)}
    return {
        name: array.astype(working_dtype(dtype))
        for name, array in kept.items()
        if array.dtype.kind == "f" and epsilon(array.dtype) <= epsilon(dtype) and np.isfinite(array).all()
    }
