"""The possible meanings of the arguments of a forward and a backward pass, by their names or else by their places."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.slots import (
    FILLED_GRADIENTS,
    FILLED_OUTPUTS,
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
    state_names,
    takes,
    write_call,
)
from gradcheck_cli.implementation.conventions.source import entries_of, returned_names
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary
    from gradcheck_cli.layers.framework.layer import Layer

    Function = Callable[..., Any]
    Slots = tuple[Slot, ...]


def forward_slots(function: Function, layer: Layer, vocabulary: Vocabulary) -> Iterator[Slots]:
    """Yield what the arguments of a forward pass may stand for, the likeliest first.

    Raises:
        MisfitError: they cannot be those of this layer.
    """
    by_place = forward_in_order(function, layer, vocabulary)
    if not names_arguments(function):
        return iter([by_place]) if by_place else _refuse(function, layer.arguments)
    try:
        by_name = _forward_by_name(function, name_of(function), vocabulary, layer, tuple(vocabulary.inputs))
    except MisfitError:
        if by_place is None:
            raise
        return iter([by_place])
    return iter([by_name] if by_place is None or _same(by_place, by_name) else [by_name, by_place])


def backward_slots(
    function: Function, layer: Layer, vocabulary: Vocabulary, forward: Slots, ahead: Function
) -> Iterator[Slots]:
    """Yield what the arguments of a backward pass may stand for, the likeliest first.

    Beside the cotangent, a single one with a name of an input is the cache where forward calls that input otherwise:
    of `sigmoid_forward(z)` and `sigmoid_backward(da, a)`, a is what forward returned second. Where it returned one
    value, a is the input after all.

    Raises:
        MisfitError: they cannot be those of this layer.
    """
    by_place = backward_in_order(function, layer)
    spread = _spread(function, layer)
    if not names_arguments(function):
        if by_place or spread:
            return iter([slots for slots in (*spread, by_place) if slots])
        return _refuse(function, (*(f"d{name}" for name in layer.outputs), "cache"))
    found = [] if layer.param else _slopes(parameters_of(function), layer)
    try:
        by_name = _backward_by_name(parameters_of(function), name_of(function), vocabulary, layer, forward)
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
    if not has(SlotKind.CONTEXT, forward):
        found += [slots for slots in map(_with_input(layer), found) if slots]
    ordered = _in_returned_order(ahead, layer)
    return iter([ordered(_with_entries_of(forward, slots)) for slots in (*spread, *found)])


def _spread(function: Function, layer: Layer) -> list[Slots]:
    """Read a backward pass that takes cotangents, and the parts of a cache as *args or **kwargs."""
    signature = signature_of(function)
    *first, last = [*signature.parameters.values()] if signature and signature.parameters else [None]
    if last is None or last.kind not in (last.VAR_POSITIONAL, last.VAR_KEYWORD) or len(first) != len(layer.outputs):
        return []
    cotangents = (slot_for(p, SlotKind.COTANGENT, key) for p, key in zip(first, layer.outputs, strict=True) if p)
    return [(*cotangents, replace(slot_for(last, SlotKind.CACHE), spread=True))]


def _with_input(layer: Layer) -> Callable[[Slots], Slots | None]:
    """Put the input in place of a cache that is not called one; None where there is none, or several inputs."""

    def changed(slots: Slots) -> Slots | None:
        caches = [slot for slot in slots if slot.kind is SlotKind.CACHE and not is_context(slot.name)]
        if len(layer.inputs) > 1 or len(caches) != 1:
            return None
        return tuple(replace(s, kind=SlotKind.INPUT, key=layer.inputs[0]) if s is caches[0] else s for s in slots)

    return changed


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
    method, back = getattr(cls, forward), parameters_of(getattr(cls, backward), skip=1)
    inputs = tuple(vocabulary.inputs)
    data = tuple(key for key in inputs if key not in vocabulary.parameters)
    try:
        slots = _forward_by_name(method, f"{cls.__name__}.{forward}", vocabulary, layer, inputs, skip=1)
    except MisfitError:
        slots = _forward_by_name(method, f"{cls.__name__}.{forward}", vocabulary, layer, data, skip=1)
    by_name = _backward_by_name(back, f"{cls.__name__}.{backward}", vocabulary, layer)
    return iter([(slots, one) for one in (*_slopes(back, layer), by_name)])


def _forward_by_name(
    function: Function, name: str, vocabulary: Vocabulary, layer: Layer, inputs: tuple[str, ...], skip: int = 0
) -> Slots:
    """Read a forward pass: the inputs by name, or else in their order; then the geometry."""
    parameters = parameters_of(function, skip=skip)
    named = {p.name: classify_ahead(p, vocabulary, inputs) for p in parameters}
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
    named |= _filled_or_kept([p for p in parameters if named[p.name] is None], layer)
    unknown = [p for p in parameters if named[p.name] is None]
    if containers := _containers_of_weights(parameters, named, left, vocabulary):
        named |= {p.name: slot_for(p, SlotKind.CONTAINER) for p in containers}
        left = [name for name in left if name not in vocabulary.parameters]
        unknown = [p for p in unknown if p not in containers]
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


def _filled_or_kept(parameters: list[inspect.Parameter], layer: Layer) -> dict[str, Slot]:
    """Find what forward is given to fill with its output, and the state that it is given, such as running means."""
    found = {
        p.name: slot_for(p, SlotKind.FILLED, layer.outputs[0]) for p in parameters if word(p.name) in FILLED_OUTPUTS
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


def _in_returned_order(function: Function, layer: Layer) -> Callable[[Slots], Slots]:
    """Number the parts of a cache as forward returns them, if it returns all of them by their names."""
    names = returned_names(function)[len(layer.outputs) :]

    def ordered(slots: Slots) -> Slots:
        parts = [slot.name for slot in slots if slot.kind is SlotKind.CACHE and slot.value is not None]
        if not parts or set(parts) != set(names):
            return slots
        return tuple(replace(s, value=names.index(s.name)) if s.name in parts else s for s in slots)

    return ordered


def _with_entries_of(forward: Slots, backward: Slots) -> Slots:
    """Let backward be given the container that forward is given, which it calls the same, or a dictionary."""
    containers = {slot.name: slot for slot in forward if slot.entries}
    first = next(iter(containers.values()), None)

    def shared(slot: Slot) -> Slot:
        found = containers.get(slot.name, first if slot.kind is SlotKind.DICTIONARY else None)
        return replace(slot, kind=found.kind, entries=found.entries) if found else slot

    return tuple(map(shared, backward))


def _backward_by_name(
    parameters: list[inspect.Parameter], name: str, vocabulary: Vocabulary, layer: Layer, forward: Slots = ()
) -> Slots:
    """Read a backward pass: a cotangent for each output, and then the cache or what else it needs."""
    called = write_call(name, parameters)
    named = {p.name: _returned(p, vocabulary) or classify(p, vocabulary, vocabulary.inputs) for p in parameters}
    given = {slot.name: slot.key for slot in forward if slot.kind is SlotKind.INPUT}
    again = [p for p in parameters if named[p.name] is None and p.name in given and not is_cotangent(p.name)]
    named |= {p.name: slot_for(p, SlotKind.INPUT, given[p.name]) for p in again}
    named |= _filled(parameters, layer, vocabulary) or _shapes(parameters, vocabulary)
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
        several = len(unknown) > 1 and all(p.default is p.empty for p in unknown)
        for number, cache in enumerate(unknown if several else unknown[:1]):
            named[cache.name] = slot_for(cache, SlotKind.CACHE, value=number if several else None)
        unknown = [] if several else unknown[1:]
    if unknown:
        raise MisfitError(f"`{called}` takes `{unknown[0].name}`, of which the meaning is not known")
    return tuple(slot for slot in named.values() if slot)


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


def forward_in_order(function: Function, layer: Layer, vocabulary: Vocabulary) -> Slots | None:
    """Read a forward pass whose arguments stand in the layer's order: inputs, parameters; None if it takes others."""
    if vocabulary.packing and vocabulary.packing.title:
        return None  # only names tell such arrays apart
    keys = [(name, SlotKind.INPUT) for name in vocabulary.inputs if not _is_spare(name, vocabulary)]
    keys += [(layer.param, SlotKind.DICTIONARY)] if layer.param else []
    slots = _in_order(function, keys, SlotKind.CONTEXT)
    keyed = {slot.name: slot.key for slot in slots or () if slot.kind is SlotKind.INPUT and slot.name != slot.key}
    named = (
        (classify(p, vocabulary, vocabulary.inputs) for p in parameters_of(function) if p.name in keyed)
        if keyed
        else ()
    )
    geometry = SlotKind.ARGUMENT, SlotKind.INPUT
    return None if any(slot and slot.kind in geometry and slot.key != keyed[slot.name] for slot in named) else slots


