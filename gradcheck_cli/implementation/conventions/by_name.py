"""The meanings of the arguments of passes by their names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gradcheck_cli.implementation.conventions.slots import (
    FILLED_GRADIENTS,
    FILLED_OUTPUTS,
    LEARNING_RATES,
    PROBABLE_CACHES,
    MisfitError,
    Slot,
    SlotKind,
    Slots,
    classify,
    classify_ahead,
    has,
    is_context,
    is_cotangent,
    parameters_of,
    slot_for,
    state_names,
    write_call,
)
from gradcheck_cli.implementation.conventions.source import entries_of, looks_up_names, only_looks_up
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary, word
from gradcheck_cli.layers.framework.layer import Layer


def forward_by_name(
    function: Callable[..., Any],
    name: str,
    vocabulary: Vocabulary,
    layer: Layer,
    inputs: tuple[str, ...],
    skip: int = 0,
) -> Slots:
    """Read a forward pass: the inputs by name, or else in their order; then the geometry."""
    parameters = parameters_of(function, skip=skip)
    named = {p.name: _with_lookups(function, classify_ahead(p, vocabulary, inputs)) for p in parameters}
    found = {slot.key for slot in named.values() if slot and slot.kind is SlotKind.INPUT}
    called = write_call(name, parameters)
    left = [key for key in inputs if key not in found]
    for parameter in parameters if left and not vocabulary.packing else ():
        keys = entries_of(function, parameter.name)
        if entries := _entries(keys, left, named[parameter.name], vocabulary):
            kind = SlotKind.CONTAINER if all(held for _, held in entries) else SlotKind.DICTIONARY
            named[parameter.name] = replace(slot_for(parameter, kind), entries=entries)
            left = [key for key in left if key not in dict(entries).values()]
    unnamed = [key for key in left if not vocabulary.packing or key not in vocabulary.parameters]
    contexts = [name for name, slot in named.items() if slot and slot.kind is SlotKind.CONTEXT]
    in_order = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY and p.name not in contexts]
    for parameter in in_order[: len(inputs)] if left else []:
        slot = named[parameter.name]
        if slot is None and unnamed:
            named[parameter.name] = slot_for(parameter, SlotKind.INPUT, unnamed[0])
            left.remove(unnamed.pop(0))
        elif left and slot and slot.kind is not SlotKind.INPUT:
            break
    named |= _filled_or_kept([p for p in parameters if named[p.name] is None or p.default is None], layer)
    unknown = [p for p in parameters if named[p.name] is None]
    if vocabulary.packing and {*left} >= {*vocabulary.parameters}:  # one argument may hold all weights
        holders = [p for p in parameters if may_hold_weights(p, named[p.name])]
        holders = holders or [p for p in unknown if looks_up_names(function, p.name)]
        if len(holders) == 1:
            named[holders[0].name] = slot_for(holders[0], SlotKind.CONTAINER)
            left = [name for name in left if name not in vocabulary.parameters]
            unknown = [p for p in unknown if p not in holders]
    if lacking := [name for name in left if name not in vocabulary.optional]:
        raise MisfitError(f"`{called}` takes no {lacking[0]}")
    kinds = {slot.kind for slot in named.values() if slot}
    if layer.param and len(unknown) == 1 and not kinds & {SlotKind.DICTIONARY, SlotKind.ARGUMENT}:
        named[unknown[0].name] = slot_for(unknown[0], SlotKind.DICTIONARY)
    elif len(unknown) == 1 and not contexts and word(unknown[0].name) in PROBABLE_CACHES:
        named[unknown[0].name] = slot_for(unknown[0], SlotKind.CONTEXT)
    elif unknown:
        raise MisfitError(f"`{called}` takes `{unknown[0].name}`, of which the meaning is not known")
    elif vocabulary.needs_dictionary and SlotKind.DICTIONARY not in kinds:
        raise MisfitError(f"`{called}` does not take ({', '.join(layer.arguments)})")
    return tuple(slot for slot in named.values() if slot)


def _with_lookups(function: Callable[..., Any], slot: Slot | None) -> Slot | None:
    """Note what is looked up in a dictionary, if all is known: what is not, such as a mode, has no place in it."""
    if slot is None or slot.kind is not SlotKind.DICTIONARY or not only_looks_up(function, slot.name):
        return slot
    return replace(slot, entries=tuple((key, "") for key in entries_of(function, slot.name)))


def _filled_or_kept(parameters: list[inspect.Parameter], layer: Layer) -> dict[str, Slot]:
    """Find what forward is given to fill with its output, and the state that it is given, such as running means."""
    found = {
        p.name: slot_for(p, SlotKind.FILLED, layer.outputs[0])
        for p in parameters
        if word(p.name) in FILLED_OUTPUTS and p.default is p.empty
    }
    state = {called: key for key in layer.state for called in state_names(key)}
    kept = {p.name: slot_for(p, SlotKind.ENTRY, state[word(p.name)]) for p in parameters if word(p.name) in state}
    return kept | (found if len(layer.outputs) == 1 else {})


def _entries(
    keys: tuple[str | int, ...], left: list[str], slot: Slot | None, vocabulary: Vocabulary
) -> tuple[tuple[str | int, str], ...]:
    """Say which inputs are looked up in an argument, by key or place; () if none that is left is."""
    own = [slot.key] if slot and slot.kind is SlotKind.INPUT else []
    open_ = [name for name in vocabulary.inputs if name in (*own, *left)]
    if all(isinstance(key, int) for key in keys):
        return tuple(zip(keys, open_, strict=True)) if len(keys) == len(open_) > len(own) else ()
    reduced = {key: (word(key), word(key).rstrip("0123456789")) for key in keys if isinstance(key, str)}
    found = {key: name for name in open_ for key, forms in reduced.items() if {*forms} & {*vocabulary.inputs[name]}}
    return tuple((key, found.get(str(key), "")) for key in keys) if {*own} < {*found.values()} else ()


def backward_by_name(
    parameters: list[inspect.Parameter], name: str, vocabulary: Vocabulary, layer: Layer, forward: Slots = ()
) -> Slots:
    """Read a backward pass: a cotangent for each output, and then the cache or what else it needs."""
    called = write_call(name, parameters)
    outputs = {p.name: slot_for(p, SlotKind.OUTPUT) for p in parameters if word(p.name) in vocabulary.output_names}
    named = {p.name: outputs.get(p.name) or classify(p, vocabulary, vocabulary.inputs) for p in parameters}
    given = {slot.name: slot for slot in forward if slot.kind in (SlotKind.INPUT, SlotKind.CONTAINER)}
    again = [p for p in parameters if named[p.name] is None and p.name in given and not is_cotangent(p.name)]
    named |= {p.name: replace(given[p.name], default=p.default) for p in again}
    named |= _sizes(parameters, vocabulary)
    named |= _filled(parameters, layer, vocabulary) or _shapes(parameters, vocabulary)
    known = {name for name, slot in named.items() if slot and slot.kind in (SlotKind.ARGUMENT, SlotKind.INPUT)}
    may_be_rates = [p for p in parameters if word(p.name) in LEARNING_RATES and p.name not in known]
    rates = {p.name: slot_for(p, SlotKind.LEARNING_RATE) for p in may_be_rates}
    named |= rates if len(parameters) > len(rates) else {}
    required = [p.name for p in parameters if p.default is p.empty]
    if len(required) == 2:  # one is the cotangent, and of nothing but it and a number no gradient can be computed
        numbers = [name for name in required if (slot := named[name]) and slot.kind is SlotKind.ARGUMENT]
        named |= {name: None for name in numbers if word(name) in PROBABLE_CACHES}
    chosen = _choose_cotangents([p for p in parameters if named[p.name] is None], len(layer.outputs))
    if not chosen and not (layer.loss and all(named.values())):
        chosen = [p for p in parameters[:1] if not is_context(p.name)]
    if not chosen and not layer.loss:
        raise MisfitError(f"`{called}` takes no cotangent, such as dout")
    for parameter, output in zip(chosen, layer.outputs, strict=False):
        named[parameter.name] = slot_for(parameter, SlotKind.COTANGENT, output)
    if len(chosen) < len(layer.outputs) and not layer.loss:
        raise MisfitError(f"`{called}` takes no d{layer.outputs[len(chosen)]}")
    unknown = [p for p in parameters if named[p.name] is None]
    if unknown and not has(SlotKind.CACHE, (slot for slot in named.values() if slot)):
        several = len(unknown) > 1 and all(p.default is p.empty for p in unknown)
        for number, cache in enumerate(unknown if several else unknown[:1]):
            named[cache.name] = slot_for(cache, SlotKind.CACHE, value=number if several else None)
        unknown = [] if several else unknown[1:]
    if unknown:
        raise MisfitError(f"`{called}` takes `{unknown[0].name}`, of which the meaning is not known")
    return tuple(slot for slot in named.values() if slot)


def _choose_cotangents(free: list[inspect.Parameter], count: int) -> list[inspect.Parameter]:
    """Choose, among arguments of backward that nothing else explains, the gradients that come in: gb beside b."""
    beside = {f"g{p.name}" for p in free}
    named = [p for p in free if is_cotangent(p.name) or p.name in beside]
    others = [p for p in free if word(p.name) not in PROBABLE_CACHES] or free
    chosen = named[:count]
    chosen += [p for p in others if p not in chosen][: count - len(chosen)] if len(named) < count else []
    return [p for p in free if p in chosen]


def _filled(parameters: list[inspect.Parameter], layer: Layer, vocabulary: Vocabulary) -> dict[str, Slot]:
    """Find what backward is given to fill: a dictionary, or an array for each gradient beside the cotangents."""
    names = {f"{d}{called}": key for key, all_ in vocabulary.inputs.items() for called in all_ for d in ("d", "grad")}
    arrays = {p.name: slot_for(p, SlotKind.FILLED, names[word(p.name)]) for p in parameters if word(p.name) in names}
    found = {p.name: slot_for(p, SlotKind.FILLED) for p in parameters if word(p.name) in FILLED_GRADIENTS}
    found |= arrays if {slot.key for slot in arrays.values()} >= {*vocabulary.inputs} - {*vocabulary.optional} else {}
    others = [p for p in parameters if p.name not in found and is_cotangent(p.name) and p.default is p.empty]
    return found if len(others) >= len(layer.outputs) else {}


def _shapes(parameters: list[inspect.Parameter], vocabulary: Vocabulary) -> dict[str, Slot]:
    """Find what backward is given as the shape of an input: `x_shape`."""
    names = {f"{called}shape": key for key, all_ in vocabulary.inputs.items() for called in all_}
    return {p.name: slot_for(p, SlotKind.SHAPE, names[word(p.name)]) for p in parameters if word(p.name) in names}


def may_hold_weights(parameter: inspect.Parameter, slot: Slot | None) -> bool:
    """Tell whether an argument may be a container of weights, by its name."""
    return (
        slot.kind is SlotKind.DICTIONARY
        if slot
        else word(parameter.name).endswith(("weights", "biases", "model", "theta"))
    )


def _sizes(parameters: list[inspect.Parameter], vocabulary: Vocabulary) -> dict[str, Slot]:
    """Find the sizes of a recurrent layer: beside a cache, `H` is their number of units, and no state."""
    names = {name: key for key, argument in vocabulary.arguments.items() for name in argument.names if name.isupper()}
    is_told = vocabulary.packing is not None and any(is_context(p.name) for p in parameters)
    return {p.name: slot_for(p, SlotKind.ARGUMENT, names[p.name]) for p in parameters if is_told and p.name in names}
