"""The possible meanings of the arguments of a forward and a backward pass, by their names or else by their places."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.slots import (
    LEARNING_RATES,
    PROBABLE_CACHES,
    MisfitError,
    Slot,
    SlotKind,
    choose_cotangents,
    classify,
    classify_ahead,
    has,
    is_context,
    is_cotangent,
    names_arguments,
    parameters_of,
    signature_of,
    slot_for,
    takes,
    write_call,
)
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary
    from gradcheck_cli.layers.framework.layer import Layer

    Function = Callable[..., Any]
    Slots = tuple[Slot, ...]

#: Inputs that code may lack; they are zero then.
BIASES = ("b",)


def forward_slots(function: Function, layer: Layer, vocabulary: Vocabulary) -> Iterator[Slots]:
    """Yield what the arguments of a forward pass may stand for, the likeliest first.

    Raises:
        MisfitError: they cannot be those of this layer.
    """
    by_place = forward_in_order(function, layer, vocabulary)
    if not names_arguments(function):
        return iter([by_place]) if by_place else _refuse(function, layer.arguments)
    try:
        by_name = _forward_by_name(parameters_of(function), name_of(function), vocabulary, layer, layer.inputs)
    except MisfitError:
        if by_place is None:
            raise
        return iter([by_place])
    return iter([by_name] if by_place is None or _same(by_place, by_name) else [by_name, by_place])


def backward_slots(function: Function, layer: Layer, vocabulary: Vocabulary, forward: Slots) -> Iterator[Slots]:
    """Yield what the arguments of a backward pass may stand for, the likeliest first.

    Beside the cotangent, a single one with a name of an input is the cache where forward calls that input otherwise:
    of `sigmoid_forward(z)` and `sigmoid_backward(da, a)`, a is what forward returned second. Where it returned one
    value, a is the input after all.

    Raises:
        MisfitError: they cannot be those of this layer.
    """
    by_place = backward_in_order(function, layer)
    if not names_arguments(function):
        return iter([by_place]) if by_place else _refuse(function, (*(f"d{name}" for name in layer.outputs), "cache"))
    found = [] if layer.param else _slopes(parameters_of(function), layer)
    try:
        by_name = _backward_by_name(parameters_of(function), name_of(function), vocabulary, layer)
    except MisfitError:
        if by_place is None:
            raise
    else:
        names = {slot.key: word(slot.name) for slot in forward if slot.kind is SlotKind.INPUT}
        others = [s for s in by_name if s.kind is SlotKind.INPUT and word(s.name) != names.get(s.key)]
        if len(by_name) == 2 and len(others) == 1:
            found.append(tuple(replace(s, kind=SlotKind.CACHE, key="") if s in others else s for s in by_name))
        found.append(by_name)
    if by_place and not any(_same(by_place, other) for other in found):
        found.append(by_place)
    return iter(found)


def _slopes(parameters: list[inspect.Parameter], layer: Layer) -> list[Slots]:
    """Read a backward pass of one argument as the slope at the input, or as a function of the output."""
    required = [p for p in parameters if p.default is p.empty]
    if len(required) != 1 or len(layer.inputs) != 1 or is_cotangent(required[0].name):
        return []
    others = [slot_for(p, SlotKind.OMITTED) for p in parameters if p is not required[0]]
    at_input = slot_for(required[0], SlotKind.INPUT, layer.inputs[0])
    return [(at_input, *others), (slot_for(required[0], SlotKind.OUTPUT), *others)]


def method_slots(
    cls: type, forward: str, backward: str, layer: Layer, vocabulary: Vocabulary
) -> Iterator[tuple[Slots, Slots]]:
    """Yield what the arguments of two methods may stand for; parameters that the class keeps are none of them.

    Raises:
        MisfitError: they cannot be those of this layer.
    """
    ahead, back = (parameters_of(getattr(cls, name), skip=1) for name in (forward, backward))
    data = tuple(key for key in layer.inputs if key not in vocabulary.parameters)
    try:
        slots = _forward_by_name(ahead, f"{cls.__name__}.{forward}", vocabulary, layer, layer.inputs)
    except MisfitError:
        slots = _forward_by_name(ahead, f"{cls.__name__}.{forward}", vocabulary, layer, data)
    by_name = _backward_by_name(back, f"{cls.__name__}.{backward}", vocabulary, layer)
    return iter([(slots, one) for one in (*_slopes(back, layer), by_name)])


def _forward_by_name(
    parameters: list[inspect.Parameter], name: str, vocabulary: Vocabulary, layer: Layer, inputs: tuple[str, ...]
) -> Slots:
    """Read a forward pass: the inputs by name, or else in their order; then the geometry."""
    named = {p.name: classify_ahead(p, vocabulary, inputs) for p in parameters}
    found = {slot.key for slot in named.values() if slot and slot.kind is SlotKind.INPUT}
    called = write_call(name, parameters)
    left = [key for key in inputs if key not in found]
    contexts = [name for name, slot in named.items() if slot and slot.kind is SlotKind.CONTEXT]
    in_order = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY and p.name not in contexts]
    for parameter in in_order[: len(inputs)] if left else []:
        slot = named[parameter.name]
        if slot is None and left:
            named[parameter.name] = slot_for(parameter, SlotKind.INPUT, left.pop(0))
        elif left and slot and slot.kind is not SlotKind.INPUT:
            break
    if lacking := [name for name in left if name not in BIASES]:
        raise MisfitError(f"`{called}` takes no {lacking[0]}")
    unknown = [p for p in parameters if named[p.name] is None]
    kinds = {slot.kind for slot in named.values() if slot}
    if layer.param and len(unknown) == 1 and not kinds & {SlotKind.DICTIONARY, SlotKind.ARGUMENT}:
        named[unknown[0].name] = slot_for(unknown[0], SlotKind.DICTIONARY)
    elif unknown:
        raise MisfitError(f"`{called}` takes `{unknown[0].name}`, of which the meaning is not known")
    elif vocabulary.needs_dictionary and SlotKind.DICTIONARY not in kinds:
        raise MisfitError(f"`{called}` does not take ({', '.join(layer.arguments)})")
    return tuple(slot for slot in named.values() if slot)


def _backward_by_name(parameters: list[inspect.Parameter], name: str, vocabulary: Vocabulary, layer: Layer) -> Slots:
    """Read a backward pass: a cotangent for each output, and then the cache or what else it needs."""
    called = write_call(name, parameters)
    named = {p.name: classify(p, vocabulary, layer.inputs) for p in parameters}
    rates = {p.name: slot_for(p, SlotKind.LEARNING_RATE) for p in parameters if word(p.name) in LEARNING_RATES}
    named |= rates if len(parameters) > len(rates) else {}
    required = [p for p in parameters if p.default is p.empty]
    if len(required) == 2:  # one is the cotangent, and of nothing but it and a number no gradient can be computed
        for p in required:
            slot = named[p.name]
            if slot and slot.kind is SlotKind.ARGUMENT and word(p.name) in PROBABLE_CACHES:
                named[p.name] = None
    free = [p for p in parameters if named[p.name] is None]
    chosen = choose_cotangents(free, len(layer.outputs)) or (
        [] if layer.loss and all(named.values()) else parameters[:1]
    )
    if not chosen and not layer.loss:
        raise MisfitError(f"`{called}` takes no arguments, not (dout, cache)")
    for parameter, output in zip(chosen, layer.outputs, strict=False):
        named[parameter.name] = slot_for(parameter, SlotKind.COTANGENT, output)
    if len(chosen) < len(layer.outputs) and not layer.loss:
        raise MisfitError(f"`{called}` takes no d{layer.outputs[len(chosen)]}")
    unknown = [p for p in parameters if named[p.name] is None]
    if unknown and not has(SlotKind.CACHE, (slot for slot in named.values() if slot)):
        cache = unknown.pop(0)
        named[cache.name] = slot_for(cache, SlotKind.CACHE)
    if unknown:
        raise MisfitError(f"`{called}` takes `{unknown[0].name}`, of which the meaning is not known")
    return tuple(slot for slot in named.values() if slot)


def forward_in_order(function: Function, layer: Layer, vocabulary: Vocabulary) -> Slots | None:
    """Read a forward pass whose arguments stand in the layer's order: inputs, parameters; None if it takes others."""
    keys = [(name, SlotKind.INPUT) for name in layer.inputs]
    keys += [(layer.param, SlotKind.DICTIONARY)] if layer.param else []
    slots = _in_order(function, keys, SlotKind.CONTEXT)
    keyed = {slot.name: slot.key for slot in slots or () if slot.kind is SlotKind.INPUT and slot.name != slot.key}
    named = (classify(p, vocabulary, layer.inputs) for p in parameters_of(function) if p.name in keyed) if keyed else ()
    geometry = SlotKind.ARGUMENT, SlotKind.INPUT
    return None if any(slot and slot.kind in geometry and slot.key != keyed[slot.name] for slot in named) else slots


def backward_in_order(function: Function, layer: Layer) -> Slots | None:
    """Read a backward pass of cotangents and a cache; None if it takes others."""
    keys = [(name, SlotKind.COTANGENT) for name in layer.outputs]
    return _in_order(function, [*keys, ("", SlotKind.CACHE)], SlotKind.CACHE)


def _in_order(function: Function, keys: list[tuple[str, SlotKind]], context: SlotKind) -> Slots | None:
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


def _refuse(function: Function, names: tuple[str, ...]) -> Iterator[Slots]:
    signature = signature_of(function)
    called = write_call(name_of(function), signature.parameters.values() if signature else ())
    raise MisfitError(f"`{called}` does not take ({', '.join(names)})")


def _same(one: Slots, other: Slots) -> bool:
    return [(s.name, s.kind, s.key) for s in one] == [(s.name, s.kind, s.key) for s in other]
