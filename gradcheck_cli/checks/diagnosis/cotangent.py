"""Whether something else was taken for dout. Hypotheses for any layer, made from its reference or its own forward."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from gradcheck_cli.checks.diagnosis.codes import Explanation, explanation
from gradcheck_cli.checks.diagnosis.evidence import Evidence, Hypothesis
from gradcheck_cli.checks.differentiation import ForwardFunction, numeric_inputs, resolution
from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array, epsilon
from gradcheck_cli.numeric.colored import Coupling
from gradcheck_cli.numeric.derivative import differentiate
from gradcheck_cli.text.names import join_names

Replace = Callable[[Array], Array]


def replacements(axes: tuple[Axis, ...]) -> Iterator[tuple[Explanation, Replace]]:
    """Yield what people take for dout, the most common first.

    Args:
        axes: those of dout, where they have names.
    """
    yield explanation("cotangent-ones"), np.ones_like
    yield explanation("cotangent-first/alone"), _only_first
    yield explanation("cotangent-first/for-all"), partial(_spread, take=lambda g: g[:1])
    spatial = tuple(k for k, axis in enumerate(axes) if axis.spatial)
    for over in dict.fromkeys([tuple(range(len(axes))), *([spatial] if spatial else []), (0,)]):
        whole = len(over) == len(axes)
        mean = "its mean" if whole else f"its mean over {join_names(axes[k].plural for k in over)}"
        yield explanation("cotangent-mean", mean=mean), partial(_spread, take=partial(_mean, over=over))
    yield explanation("cotangent-sum"), partial(_spread, take=np.sum)


def replaced_cotangents(layer: Layer, problem: Problem) -> Iterator[Fault]:
    """Yield the backward pass of the reference with something else for dout."""
    if not (axes := problem.output_axes):  # a number, or several outputs
        return

    def gradients(inputs: Mapping[str, Array], g: Array, replace: Replace) -> Mapping[str, Array]:
        return layer.gradients(problem, inputs, replace(g))

    for cause, replace in replacements(axes):
        yield Fault(**vars(cause), gradients=partial(gradients, replace=replace))


def _only_first(g: Array) -> Array:
    kept = np.zeros_like(g)
    kept[:1] = g[:1]
    return kept


def _mean(g: Array, over: tuple[int, ...]) -> Array:
    return np.asarray(g.mean(axis=over, keepdims=True))


def _spread(g: Array, take: Replace) -> Array:
    return np.broadcast_to(take(g), g.shape).copy()


#: Elements of an input up to which it is differentiated again, each element in several evaluations.
_LARGEST = 2_000

#: And up to which each element of its Jacobian's diagonal is: that takes as many evaluations for each of a few steps.
_LARGEST_DIAGONAL = 150

#: What two slopes along a direction may differ by, as a share of their terms, to be worth a closer look.
_GLANCE = 1e-2


def faults_of_functions(evidence: Evidence) -> Iterator[Hypothesis]:
    """Yield other cotangents than dout, and the diagonal of the Jacobian, where they fit. The function is evaluated."""
    try:
        inputs = numeric_inputs(evidence.run)
        slices = [
            _InOneInput(evidence, inputs, name)
            for name in evidence.failing
            if evidence.returned[name].shape == inputs[name].shape and inputs[name].size <= _LARGEST
        ]
        if evidence.problem.outputs:  # joined in one array, of which no axis means anything
            return
        if evidence.cotangent.size > 1:
            for cause, replace in replacements(evidence.problem.output_axes):
                cotangent = replace(evidence.cotangent)
                names = frozenset(each.name for each in slices if each.fits(cotangent))
                yield Hypothesis(explanation=cause, names=names)
        names = frozenset(each.name for each in slices if each.is_diagonal())
        yield Hypothesis(explanation=explanation("diagonal-only"), names=names)
    except ImplementationError:  # at a point near by: there is nothing more to be learned
        return


class _InOneInput:
    """Forward as a function of one input, and the gradient that was returned for it."""

    def __init__(self, evidence: Evidence, inputs: Mapping[str, Array], name: str) -> None:
        self.name = name
        self._evidence, self._x, self._gradient = evidence, inputs[name], evidence.returned[name]
        self._function = ForwardFunction(evidence.run, inputs, name)
        self._step = 2.0 ** np.round(np.log2(epsilon(self._x.dtype)) / 3)
        self._direction = signed_uniform(random.Random(0), self._x.shape)  # noqa: S311  # a direction, not a secret
        self._slopes = self._slopes_along(self._direction)

    def fits(self, cotangent: Array) -> bool:
        """Tell whether the gradient is that of <cotangent, forward>: at a glance first."""
        terms, product = cotangent * self._slopes, self._gradient * self._direction
        if not abs(product.sum() - terms.sum()) <= _GLANCE * (abs(terms).sum() + abs(product).sum()):
            return False
        bound = resolution(self._evidence.dtype)
        return self._evidence.fits(self.name, differentiate(self._function, self._x, cotangent, resolution=bound))

    def is_diagonal(self) -> bool:
        """Tell whether the gradient is the cotangent times the diagonal of the Jacobian."""
        x, g = self._x, self._evidence.cotangent
        if x.shape != g.shape or not 1 < x.size <= _LARGEST_DIAGONAL:
            return False
        for element in (0, x.size // 2, x.size - 1):
            one = np.zeros(x.shape, x.dtype)
            one.flat[element] = 1
            expected = (g * self._slopes_along(one)).flat[element]
            if not abs(self._gradient.flat[element] - expected) <= _GLANCE * abs(expected):
                return False
        coupling, bound = Coupling(1, lambda _: np.arange(x.size).reshape(x.shape)), resolution(self._evidence.dtype)
        return self._evidence.fits(self.name, differentiate(self._diagonal, x, g, resolution=bound, coupling=coupling))

    def _diagonal(self, value: Array) -> Array:
        """Return for each element the output in its place, where that element alone is moved."""
        out = np.array(self._function(self._x))
        for element in np.flatnonzero(value != self._x):
            moved = self._x.copy()
            moved.flat[element] = value.flat[element]
            out.flat[element] = self._function(moved).flat[element]
        return out

    def _slopes_along(self, direction: Array) -> Array:
        ahead = np.array(self._function(self._x + self._step * direction), self._gradient.dtype)
        return np.asarray((ahead - self._function(self._x - self._step * direction)) / (2 * self._step))
