"""Which reading of somebody's code is the right one is not guessed: each is tried on a small problem."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.packing import packed
from gradcheck_cli.implementation.paths import current_folder
from gradcheck_cli.implementation.seeding import generators_kept
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.problem import Problem

#: Of the scale of an element: far above what any way to sum rounds, in float32 as well, and far below any mistake.
_CLOSE = 1e-3


class Fit(IntEnum):
    """How well a reading does."""

    FAILS = 0  #: forward raises, or cannot express any of the problems
    RUNS = 1  #: forward returns something
    SHAPE = 2  #: of the right shape
    PARTLY = 3  #: what the layer's reference makes of the same inputs, but not in all problems
    REPRODUCES = 4  #: in all that it can express


@frozen
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

    Where arrays may have either of two shapes, the gradients must have those of the reading too, if any does that.

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
        if fit is Fit.REPRODUCES and (not _has_exact(layer) or _gradients_fit(reading, layer)):
            return Tried(implementation=reading, fit=fit)
    return found


def _fit(reading: Implementation, layer: Layer) -> Fit:
    tried = [fit for problem in problems(layer.name) if (fit := _tried(reading, problem)) is not None]
    reached = max(tried, default=Fit.FAILS)
    return Fit.PARTLY if reached is Fit.REPRODUCES and min(tried) is not reached else reached


def _tried(reading: Implementation, problem: Problem) -> Fit | None:
    """Return how well a reading does in one problem; None if it raises or cannot express it."""
    with _quiet(), generators_kept(problem):
        try:
            out, _ = packed(reading, problem).forward(problem.inputs, problem.parameters)
        except (ImplementationError, NotExpressibleError):
            return None
    return _agreement(out, problem)


def _has_exact(layer: Layer) -> bool:
    return any(arrangement.exact for arrangement in vocabulary_of(layer).arrangements)


def _gradients_fit(reading: Implementation, layer: Layer) -> bool:
    """Tell whether the gradients have the shapes that the reading gives to the inputs.

    Where forward takes a parameter of either of two shapes, the gradients tell which of them is meant.
    """
    for problem in problems(layer.name):
        with _quiet(), generators_kept(problem):
            try:
                run = packed(reading, problem)
                _, cache = run.forward(problem.inputs, problem.parameters)
                returned = run.backward(problem.cotangent, cache, problem.differentiable)
            except (ImplementationError, NotExpressibleError):
                continue
        shapes = {name: getattr(value, "shape", None) for name, value in returned.items()}
        return all(shapes.get(name) == problem.inputs[name].shape for name in problem.differentiable)
    return False


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What is tried out is not what the user asked for: nothing of it is to be heard, and no folder changed."""
    folder = current_folder()
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            if folder and folder != current_folder():
                os.chdir(folder)


def _agreement(out: object, problem: Problem) -> Fit:
    if not isinstance(out, np.ndarray) or out.shape != problem.expected.shape or out.dtype.kind != "f":
        return Fit.RUNS
    close = np.abs(out - problem.expected_for(out)) <= _CLOSE * problem.expected_scale
    return Fit.REPRODUCES if close.all() else Fit.SHAPE
