"""The possible meanings of the arguments of a forward and a backward pass, by their names or else by their places."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.by_name import backward_by_name, forward_by_name
from gradcheck_cli.implementation.conventions.slots import (
    CACHES,
    EMPTY,
    LABELS,
    VARIABLE,
    MisfitError,
    Slot,
    SlotKind,
    Slots,
    classify,
    has,
    is_context,
    is_cotangent,
    names_arguments,
    parameters_of,
    signature_of,
    slot_for,
    takes,
    with_meaning,
    with_other_flags,
    write_call,
)
from gradcheck_cli.implementation.conventions.source import returned_names
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary, word
from gradcheck_cli.layers.framework.layer import Layer


def forward_slots(function: Callable[..., Any], layer: Layer, vocabulary: Vocabulary) -> list[Slots]:
    """List what the arguments of a forward pass may stand for, the likeliest first.

    Raises:
        MisfitError: they cannot be those of this layer.
    """
    by_place = forward_in_order(function, layer, vocabulary)
    in_order = [by_place] if by_place else []
    if not names_arguments(function):
        return in_order or _refuse(function, layer.arguments)
    try:
        by_name = forward_by_name(function, name_of(function), vocabulary, layer, tuple(vocabulary.inputs))
    except MisfitError:
        if by_place is None:
            raise
        return in_order
    return _distinct([by_name, *in_order])


def backward_slots(
    function: Callable[..., Any], layer: Layer, vocabulary: Vocabulary, forward: Slots, ahead: Callable[..., Any]
) -> list[Slots]:
    """List what the arguments of a backward pass may stand for, the likeliest first.

    Beside the cotangent, a single one with a name of an input is the cache where forward calls that input otherwise:
    of `sigmoid_forward(z)` and `sigmoid_backward(da, a)`, a is what forward returned second. Where it returned one
    value, a is the input after all.

    Raises:
        MisfitError: they cannot be those of this layer.
    """
    by_place, spread = backward_in_order(function, layer), spread_slots(function, layer.outputs)
    in_order = [by_place] if by_place else []
    if not names_arguments(function):
        return [*spread, *in_order] or _refuse(function, (*(f"d{name}" for name in layer.outputs), "cache"))
    parameters = parameters_of(function)
    if not layer.loss:
        refuse_labels(name_of(function), parameters, {slot.name for slot in forward})
    found = _slopes(parameters, layer, vocabulary)
    try:
        by_name = backward_by_name(parameters, name_of(function), vocabulary, layer, forward)
    except MisfitError:
        if by_place is None:
            raise
    else:
        names = {slot.key: word(slot.name) for slot in forward if slot.kind is SlotKind.INPUT}
        others = [s for s in by_name if s.kind is SlotKind.INPUT and word(s.name) != names.get(s.key)]
        if len(by_name) == 2 and len(others) == 1:
            found.append(with_meaning(by_name, others[0].name, SlotKind.CACHE, key=""))
        found.append(by_name)
    found = _distinct([*found, *in_order])
    if not has(SlotKind.CONTEXT, forward):
        kept = {f"{word(name)}{word(s.name)}": s.key for s in forward if s.kind is SlotKind.INPUT for name in CACHES}
        found += [
            with_meaning(slots, s.name, SlotKind.INPUT, key=kept[word(s.name)], value=None)  # `cache_x` may be x
            for slots in found
            for s in slots
            if s.kind is SlotKind.CACHE and word(s.name) in kept
        ]
    if not has(SlotKind.CONTEXT, forward) and len(layer.inputs) == 1:
        found += [other for slots in found for other in _with_input(slots, layer.inputs[0])]
    found += [other for slots in found for other in with_other_flags(slots, forward)]
    returned = returned_names(ahead)[len(layer.outputs) :]
    return [_in_returned_order(_with_entries_of(forward, slots), returned) for slots in (*spread, *found)]


def _distinct(several: list[Slots]) -> list[Slots]:
    """Leave out what is there already under the same names."""
    found: dict[object, Slots] = {}
    for slots in several:
        found.setdefault(tuple((slot.name, slot.kind, slot.key) for slot in slots), slots)
    return [*found.values()]


def _with_input(slots: Slots, key: str) -> list[Slots]:
    """Put the input in place of a cache that is not called one, or the input and the output in place of two."""
    names = [slot.name for slot in slots if slot.kind is SlotKind.CACHE and not is_context(slot.name)]
    found: list[Slots] = []
    for given in reversed(names) if len(names) <= 2 else ():  # of two, the output is likelier to be the first
        with_output = slots
        for other in names:
            kind, own = (SlotKind.INPUT, key) if other == given else (SlotKind.OUTPUT, "")
            with_output = with_meaning(with_output, other, kind, key=own, value=None)
        found.append(with_output)
    return found


def _slopes(parameters: list[inspect.Parameter], layer: Layer, vocabulary: Vocabulary) -> list[Slots]:
    """Read a backward pass of one argument as the slope at the input, or as a function of the output.

    A setting of the layer, such as the slope of a leaky ReLU, may be passed beside it.
    """
    required = [p for p in parameters if p.default is p.empty]
    if len(required) != 1 or len(layer.inputs) != 1 or is_cotangent(required[0].name):
        return []
    settings = [
        classify(p, vocabulary, ()) or slot_for(p, SlotKind.OMITTED) for p in parameters if p is not required[0]
    ]
    others = [s if s.kind is SlotKind.ARGUMENT else replace(s, kind=SlotKind.OMITTED) for s in settings]
    at_input = slot_for(required[0], SlotKind.INPUT, layer.inputs[0])
    return [(at_input, *others), (slot_for(required[0], SlotKind.OUTPUT), *others)]


def method_slots(
    cls: type, forward: str, backward: str, layer: Layer, vocabulary: Vocabulary
) -> list[tuple[Slots, Slots]]:
    """List what the arguments of two methods may stand for; parameters that the class keeps are none of them.

    Raises:
        MisfitError: they cannot be those of this layer.
    """
    method, back = getattr(cls, forward), parameters_of(getattr(cls, backward), skip=1)
    inputs = tuple(vocabulary.inputs)
    data = tuple(key for key in inputs if key not in vocabulary.parameters)
    try:
        slots = forward_by_name(method, f"{cls.__name__}.{forward}", vocabulary, layer, inputs, skip=1)
    except MisfitError:
        slots = forward_by_name(method, f"{cls.__name__}.{forward}", vocabulary, layer, data, skip=1)
    by_name = backward_by_name(back, f"{cls.__name__}.{backward}", vocabulary, layer, slots)
    found = [*_slopes(back, layer, vocabulary), by_name]
    if layer.loss and has(SlotKind.COTANGENT, by_name) and len(by_name) > 1:  # or it is given what forward has kept
        found.append(with_cache_for_cotangent(by_name))
    return [(slots, one) for one in found]


def with_cache_for_cotangent(slots: Slots) -> Slots:
    """Put what forward has left, returned or kept as its output, in place of the cotangent."""
    return tuple(replace(s, kind=SlotKind.CACHE, key="") if s.kind is SlotKind.COTANGENT else s for s in slots)


def _in_returned_order(slots: Slots, names: tuple[str, ...]) -> Slots:
    """Number the parts of a cache as forward returns them, if it returns all of them by their names."""
    parts = [slot.name for slot in slots if slot.kind is SlotKind.CACHE and slot.value is not None]
    if not parts or set(parts) != set(names):
        return slots
    return tuple(replace(s, value=names.index(s.name)) if s.name in parts else s for s in slots)


def _with_entries_of(forward: Slots, backward: Slots) -> Slots:
    """Let backward be given the container that forward is given, which it calls the same, or a dictionary."""
    containers = {slot.name: slot for slot in forward if slot.entries}
    first = next(iter(containers.values()), None)

    def shared(slot: Slot) -> Slot:
        found = containers.get(slot.name, first if slot.kind is SlotKind.DICTIONARY else None)
        return replace(slot, kind=found.kind, entries=found.entries) if found else slot

    return tuple(map(shared, backward))


def _refuse(function: Callable[..., Any], names: tuple[str, ...]) -> NoReturn:
    signature = signature_of(function)
    called = write_call(name_of(function), signature.parameters.values() if signature else ())
    raise MisfitError(f"`{called}` does not take ({', '.join(names)})")


def forward_in_order(function: Callable[..., Any], layer: Layer, vocabulary: Vocabulary) -> Slots | None:
    """Read a forward pass whose arguments stand in the layer's order: inputs, parameters; None if it takes others."""
    if vocabulary.packing and vocabulary.packing.title:
        return None  # only names tell such arrays apart
    parts = vocabulary.packing.parts if vocabulary.packing else {}
    spares = {name for name, part in parts.items() if part.shares == (0.0,)}  # such as a cell state, zero at first
    keys = [(name, SlotKind.INPUT) for name in vocabulary.inputs if name not in spares]
    keys += [(layer.param, SlotKind.DICTIONARY)] if layer.param else []
    slots = in_order(function, keys, SlotKind.CONTEXT)
    for slot in slots or ():
        if slot.kind is SlotKind.INPUT and slot.name != slot.key:  # which may be the name of something else
            parameter = next(p for p in parameters_of(function) if p.name == slot.name)
            named = classify(parameter, vocabulary, vocabulary.inputs)
            if named and named.kind in (SlotKind.ARGUMENT, SlotKind.INPUT) and named.key != slot.key:
                return None
    return slots


