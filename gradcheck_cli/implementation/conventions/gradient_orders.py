"""The gradients that code returns as a layer: in which order they are, how many are right, and which are not there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import GRADIENTS, is_gradient_name
from gradcheck_cli.implementation.conventions.one_by_one import SAMPLES
from gradcheck_cli.implementation.conventions.packing import origins
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.running import implementation_of
from gradcheck_cli.implementation.conventions.slots import MisfitError
from gradcheck_cli.implementation.conventions.source import returned_names
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.outputs import pack_outputs
from gradcheck_cli.implementation.quiet import quiet
from gradcheck_cli.implementation.seeding import generators_kept
from gradcheck_cli.implementation.vocabulary.lookup import probe_problems
from gradcheck_cli.implementation.vocabulary.vocabulary import word
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
    own = [label for label in labels if word(label) not in GRADIENTS]
    named = [name for one in own for name in data if _is_gradient_of(one, name, reading)]
    is_told = len(named) == len(own) == len(labels) - 1
    return [name for name in data if name not in named] if is_told else []


def _is_gradient_of(label: str, name: str, reading: Reading) -> bool:
    return any(is_gradient_name(label, called) for called in reading.vocabulary.inputs[name])


def _fits_one_sample_too(reading: Reading) -> bool:
    """Tell whether forward may do with a batch what it is meant to do with one sample, as `x @ w + b` does.

    Code for one image raises where it is given several.
    """
    axes = [letters.split() for letters in reading.vocabulary.axes.values()]
    return any(SAMPLES in own for own in axes) and max(map(len, axes)) < _OF_IMAGES


def _gradient_orders(reading: Reading) -> list[tuple[str, ...]]:
    """List the orders in which gradients may be returned: the layer's, that of the arguments, parameters first."""
    inputs = reading.inputs
    own = [name for slot in (*reading.constructor, *reading.forward) for name in slot.inputs if name in inputs]
    kept = list(reading.kept)
    orders = (inputs, own if len(own) == len(inputs) else [*kept, *own], [*own, *kept])
    return list(dict.fromkeys(tuple(dict.fromkeys(order)) for order in orders))


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
