"""Whether something else was taken for dout. Hypotheses for any layer, made from its reference or its own forward."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from gradcheck_cli.checks.diagnosis.codes import Explanation, explanation
from gradcheck_cli.layers.framework.axes import Axis
from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array
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
