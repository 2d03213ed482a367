"""The reading of a class of no known layer: its parameters are the arrays it keeps on which its output depends.

The constructor is given numbers, forward arrays, and backward what a function's gradient would be given. What an
instance keeps is found by moving each of its arrays. Where backward leaves a gradient is found by its name, or else by
its value: an array that equals the numerical derivative is the gradient, wherever it lies.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from inspect import Parameter

import numpy as np

from gradcheck_cli.implementation.conventions.code import Code
from gradcheck_cli.implementation.conventions.network_steps import TARGETS
from gradcheck_cli.implementation.conventions.passes import with_cache_for_cotangent
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import (
    INDIFFERENT,
    LEARNING_RATES,
    Slot,
    SlotKind,
    indifferent,
    parameters_of,
    slot_for,
    with_meaning,
)
from gradcheck_cli.implementation.conventions.stand_ins import stand_ins_for
from gradcheck_cli.implementation.conventions.unknown_function import forward_slots, gradient_slots, unknown_reading
from gradcheck_cli.implementation.conventions.unknown_variants import variants
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.layer import Layer


def unknown_class_readings(
    cls: type, forward: str, backward: str, layer: Layer, made: object = None
) -> Iterator[Reading]:
    """Yield the ways to read a class of no known layer, the likeliest first.

    Raises:
        MisfitError: it does not say what its passes take.
    """
    ahead, back = (parameters_of(getattr(cls, name), skip=1) for name in (forward, backward))
    code = Code(cls=cls, forward=forward, backward=backward, made=made)
    slots = forward_slots(ahead, _settings_of(ahead))
    meant = gradient_slots(code.name("backward"), back, slots, settings=_settings_of(back))
    several = variants([unknown_reading(code, layer, slots, one) for one in meant], (), ())
    parameters = [] if made is not None else parameters_of(cls)
    for (title, stand_ins), reading in itertools.product(stand_ins_for(parameters).items(), [*several]):
        constructor = tuple(map(partial(_constructor_slot, stand_ins), parameters))
        taken = {slot.key for slot in constructor}
        named = tuple(_renamed(slot, taken) for slot in reading.forward)
        yield from _with_other_cotangents(
            replace(
                reading,
                constructor=constructor,
                forward=named,
                backward=tuple(_renamed(slot, taken) for slot in reading.backward),
                order=tuple(slot.key for slot in (*named, *constructor) if slot.kind is SlotKind.INPUT),
                notes=(title,),
            )
        )


def _with_other_cotangents(reading: Reading) -> Iterator[Reading]:
    """Yield a reading, before it that in which what has no telling name is the cotangent, and after it that without.

    `backward(e)` of a layer is given a cotangent whatever it is called. Where `backward(dvalues, y_true)` is given one
    of the inputs of forward, the first may be the other: the gradient of a loss, of the mean of what forward returns.
    That of a loss of each sample may be of their mean or their sum.
    """
    required = [slot for slot in reading.backward if slot.kind is SlotKind.INPUT or slot.kind is SlotKind.COTANGENT]
    names = {slot.name: slot.key for slot in reading.forward if slot.kind is SlotKind.INPUT}
    if len(required) == 1 and required[0].kind is SlotKind.INPUT and required[0].name not in names:
        other = with_meaning(reading.backward, required[0].name, SlotKind.COTANGENT, key="out")
        yield replace(reading, backward=other)
    yield reading
    if len(required) > 1 and reading.has_cotangent:  # of a loss it may be the probabilities that forward has kept
        yield replace(reading, backward=with_cache_for_cotangent(reading.backward))
    left = [key for key in names.values() if key not in {slot.key for slot in required}]
    if len(required) == len(names) > 1 and len(left) == 1 and reading.has_cotangent:
        first = next(slot for slot in required if slot.kind is SlotKind.COTANGENT)
        other = with_meaning(reading.backward, first.name, SlotKind.INPUT, key=left[0])
        yield replace(reading, backward=other, reduced=np.mean)
    if not reading.has_cotangent and any(word(name) in TARGETS for name in names):
        yield from (replace(reading, reduced=total) for total in (np.mean, np.sum))


def _constructor_slot(stand_ins: Mapping[str, object], parameter: Parameter) -> Slot:
    """Read an argument of a constructor: given something that stands in, or as ever, or else by its own name."""
    if parameter.name in stand_ins:
        return slot_for(parameter, SlotKind.CONSTANT, value=stand_ins[parameter.name])
    setting = _setting(parameter) if parameter.default is Parameter.empty else None
    return setting or slot_for(parameter, SlotKind.INPUT, parameter.name)


def _setting(parameter: Parameter) -> Slot | None:
    """Read an argument that is no array: whether it is trained, a learning rate, an optimizer, a name."""
    name = word(parameter.name)
    if name in LEARNING_RATES:
        return slot_for(parameter, SlotKind.LEARNING_RATE)
    is_flag = INDIFFERENT.get(name) is True  # whether it is trained, also where that is False by default
    return slot_for(parameter, SlotKind.CONSTANT, value=True) if is_flag else indifferent(parameter)


def _settings_of(parameters: list[Parameter]) -> dict[str, Slot]:
    """Read the settings among the arguments of a pass; one that is given alone is none, such as `backward(eta)`."""
    settings = {p.name: setting for p in parameters if (setting := _setting(p))}
    required = {p.name for p in parameters if p.default is Parameter.empty}
    return settings if required - settings.keys() or len(required) != 1 else {}


def _renamed(slot: Slot, taken: set[str]) -> Slot:
    """Tell an argument of a method from one of the constructor that has the same name."""
    is_input = slot.kind is SlotKind.INPUT and slot.key in taken
    return replace(slot, key=f"{slot.key}_passed") if is_input else slot
