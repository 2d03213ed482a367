"""What people get wrong in the gradient of any function: hypotheses that its own forward is asked about."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.checks.comparison import Expected
from gradcheck_cli.checks.diagnosis.cotangent import replacements
from gradcheck_cli.checks.diagnosis.evidence import Explanation, Hypothesis
from gradcheck_cli.checks.gradients import along, numeric_inputs, resolution
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.numeric.arrays import epsilon, signed_uniform
from gradcheck_cli.numeric.colored import Coupling
from gradcheck_cli.numeric.derivative import differentiate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.checks.diagnosis.evidence import Evidence
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.numeric.black_box import Function

#: Elements of an input up to which it is differentiated again, each element in several evaluations.
_LARGEST = 2_000

#: And up to which each element of its Jacobian's diagonal is: that takes as many evaluations for each of a few steps.
_LARGEST_DIAGONAL = 150

#: What two slopes along a direction may differ by, as a share of their terms, to be worth a closer look.
_GLANCE = 1e-2

_DIAGONAL = Explanation(
    code="diagonal-only",
    cause="{names} {be} dout times the diagonal of the Jacobian, as if each output depended on its own input alone.",
    remedy="Sum over all outputs that an input reaches; for a softmax s that is `s * (dout - (dout * s).sum(axis))`.",
)


def of_functions(evidence: Evidence, implementation: Implementation) -> Iterator[Hypothesis]:
    """Yield other cotangents than dout, and the diagonal of the Jacobian, where they fit.

    Args:
        evidence: the case, of a function without a reference.
        implementation: the function, which is evaluated.
    """
    try:
        inputs = numeric_inputs(implementation, evidence.problem)
        small = [
            n for n in evidence.failing if evidence.returned[n].shape == inputs[n].shape and inputs[n].size <= _LARGEST
        ]
        boxes = {
            name: _Box(evidence, along(implementation, evidence.problem, inputs, name), inputs[name], name)
            for name in small
        }
        if evidence.cotangent.size > 1:
            for code, cause, remedy, taken in replacements(evidence.problem.output_axes):
                cotangent = taken(evidence.cotangent)
                names = [name for name, box in boxes.items() if box.fits(cotangent)]
                yield Hypothesis(
                    explanation=Explanation(code=code, cause=cause, remedy=remedy), predictions=dict.fromkeys(names)
                )
        names = [name for name, box in boxes.items() if box.is_diagonal()]
        yield Hypothesis(explanation=_DIAGONAL, predictions=dict.fromkeys(names))
    except ImplementationError:  # at a point near by: there is nothing more to be learned
        return


class _Box:
    """Forward as a function of one input, and the gradient that was returned for it."""

    def __init__(self, evidence: Evidence, function: Function, x: Array, name: str) -> None:
        self._evidence, self._function, self._x, self._name = evidence, function, x, name
        self._gradient = evidence.returned[name]
        self._step = 2.0 ** np.round(np.log2(epsilon(x.dtype)) / 3)
        self._direction = signed_uniform(random.Random(0), x.shape)  # noqa: S311  # a direction, not a secret
        self._moved = self._difference(self._direction)

    def fits(self, cotangent: Array) -> bool:
        """Tell whether the gradient is that of <cotangent, forward>: at a glance first."""
        terms = cotangent * self._moved
        along = (self._gradient * self._direction).sum()
        if not abs(along - terms.sum()) <= _GLANCE * (abs(terms).sum() + abs(self._gradient * self._direction).sum()):
            return False
        return self._evidence.fits(self._name, self._derivative(self._function, cotangent, None))

    def is_diagonal(self) -> bool:
        """Tell whether the gradient is the cotangent times the diagonal of the Jacobian."""
        x, g = self._x, self._evidence.cotangent
        if x.shape != g.shape or not 1 < x.size <= _LARGEST_DIAGONAL:
            return False
        for element in (0, x.size // 2, x.size - 1):
            one = np.zeros(x.shape, x.dtype)
            one.flat[element] = 1
            expected = (g * self._difference(one)).flat[element]
            if not abs(self._gradient.flat[element] - expected) <= _GLANCE * abs(expected):
                return False
        coupling = Coupling(colors=1, owner=lambda _: np.arange(x.size).reshape(x.shape))
        return self._evidence.fits(self._name, self._derivative(self._diagonal, g, coupling))

    def _diagonal(self, value: Array) -> Array:
        """Return for each element the output in its place, where that element alone is moved."""
        out = np.array(self._function(self._x))
        for element in np.flatnonzero(value != self._x):
            moved = self._x.copy()
            moved.flat[element] = value.flat[element]
            out.flat[element] = self._function(moved).flat[element]
        return out

    def _difference(self, direction: Array) -> Array:
        ahead = np.array(self._function(self._x + self._step * direction), self._gradient.dtype)
        return np.asarray((ahead - self._function(self._x - self._step * direction)) / (2 * self._step))

    def _derivative(self, function: Function, cotangent: Array, coupling: Coupling | None) -> Expected:
        eps = epsilon(self._evidence.case.dtype)
        found = differentiate(function, self._x, cotangent, resolution=resolution(eps), coupling=coupling)
        return Expected(
            value=found.value,
            scale=found.scale,
            error_bound=found.error_bound,
            method=found.method,
            evaluations=found.evaluations,
        )
