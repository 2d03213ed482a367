"""Further readings of a function of no known layer: which output, which lengths, and of which inputs the gradients."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck_cli.implementation.conventions.attributes import is_gradient_name
from gradcheck_cli.implementation.conventions.code import Found
from gradcheck_cli.implementation.conventions.network_steps import DATA
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import LABELS, SlotKind, is_context, with_meaning, with_other_flags
from gradcheck_cli.implementation.conventions.source import looks_up_names
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.elementwise.elementwise import sigmoid
from gradcheck_cli.layers.rowwise.softmax_activation import softmax
from gradcheck_cli.numeric.arrays import Array

_SIZED = 3  #: the first inputs and their first axes, of which backward may be given a length


def variants(readings: Iterable[Reading], labels: tuple[str, ...], outputs: tuple[str, ...]) -> Iterator[Reading]:
    """Yield readings as the names of the gradients say, and after them what else they may be.

    Args:
        readings: what the arguments may stand for, the likeliest first.
        labels: what the gradients are called where they are returned.
        outputs: what forward calls the values that it returns.
    """
    named = [_with_named_gradients(sized, labels) for reading in readings for sized in _sized(reading)]
    yield from named
    for number, name in enumerate(outputs):  # the cotangent may be that of another output, and of no input that is kept
        yield from (replace(one, output_at=number) for one in named if number and _has_one_output(one, name))
    yield from (one for reading in named for one in _of_output(reading))
    yield from (one for reading in named for one in _of_some_inputs(reading, len(labels)))
    for reading in named:
        yield from (replace(reading, backward=one) for one in with_other_flags(reading.backward, reading.forward))
    yield from (one for reading in named for one in _of_scores(reading))
    for reading in named:  # a dictionary of gradients may be that of the parameters alone
        held, others = _held(reading), [name for name in reading.order if name not in _held(reading)]
        if len(held) > 1 and others and len(labels) == 1 and not reading.found.without:
            yield replace(reading, order=held, found=Found(without=tuple(others)))


def _of_scores(reading: Reading) -> Iterator[Reading]:
    """Yield the readings in which the gradient of a loss of probabilities is that in the scores before them: p - y."""
    names = [slot.key for slot in reading.forward if slot.kind is SlotKind.INPUT and not slot.has_default]
    others = [name for name in names if word(name) not in LABELS]
    if reading.code.backward is None or reading.has_cotangent or len(names) != 2 or len(others) != 1:
        return
    for title, probabilities in _PROBABILITIES.items():

        def encoding(given: Mapping[str, Any], probabilities: Any = probabilities) -> dict[str, Any]:
            scores = given.get(others[0])
            return {others[0]: probabilities(scores)} if isinstance(scores, np.ndarray) and scores.ndim else {}

        note = f"the gradient in the scores of which {others[0]} is the {title}"
        without = Found(without=tuple(name for name in reading.order if name != others[0]))
        yield replace(reading, order=(others[0],), found=without, encoding=encoding, notes=(*reading.notes, note))


_PROBABILITIES: Mapping[str, Callable[[Array], Array]] = {
    "softmax": partial(softmax, axis=-1),
    "softmax of columns": partial(softmax, axis=0),
    "sigmoid": sigmoid,
}


def _of_output(reading: Reading) -> Iterator[Reading]:
    """Yield the reading in which backward is given the one output of forward in place of its one input.

    Beside a cotangent, what is called as in forward is the input.
    """
    slots = [slot for slot in reading.backward if slot.kind is SlotKind.INPUT]
    is_said = reading.has_cotangent and any(slot.name == slot.key for slot in slots)
    if len(slots) == 1 and not is_said and sum(not slot.has_default for slot in reading.forward) == 1:
        yield replace(reading, backward=with_meaning(reading.backward, slots[0].name, SlotKind.OUTPUT, key=""))


def _of_some_inputs(reading: Reading, count: int) -> Iterator[Reading]:
    """Yield the readings in which gradients without a cotangent are those of so many inputs, and of no target.

    As that of a target, the gradient of a difference with the wrong sign would be right. Several are of parameters.
    """
    if reading.code.backward is None or reading.has_cotangent or reading.found.without:
        return
    names = [name for name in reading.order if word(name) not in (*LABELS, *(DATA if count > 1 else ()))]
    for order in itertools.combinations(names, count) if 0 < count < len(reading.order) else ():
        yield replace(reading, order=order, found=Found(without=tuple(n for n in reading.order if n not in order)))


def _held(reading: Reading) -> tuple[str, ...]:
    """Name the arrays that forward looks up in a container, or the container itself if it is taken as it is given."""
    function = reading.code.forward
    return tuple(
        name
        for slot in reading.forward
        if slot.kind is SlotKind.CONTAINER or (callable(function) and looks_up_names(function, slot.name))
        for name in slot.inputs
    )


def _sized(reading: Reading) -> Iterator[Reading]:
    """Yield the readings in which a number that backward alone takes is the length of an axis, of each in turn."""
    sizes = [slot for slot in reading.backward if slot.kind is SlotKind.SHAPE]
    if len(sizes) != 1:
        yield reading
        return
    for name in reading.order[:_SIZED] if sizes else ():
        for axis in range(_SIZED):
            sized = with_meaning(reading.backward, sizes[0].name, SlotKind.SHAPE, key=name, value=axis)
            yield replace(reading, backward=sized)


def _has_one_output(reading: Reading, name: str) -> bool:
    """Tell whether backward takes a cotangent of one output, and nothing else that forward returned, as an input."""
    if name in reading.order or is_context(name):
        return False
    kinds = [slot.kind for slot in (*reading.forward, *reading.backward)]
    left = {SlotKind.CACHE, SlotKind.CONTEXT, SlotKind.OUTPUT}.intersection(kinds)
    return kinds.count(SlotKind.COTANGENT) == 1 and not left


def _with_named_gradients(reading: Reading, returned: tuple[str, ...]) -> Reading:
    """Return the reading in which only those inputs have a gradient of which one is returned under its name.

    Those of a number may be of some. A backward pass with a cotangent returns those of all.
    """
    named = [name for one in returned for name in _named_by(one, reading.order)]
    others = len(returned) - len(named)  # such as a dictionary of the gradients of what is in a container
    held = [name for name in _held(reading) if name not in named] if others == 1 else []
    order = tuple(name for one in returned for name in _named_by(one, reading.order) or held)
    optional = {slot.key for slot in reading.forward if slot.has_default}
    without = tuple(name for name in reading.order if name not in (*order, *optional))
    is_lack = reading.has_cotangent and not others and any(word(name) not in LABELS for name in without)
    if not (named and without) or is_lack or others > bool(_held(reading)) or len(set(named)) < len(named):
        return reading
    left = (name for name in reading.order if name in optional and name not in order)
    return replace(reading, order=(*order, *left), found=Found(without=without))


def _named_by(gradient: str, names: tuple[str, ...]) -> list[str]:
    """List the inputs that the name of a gradient means: by the whole name, or else by its first word."""
    whole = [name for name in names if is_gradient_name(gradient, name)]
    return whole or [name for name in names if is_gradient_name(gradient, name.split("_")[0])]
