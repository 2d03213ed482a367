"""Tries a reading of a function of which nothing is known: its gradient tells by its shapes and its slope."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.implementation.conventions.instances import with_kept
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import SlotKind, has, is_cotangent
from gradcheck_cli.implementation.conventions.step import TARGETS
from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import join_outputs, pack_outputs, with_outputs
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array

#: A step, and what two slopes may differ by: wide enough for a kink near by, and far below any wrong reading.
_STEP, _CLOSE = 1e-5, 1e-3


class OwnFit(NamedTuple):
    """How well a reading of code of no known layer does."""

    runs: bool = False  #: whether forward does
    fits: bool = False  #: whether backward returns gradients of the right shapes
    agrees: bool = False  #: whether they are right
    right: int = 0  #: how many of them are, of a class or a network


def fit_of(reading: Reading, case: Case, problem: Problem, *, slope: bool = True) -> OwnFit:
    """Tell how well a reading does in a case; with `slope`, whether the gradients are right."""
    runs = fits = False
    try:
        problem = with_kept(reading, problem)
        inputs = {n: v.astype(float) if v.dtype.kind == "f" else v for n, v in problem.inputs.items()}
        if reading.refusal({**inputs, **(problem.parameters or {})}):
            return OwnFit()
        code = implementation_of(reading, "", None)
        out, cache = pack_outputs(code, problem).forward(inputs, problem.parameters)
        adopted = with_outputs(replace(problem, inputs=inputs), case, out, reading.outputs)
        run, names = pack_outputs(code, adopted), adopted.differentiable
        joined = join_outputs(out, adopted)
        runs = joined.dtype.kind == "f" and joined.size > 0
        gradients = run.backward(adopted.cotangent, cache, names)
        fitting = [name for name in names if fits_input(gradients.get(name), inputs[name])]
        fits = runs and fitting == [*names] != []
        if fits and reading.has_cotangent and _may_lack_cotangent(reading):
            twice = run.backward(2 * adopted.cotangent, cache, names)
            pairs = [(np.asarray(twice[name]), 2 * np.asarray(gradients[name])) for name in names]
            if not all(np.allclose(*pair, rtol=_CLOSE, atol=_CLOSE * abs(pair[1]).max(initial=0)) for pair in pairs):
                return OwnFit(runs)  # then it is given no cotangent, whatever that is called
        if not slope:
            return OwnFit(runs, fits)
        agrees = fits and slope_agrees(run, adopted, gradients, names)
        several = fitting if reading.code.cls else []
        right = sum(agrees or slope_agrees(run, adopted, gradients, (name,)) for name in several)
        return OwnFit(runs, fits, agrees, right)
    except (ImplementationError, NotExpressibleError, ValueError, TypeError):
        return OwnFit(runs, fits)


def takes_targets(reading: Reading) -> bool:
    """Tell whether forward of a class takes what is called targets, so that it may be a loss."""
    return reading.code.cls is not None and any(word(slot.name) in TARGETS for slot in reading.forward)


def _may_lack_cotangent(reading: Reading) -> bool:
    """Tell whether what backward of a class takes for a cotangent may be something else.

    It may be a loss. If it is given an input and nothing that is called a cotangent, as `backward(h_next, x)` of a cell
    in two directions, it is no gradient.
    """
    is_called = any(is_cotangent(slot.name) for slot in reading.backward)
    is_given_input = reading.code.cls is not None and has(SlotKind.INPUT, reading.backward)
    return takes_targets(reading) or (is_given_input and not is_called)


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
    for _ in range(directions):
        along = {name: signed_uniform(source, problem.inputs[name].shape) for name in names}
        ahead, behind = (
            {**problem.inputs, **{name: problem.inputs[name] + step * along[name] for name in names}}
            for step in (_STEP, -_STEP)
        )
        outputs = [np.asarray(run.forward(inputs, problem.parameters)[0]) for inputs in (ahead, behind)]
        terms = problem.cotangent * (outputs[0] - outputs[1]) / (2 * _STEP)
        slope = sum(float((np.asarray(gradients[name]) * along[name]).sum()) for name in names)
        if not abs(float(terms.sum()) - slope) <= _CLOSE * float(abs(terms).sum()):  # of a NaN this is right, too
            return False
    return True