def _containers_of_weights(
    parameters: list[inspect.Parameter], named: Mapping[str, Slot | None], left: list[str], vocabulary: Vocabulary
) -> list[inspect.Parameter]:
    """Return the one argument that holds all weights of a packing, if there is one."""
    if not vocabulary.packing or not {*left} >= {*vocabulary.parameters}:
        return []
    found = [p for p in parameters if may_hold_weights(p, named[p.name])]
    return found if len(found) == 1 else []


def may_hold_weights(parameter: inspect.Parameter, slot: Slot | None) -> bool:
    """Tell whether an argument may be a container of weights, by its name."""
    return (
        slot.kind is SlotKind.DICTIONARY
        if slot
        else word(parameter.name).endswith(("weights", "biases", "model", "theta"))
    )


def _is_spare(name: str, vocabulary: Vocabulary) -> bool:
    """Tell whether an array of a packing is none of the layer's inputs, such as a cell state that is zero at first."""
    return vocabulary.packing is not None and vocabulary.packing.parts[name].shares == (0.0,)


def _returned(parameter: inspect.Parameter, vocabulary: Vocabulary) -> Slot | None:
    """Read an argument of backward as forward's output, if that is what it is called."""
    return slot_for(parameter, SlotKind.OUTPUT) if word(parameter.name) in vocabulary.output_names else None


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
