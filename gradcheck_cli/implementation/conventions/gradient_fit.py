"""How many of the gradients that code returns are right, in which order they are, and which are not there.

Those of a known layer are compared with its own, those of any other code with the slope of its forward pass.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gradcheck_cli.data.drawing import signed_uniform
from gradcheck_cli.implementation.calling import quiet
from gradcheck_cli.implementation.conventions.attributes import is_gradient_name
from gradcheck_cli.implementation.conventions.instances import with_kept
from gradcheck_cli.implementation.conventions.network_steps import TARGETS
from gradcheck_cli.implementation.conventions.one_by_one import SAMPLES
from gradcheck_cli.implementation.conventions.packing import origins
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import FILLED_GRADIENTS, MisfitError, SlotKind, has, is_cotangent
from gradcheck_cli.implementation.conventions.source import returned_names
from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import join_outputs, pack_outputs, with_outputs
from gradcheck_cli.implementation.seeding import generators_kept
from gradcheck_cli.implementation.vocabulary.lookup import probe_problems
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.case import Case
from gradcheck_cli.layers.framework.problem import Problem
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names

#: Of the scale of an element: above what any way to sum rounds, 200 roundings of float32; and below any mistake, and
#: the difference of 2e-4 between a GELU and its approximation by tanh.
CLOSE = 2e-5

#: Axes of a batch of images.
_OF_IMAGES = 4

RAISES, LACKS = -2, -3  #: in place of the number of right gradients


def is_slope(reading: Reading) -> bool:
    """Tell whether backward takes no cotangent, and returns the slope of what is computed element by element."""
    return bool(reading.backward) and not reading.has_cotangent and not reading.layer.loss


def ordered(reading: Reading) -> Reading | None:
    """Return the reading with the order of gradients in which all have the right shapes; None if there is none.

    Where several have, as of two biases of one size, it is the one in which most gradients are right.
    """
    orders = _gradient_orders(reading)
    is_exact = any(arrangement.exact for arrangement in reading.vocabulary.arrangements)
    if len(orders) == 1 and not (is_exact or reading.updates or is_slope(reading) or _fits_one_sample_too(reading)):
        return reading
    counts = {order: right_gradients(replace(reading, order=order)) for order in orders}
    if fitting := [order for order in orders if counts[order] >= 0]:
        return replace(reading, order=max(fitting, key=lambda order: counts[order]))
    if data := _without_gradient(reading):
        raise MisfitError(f"{reading.code.name('backward')} returns no gradient of {join_names(data)}")
    return None


def _without_gradient(reading: Reading) -> list[str]:
    """Name the data of which backward returns no gradient, beside those of states and a dictionary of all others."""
    data = [name for name in reading.inputs if name not in (*reading.held, *reading.lacking)]
    labels = returned_names(reading.code.backward) if reading.held and callable(reading.code.backward) else ()
    own = [label for label in labels if word(label) not in FILLED_GRADIENTS]
    named = [name for one in own for name in data if _is_named(one, name, reading)]
    is_told = len(named) == len(own) == len(labels) - 1
    return [name for name in data if name not in named] if is_told else []


def _is_named(label: str, name: str, reading: Reading) -> bool:
    """Tell whether what is returned is called after an input, by whatever name people have for that."""
    return any(is_gradient_name(label, called) for called in reading.vocabulary.inputs[name])


def _fits_one_sample_too(reading: Reading) -> bool:
    """Tell whether forward may do with a batch what it is meant to do with one sample, as `x @ w + b` does.

    Code for one image raises where it is given several.
    """
    axes = [letters.split() for letters in reading.vocabulary.axes.values()]
    return any(SAMPLES in own for own in axes) and max(map(len, axes)) < _OF_IMAGES


def _gradient_orders(reading: Reading) -> list[tuple[str, ...]]:
    """List the orders in which gradients may be returned: the layer's, the arguments', parameters first, as named."""
    inputs = reading.inputs
    own = [name for slot in (*reading.constructor, *reading.forward) for name in slot.inputs if name in inputs]
    kept = list(reading.kept)
    orders = (inputs, own if len(own) == len(inputs) else [*kept, *own], [*own, *kept], _named_order(reading) or inputs)
    return list(dict.fromkeys(tuple(dict.fromkeys(order)) for order in orders))


def _named_order(reading: Reading) -> list[str]:
    """Return the order in which functions name the gradients that they return: `return dW, db, dx`; [] for none.

    What takes a cotangent and a cache alone, in the form of a course, has to keep to the order of the layer.
    """
    is_own = reading.held or any(slot.kind not in (SlotKind.COTANGENT, SlotKind.CACHE) for slot in reading.backward)
    backward = reading.code.backward
    if reading.code.cls is not None or not callable(backward) or not is_own or not reading.layer.reference:
        return []
    labels = [one for one in returned_names(backward) if word(one) not in FILLED_GRADIENTS]
    left = [name for name in reading.inputs if name not in reading.held]
    meant = [next((name for name in left if _is_named(one, name, reading)), "") for one in labels]
    others = iter([name for name in left if name not in meant])
    order = [name or next(others, "") for name in meant] if any(meant) and len(labels) <= len(left) else []
    return [*order, *reading.held] if order else []


def right_gradients(reading: Reading) -> int:
    """Count the gradients that are the reference's in a problem.

    Returns:
        -1 if one has a wrong shape, `LACKS` if only some are returned, and `RAISES` if backward raises.
    """
    for problem in probe_problems(reading.layer.name, origins(reading.vocabulary.packing, reading.absent)):
        with quiet(), generators_kept(problem):
            try:
                run = pack_outputs(implementation_of(reading, "", None), problem)
                _, kept = run.forward(problem.inputs, problem.parameters)
                returned = run.backward(problem.cotangent, kept, problem.differentiable)
            except (ImplementationError, NotExpressibleError):
                continue
        if 0 < sum(returned.get(name) is None for name in problem.differentiable) < len(problem.differentiable):
            return LACKS
        arrays = {
            n: value for n, value in returned.items() if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        }
        if any(arrays[name].shape != problem.inputs[name].shape for name in arrays) or len(arrays) < len(returned):
            return -1
        right = reading.layer.gradients(problem, problem.inputs, problem.cotangent)
        return sum(np.allclose(arrays[name], right[name], rtol=CLOSE, atol=CLOSE) for name in arrays)
    return RAISES


#: A step, and what two slopes may differ by: wide enough for a kink near by, and far below any wrong reading.
_STEP, _MOST_OFF = 1e-5, 1e-3


class GradientFit(NamedTuple):
    """How well a reading of code of no known layer does."""

    runs: bool = False  #: whether forward does
    fits: bool = False  #: whether backward returns gradients of the right shapes
    agrees: bool = False  #: whether they are right
    right: int = 0  #: how many of them are, of a class or a network
    unused: int = 0  #: places along the axes of what a class keeps where its gradient is zero throughout


def fit_of(reading: Reading, case: Case, problem: Problem, *, slope: bool = True, divided: float = 1) -> GradientFit:
    """Tell how well a reading does in a case; with `slope`, whether the gradients are right, divided by a number."""
    runs = fits = False
    try:
        problem = with_kept(reading, problem)
        inputs = {n: v.astype(float) if v.dtype.kind == "f" else v for n, v in problem.inputs.items()}
        if reading.refusal({**inputs, **(problem.parameters or {})}):
            return GradientFit()
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
            for name in names:
                double = 2 * np.asarray(gradients[name])
                near = _MOST_OFF * abs(double).max(initial=0)
                if not np.allclose(np.asarray(twice[name]), double, rtol=_MOST_OFF, atol=near):
                    return GradientFit(runs)  # then it is given no cotangent, whatever that is called
        if not slope:
            kept = [np.asarray(gradients[name]) for name in reading.found.kept] if fits else []
            return GradientFit(runs, fits, unused=sum(map(_count_unused, kept)))
        if fits and divided != 1:
            gradients = {name: np.asarray(gradients[name]) / divided for name in names}
        agrees = fits and slope_agrees(run, adopted, gradients, names)
        several = fitting if reading.code.cls else []
        right = sum(agrees or slope_agrees(run, adopted, gradients, (name,)) for name in several)
        return GradientFit(runs, fits, agrees, right)
    except (ImplementationError, NotExpressibleError, ValueError, TypeError):
        return GradientFit(runs, fits)


def _count_unused(gradient: Array) -> int:
    """Count the places along each axis at which a gradient is zero throughout."""
    axes = range(gradient.ndim)
    return sum(int((~gradient.any(axis=tuple(one for one in axes if one != axis))).sum()) for axis in axes)


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
    run: Implementation, problem: Problem, gradients: Mapping[str, object], names: tuple[str, ...], directions: int = 1
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
        if not abs(float(terms.sum()) - slope) <= _MOST_OFF * float(abs(terms).sum()):  # of a NaN this is right, too
            return False
    return True
