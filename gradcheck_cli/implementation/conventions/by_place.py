"""The meanings of the arguments of passes by their places, in the layer's order."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from gradcheck_cli.implementation.conventions.slots import (
    Slot,
    SlotKind,
    Slots,
    classify,
    is_context,
    names_arguments,
    parameters_of,
    slot_for,
    takes,
)
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary
from gradcheck_cli.layers.framework.layer import Layer


def forward_in_order(function: Callable[..., Any], layer: Layer, vocabulary: Vocabulary) -> Slots | None:
    """Read a forward pass whose arguments stand in the layer's order: inputs, parameters; None if it takes others."""
    if vocabulary.packing and vocabulary.packing.title:
        return None  # only names tell such arrays apart
    keys = [(name, SlotKind.INPUT) for name in vocabulary.inputs if not _is_spare(name, vocabulary)]
    keys += [(layer.param, SlotKind.DICTIONARY)] if layer.param else []
    slots = in_order(function, keys, SlotKind.CONTEXT)
    keyed = {slot.name: slot.key for slot in slots or () if slot.kind is SlotKind.INPUT and slot.name != slot.key}
    named = (
        (classify(p, vocabulary, vocabulary.inputs) for p in parameters_of(function) if p.name in keyed)
        if keyed
        else ()
    )
    geometry = SlotKind.ARGUMENT, SlotKind.INPUT
    return None if any(slot and slot.kind in geometry and slot.key != keyed[slot.name] for slot in named) else slots


def _is_spare(name: str, vocabulary: Vocabulary) -> bool:
    """Tell whether an array of a packing is none of the layer's inputs, such as a cell state that is zero at first."""
    return vocabulary.packing is not None and vocabulary.packing.parts[name].shares == (0.0,)


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
