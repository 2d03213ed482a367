"""Which reading of somebody's code is the right one is not guessed: each is tried on a small problem."""

from __future__ import annotations

import contextlib
import io
import warnings
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.packing import packed
from gradcheck_cli.implementation.seeding import generators_kept
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem

#: Of the scale of an element: far above what any way to sum rounds, in float32 as well, and far below any mistake.
_CLOSE = 1e-3


class Fit(IntEnum):
    """How well a reading does."""

    FAILS = 0  #: forward raises, or cannot express any of the problems
    RUNS = 1  #: forward returns something
    SHAPE = 2  #: of the right shape
    REPRODUCES = 3  #: what the layer's reference makes of the same inputs


@dataclass(frozen=True, kw_only=True)
class Tried:
    """The best reading of one piece of code."""

    implementation: Implementation
    fit: Fit


@cache
def problems(layer: str) -> tuple[Problem, ...]:
    """Pose a layer's trials."""
    return tuple(LAYERS[layer].problem(case) for case in LAYERS[layer].trials)


def best(readings: Iterable[Implementation], layer: Layer) -> Tried | None:
    """Return the first reading that reproduces the reference; where none does, the first of those that do best.

    Args:
        readings: ways to call the same code, the likeliest first.
        layer: which has problems to try them on.

    Returns:
        None if there is no reading at all.
    """
    found: Tried | None = None
    for reading in readings:
        fit = _fit(reading, layer)
        if found is None or fit > found.fit:
            found = Tried(implementation=reading, fit=fit)
        if fit is Fit.REPRODUCES:
            break
    return found


def _fit(reading: Implementation, layer: Layer) -> Fit:
    reached = Fit.FAILS
    for problem in problems(layer.name):
        # What is tried out is not what the user asked for: nothing of it is to be heard.
        with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            try:
                with generators_kept(problem):
                    out, _ = packed(reading, problem).forward(problem.inputs, problem.parameters)
            except (ImplementationError, NotExpressibleError):
                continue
        reached = max(reached, _agreement(out, problem))
        if reached is Fit.REPRODUCES:
            break
    return reached


def _agreement(out: object, problem: Problem) -> Fit:
    if not isinstance(out, np.ndarray) or out.shape != problem.expected.shape or out.dtype.kind != "f":
        return Fit.RUNS
    close = np.abs(out - problem.expected_for(out)) <= _CLOSE * problem.expected_scale
    return Fit.REPRODUCES if close.all() else Fit.SHAPE