def backward_in_order(function: Callable[..., Any], layer: Layer) -> Slots | None:
    """Read a backward pass of cotangents and a cache; None if it takes others."""
    keys = [(name, SlotKind.COTANGENT) for name in layer.outputs]
    return in_order(function, [*keys, ("", SlotKind.CACHE)], SlotKind.CACHE)


def in_order(function: Callable[..., Any], keys: list[tuple[str, SlotKind]], context: SlotKind) -> Slots | None:
    """Read a pass whose arguments stand in the layer's order, with a context in any place; None if it has others."""
    if not names_arguments(function):
        if not takes(function, len(keys)):
            return None
        names = [f"d{key}" if kind is SlotKind.COTANGENT else key or "cache" for key, kind in keys]
        return tuple(Slot(name=name, kind=kind, key=key) for name, (key, kind) in zip(names, keys, strict=True))
    parameters = parameters_of(function)
    contexts = [p for p in parameters if is_context(p.name) and p.default is p.empty]
    left = keys[:-1] if contexts and context is SlotKind.CACHE else list(keys)
    found: list[Slot] = []
    for p in parameters:
        if p in contexts[:1]:
            found.append(slot_for(p, context))
        elif left and p.kind is not inspect.Parameter.KEYWORD_ONLY:
            key, kind = left.pop(0)
            found.append(slot_for(p, kind, key))
        elif p.default is not p.empty:
            found.append(slot_for(p, SlotKind.OMITTED))
        else:
            return None
    return None if left else tuple(found)


