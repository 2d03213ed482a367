"""Tries a reading of a function of which nothing is known: its gradient tells by its shapes and its slope."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.implementation.conventions.instances import with_kept
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import SlotKind, is_cotangent
from gradcheck_cli.implementation.conventions.step import TARGETS
from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import join_outputs, pack_outputs, with_outputs
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

#: A step, and what two slopes may differ by: wide enough for a kink near by, and far below any wrong reading.
_STEP, CLOSE = 1e-5, 1e-3


class OwnFit(NamedTuple):
    """How well a reading of code of no known layer does."""

    runs: bool = False  #: whether forward does
    fits: bool = False  #: whether backward returns gradients of the right shapes
    agrees: bool = False  #: whether they are right
    right: int = 0  #: how many of them are, of a class or a network


def fit_of(reading: Reading, case: Case, problem: Problem, *, slope: bool = True) -> OwnFit:
    """Tell how well a reading does in a case; with `slope`, whether the gradients are right."""
    try:
        problem = with_kept(reading, problem)
    except (ImplementationError, NotExpressibleError):
        return OwnFit()
    inputs = {n: v.astype(float) if v.dtype.kind == "f" else v for n, v in problem.inputs.items()}
    code = implementation_of(reading, "", None)
    runs = fits = False
    try:
        if reading.refusal({**inputs, **(problem.parameters or {})}):
            return OwnFit()
        out, cache = pack_outputs(code, problem).forward(inputs, problem.parameters)
        adopted = with_outputs(replace(problem, inputs=inputs), case, out, reading.outputs)
        run = pack_outputs(code, adopted)
        joined = join_outputs(out, adopted)
        runs = joined.dtype.kind == "f" and joined.size > 0
        gradients = run.backward(adopted.cotangent, cache, adopted.differentiable)
        fits = (
            runs
            and adopted.differentiable != ()
            and all(fits_input(gradients.get(name), inputs[name]) for name in adopted.differentiable)
        )
        is_doubtful = takes_targets(reading) or _takes_inputs_again(reading)
        if fits and reading.has_cotangent and is_doubtful and not _is_linear(run, adopted, cache, gradients):
            return OwnFit(runs)  # then it is given no cotangent, whatever that is called
        if not slope:
            return OwnFit(runs, fits)
        names = adopted.differentiable
        agrees = fits and slope_agrees(run, adopted, gradients, names)
        several = [n for n in names if fits_input(gradients.get(n), inputs[n])] if reading.code.cls else []
        right = sum(agrees or slope_agrees(run, adopted, gradients, (name,)) for name in several)
        return OwnFit(runs, fits, agrees, right)
    except (ImplementationError, NotExpressibleError, ValueError, TypeError):
        return OwnFit(runs, fits)


def takes_targets(reading: Reading) -> bool:
    """Tell whether forward of a class takes what is called targets, so that it may be a loss."""
    return reading.code.cls is not None and any(word(slot.name) in TARGETS for slot in reading.forward)


def _takes_inputs_again(reading: Reading) -> bool:
    """Tell whether backward of a class is given an input, and nothing that is called a cotangent.

    `backward(h_next, x)` of a cell in two directions is no gradient.
    """
    kinds = {slot.kind for slot in reading.backward}
    is_called = any(is_cotangent(slot.name) for slot in reading.backward)
    return reading.code.cls is not None and SlotKind.INPUT in kinds and not is_called


def _is_linear(run: Implementation, problem: Problem, cache: object, gradients: Mapping[str, object]) -> bool:
    """Tell whether twice the cotangent gives twice the gradients."""
    twice = run.backward(2 * problem.cotangent, cache, problem.differentiable)
    pairs = [(np.asarray(twice[name]), 2 * np.asarray(gradients[name])) for name in problem.differentiable]
    return all(np.allclose(*pair, rtol=CLOSE, atol=CLOSE * abs(pair[1]).max(initial=0)) for pair in pairs)


def fits_input(gradient: object, value: Array) -> bool:
    """Tell whether something is a gradient of the shape of an input."""
    return isinstance(gradient, np.ndarray) and gradient.shape == value.shape and gradient.dtype.kind == "f"


def slope_agrees(
    run: Implementation,
    problem: Problem,
    gradients: Mapping[str, object],
    names: tuple[str, ...],
    directions: int = 1,
) -> bool:
    """Compare the derivative along directions of some inputs with the differences of two outputs."""
    source = random.Random(0)  # noqa: S311  # a direction, not a secret

    def agrees() -> bool:
        along = {name: signed_uniform(source, problem.inputs[name].shape) for name in names}

        def out(step: float) -> Array:
            moved = {name: problem.inputs[name] + step * along[name] for name in along}
            return np.asarray(run.forward({**problem.inputs, **moved}, problem.parameters)[0])

        terms = problem.cotangent * central_difference(out)
        slope = sum(float((np.asarray(gradients[name]) * along[name]).sum()) for name in along)
        return is_close(slope, terms)

    return all(agrees() for _ in range(directions))


def central_difference(out: Callable[[float], Any]) -> Any:
    """Return the slope of a function of a step at 0."""
    return (out(_STEP) - out(-_STEP)) / (2 * _STEP)


def is_close(slope: float, terms: Any) -> bool:
    """Tell whether a slope is the sum of what was computed from differences."""
    return bool(abs(float(np.sum(terms)) - slope) <= CLOSE * float(np.sum(np.abs(terms))))
