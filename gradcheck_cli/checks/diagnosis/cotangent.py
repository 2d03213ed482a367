"""Was something else taken for dout? Hypotheses for any layer, made from its reference or its own forward."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.framework.fault import Fault
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.checks.diagnosis.evidence import Evidence
    from gradcheck_cli.layers.framework.axes import Axis
    from gradcheck_cli.numeric.arrays import Array

    #: A code, a cause, a remedy, and what was taken for dout.
    Replacement = tuple[str, str, str, Callable[[Array], Array]]

_EACH = "Multiply every contribution by its own element of dout."
_ALL = "Use all of dout, each element for its own output."


def replacements(axes: tuple[Axis, ...]) -> Iterator[Replacement]:
    """Yield what people take for dout, the most common first.

    Args:
        axes: those of dout, where they have names.
    """
    yield "cotangent-ones", "In {names} dout is ignored: it is replaced by ones.", _EACH, np.ones_like
    first = "In {names} only dout[0] is used: "
    yield "cotangent-first", f"{first}the rest of dout is left out.", _ALL, _only_first
    yield "cotangent-first", f"{first}it stands for all of dout.", _ALL, partial(_spread, take=lambda g: g[:1])
    spatial = tuple(k for k, axis in enumerate(axes) if axis.spatial)
    for over in dict.fromkeys([tuple(range(len(axes))), *([spatial] if spatial else []), (0,)]):
        words = (
            "its mean" if len(over) == len(axes) else f"its mean over {join_names(f'{axes[k].name}s' for k in over)}"
        )
        mean = partial(_spread, take=partial(_mean, over=over))
        yield "cotangent-mean", f"In {{names}} dout is replaced by {words}.", _EACH, mean
    total = partial(_spread, take=np.sum)
    yield "cotangent-sum", "In {names} dout is replaced by its sum.", _EACH, total


def replaced_cotangents(evidence: Evidence) -> Iterator[Fault]:
    """Yield the backward pass of the reference with something else for dout."""
    layer, problem = evidence.layer, evidence.problem
    if not (axes := problem.output_axes):  # a number, or several outputs
        return

    def gradients(inputs: Mapping[str, Array], g: Array, taken: Callable[[Array], Array]) -> Mapping[str, Array]:
        return layer.gradients(problem, inputs, taken(g))

    for code, cause, remedy, taken in replacements(axes):
        yield Fault(code=code, cause=cause, remedy=remedy, gradients=partial(gradients, taken=taken))


def _only_first(g: Array) -> Array:
    kept = np.zeros_like(g)
    kept[:1] = g[:1]
    return kept


def _mean(g: Array, over: tuple[int, ...]) -> Array:
    return np.asarray(g.mean(axis=over, keepdims=True))


def _spread(g: Array, take: Callable[[Array], Array]) -> Array:
    return np.broadcast_to(take(g), g.shape).copy()