def refuse_labels(name: str, parameters: list[inspect.Parameter], ahead: Collection[str] = ()) -> None:
    """Refuse a backward pass that takes labels and no cotangent: `softmax_backward(A, Y)` is that of a loss.

    With a cache it is one if forward takes the labels too, one of `ahead`: `rnn_backward(X, Y, parameters, cache)`.

    Raises:
        MisfitError: it is one.
    """
    required = [p for p in parameters if p.default is EMPTY]
    labels = [p.name for p in required if word(p.name) in LABELS]
    is_told = any(is_cotangent(p.name) or (is_context(p.name) and not {*labels} & {*ahead}) for p in required)
    if labels and len(required) > 1 and not is_told:
        called = write_call(name, required)
        raise MisfitError(f"`{called}` takes no cotangent but `{labels[0]}`, as the gradient of a loss does")


def spread_slots(function: Callable[..., Any], outputs: Sequence[str]) -> list[tuple[Slot, ...]]:
    """Read a backward pass that takes cotangents, and the parts of a cache as *args or **kwargs; [] for any other."""
    signature = signature_of(function)
    parameters = [*signature.parameters.values()] if signature else []
    left = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY or p.default is EMPTY]
    if not left or left[-1].kind not in VARIABLE or len(left) != len(outputs) + 1:
        return []
    cotangents = (slot_for(p, SlotKind.COTANGENT, key) for p, key in zip(left, outputs, strict=False))
    return [(*cotangents, replace(slot_for(left[-1], SlotKind.CACHE), spread=True))]
