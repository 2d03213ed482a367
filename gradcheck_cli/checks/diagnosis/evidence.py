"""What is known about a failing case, and whether a hypothesis fits it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.checks.comparison import Expected, judge_elements
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.numeric.arrays import epsilon, working_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Gradients = Callable[[Mapping[str, Array], Array], Mapping[str, Array]]
    Prediction = Callable[["Evidence"], Expected | None]

#: A hypothesis that fits must do so by more than luck. An element tells it from the right one by log2(difference /
#: tolerance) bits: how unlikely it is that an error of that size lands within the tolerance. In float64 that comes to
#: 45 at the most, in float32 to 16, in float16 to 8. With 24 bits, and about a hundred hypotheses tried, luck explains
#: fewer than one wrong gradient in 100,000.
ENOUGH_BITS = 24.0

#: Roundings of the working dtype that a sum computed here may be off: pairwise and blocked sums measured below 2.
_OWN_ROUNDINGS = 4.0


@frozen
class Explanation:
    """A cause, in sentences about {names}, which {be} as they are."""

    code: str
    cause: str
    remedy: str


@frozen
class Hypothesis:
    """An explanation, and for each failing gradient that it explains what it predicts of that gradient in other cases.

    A prediction is a function of the evidence of another case: None, or a function that returns None, where the
    explanation says nothing of that case.
    """

    explanation: Explanation
    predictions: Mapping[str, Prediction | None]


@frozen
class Evidence:
    """A case in which something is wrong. Arrays are named after the input, and in the working dtype."""

    case: Case
    layer: Layer
    problem: Problem
    settings: Settings
    returned: Mapping[str, Array]  #: of the gradients that came, those that are finite numbers
    failing: tuple[str, ...]  #: which of them are wrong
    derivatives: Mapping[str, Expected]  #: of those that were differentiated element by element

    @cached_property
    def inputs(self) -> dict[str, Array]:
        """The problem's inputs, as the reference takes them."""
        wide = {name: self._wide(self.problem.inputs[name]) for name in self.problem.differentiable}
        return {**self.problem.inputs, **wide}

    @cached_property
    def cotangent(self) -> Array:
        """The problem's cotangent, as the reference takes it."""
        return self._wide(self.problem.cotangent)

    @cached_property
    def reference(self) -> dict[str, Expected]:
        """The reference's gradients."""
        return self.all_of(lambda inputs, cotangent: self.layer.gradients(self.problem, inputs, cotangent))

    def right(self, name: str) -> Expected:
        """Return what a gradient should be: the derivative of the layer's own forward, else the reference's."""
        return self.derivatives.get(name) or self.reference[name]

    def all_of(self, gradients: Gradients) -> dict[str, Expected]:
        """Compute what (inputs, cotangent) come to with a slip in the reference, with the scale of its roundoff."""
        values = gradients(self.inputs, self.cotangent)
        return {name: self._expected(name, value, gradients) for name, value in values.items()}

    def fitting(self, gradients: Gradients) -> set[str]:
        """Tell which failing gradients a slip explains."""
        values = gradients(self.inputs, self.cotangent)
        near = {name: value for name, value in values.items() if name in self.failing and self._near(name, value)}
        return {name for name, value in near.items() if self.fits(name, self._expected(name, value, gradients))}

    def fits(self, name: str, hypothesis: Expected, *, spent: int = 0) -> bool:
        """Tell whether a gradient is what it would be under a hypothesis, and that by no accident.

        Args:
            name: which gradient.
            hypothesis: what it would be.
            spent: how many of its elements were used to make the hypothesis, and are no evidence for it.
        """
        if not self.matches(name, hypothesis):
            return False
        # An array without elements is told by its shape.
        return not self.returned[name].size or self.differs(name, hypothesis, spent=spent)

    def matches(self, name: str, expected: Expected) -> bool:
        """Tell whether a gradient is as expected, be it by accident."""
        returned = self.returned[name]
        if returned.shape != expected.value.shape:
            return False
        if not returned.size:
            return True
        found = judge_elements(returned, expected, self.case.dtype, self.settings)
        return not (found.wrong.any() or found.undecided.any())

    def differs(self, name: str, hypothesis: Expected, *, spent: int = 0) -> bool:
        """Tell whether a hypothesis differs from what is right in enough elements that no luck explains a fit."""
        bits = np.sort(self._bits(hypothesis, self.right(name)).reshape(-1))
        return bool(bits[: bits.size - spent].sum() >= ENOUGH_BITS)

    def ratio(self, name: str) -> np.floating[Any] | None:
        """Return the factor by which a gradient fits what is right best; None where there is none."""
        returned, right = self.returned[name], self.right(name)
        if returned.shape != right.value.shape or not right.value.any():
            return None
        ratio: np.floating[Any] = (right.value * returned).sum() / np.square(right.value).sum()
        return ratio if np.isfinite(ratio) and ratio else None

    def multiple(self, name: str, factor: np.floating[Any] | float) -> Expected:
        """Return that multiple of what is right."""
        right = self.right(name)
        return replace(
            right,
            value=right.value * factor,
            scale=right.scale * abs(factor),
            error_bound=right.error_bound * abs(factor),
        )

    def _bits(self, hypothesis: Expected, right: Expected) -> Array:
        """Measure by how much each element tells a hypothesis from what is right."""
        most = -math.log2(self.settings.tolerance(self.case.dtype) * epsilon(self.case.dtype))
        if right.value.shape != hypothesis.value.shape:
            return np.full(hypothesis.value.shape, most)
        found = judge_elements(hypothesis.value, right, self.case.dtype, self.settings)
        bits = np.where(found.wrong, np.log2(found.error / found.allowed), 0)
        return np.minimum(bits, most)

    def _expected(self, name: str, value: Array, gradients: Gradients) -> Expected:
        absolute = {**self.inputs, **{key: abs(self.inputs[key]) for key in self.problem.differentiable}}
        scale = np.maximum(abs(gradients(absolute, abs(self.cotangent))[name]), self._known_scale(name, value.shape))
        bound = _OWN_ROUNDINGS * epsilon(value.dtype) * scale
        return Expected(value=value, scale=scale, error_bound=bound, method="reference", evaluations=0)

    def _known_scale(self, name: str, shape: tuple[int, ...]) -> Array | float:
        """Return what the layer says of the terms that cancel in the right gradient: they do in a wrong one too."""
        known = self.problem.gradient_scale.get(name)
        return known if known is not None and known.shape == shape else 0.0

    def _near(self, name: str, value: Array) -> bool:
        """Tell in one glance whether it is worth to compute the scale of a hypothesis."""
        returned = self.returned[name]
        if returned.shape != value.shape:
            return False
        # Roundings, even those of float16 in sums that cancel, are below a tenth of the whole.
        return bool(np.linalg.norm((returned - value).ravel()) <= np.linalg.norm(value.ravel()) / 4)

    def _wide(self, value: Array) -> Array:
        return value.astype(working_dtype(self.case.dtype))
