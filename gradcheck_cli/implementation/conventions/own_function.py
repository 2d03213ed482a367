"""The reading of any function and its gradient: what each takes is read from the names of its arguments.

`f(x, w)` and `f_grad(dout, x, w)`; `f(x, w) -> (out, cache)` and `f_backward(dout, cache)`; without a cotangent
`f_grad(x, w)`, of a number or of what is computed element by element; or f alone, which returns (number, gradients).
Arguments that have a default are left at it, unless the case names them.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.code import Code
from gradcheck_cli.implementation.conventions.hints import SIZE, refuse_labels, spread_slots
from gradcheck_cli.implementation.conventions.own_variants import variants
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import (
    PROBABLE_CACHES,
    MisfitError,
    Slot,
    SlotKind,
    choose_cotangents,
    classify,
    has,
    is_context,
    is_cotangent,
    names_arguments,
    parameters_of,
    slot_for,
    write_call,
)
from gradcheck_cli.implementation.conventions.source import entries_of, returned_names
from gradcheck_cli.implementation.conventions.step import TARGETS
from gradcheck_cli.implementation.conventions.tensors import is_of_tensors
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary, word

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable, Iterator

    from gradcheck_cli.layers.framework.layer import Layer

    Slots = tuple[Slot, ...]

#: What the output is called by gradients that are computed from it.
_OUTPUT = ("out", "output", "outputs", "y")
_OUTPUT_KEY = "(output)"  #: no name of an argument


def own_readings(functions: tuple[Callable[..., Any], ...], layer: Layer) -> Iterator[Reading]:
    """Yield the ways to read a function and its gradient, or one that returns both.

    Of arguments of the gradient without another meaning, all may be cotangents of as many outputs, or all but one that
    is the cache. That is likeliest where they are called so.

    Raises:
        MisfitError: they do not say what they take.
    """
    forward = _forward_slots(functions[0])
    if (opened := _opened(functions[0], forward)) != forward:
        with contextlib.suppress(MisfitError):
            yield from _readings(functions, layer, opened)
    yield from _readings(functions, layer, forward)


def _opened(function: Callable[..., Any], slots: Slots) -> Slots:
    """Take arguments in which arrays are looked up, `p["W"]` or `p.W`, for containers of these arrays."""
    taken = {slot.name for slot in slots}

    def opened(slot: Slot) -> Slot:
        keys = [key for key in entries_of(function, slot.name) if isinstance(key, str) and not is_of_tensors(key)]
        names = [re.sub(r"\W", "_", key) for key in keys]
        names = [name if name not in taken else f"{slot.name}_{name}" for name in names]
        is_open = slot.kind is SlotKind.INPUT and not slot.has_default and keys
        entries = tuple(zip(keys, names, strict=True))
        return replace(slot, kind=SlotKind.CONTAINER, entries=entries) if is_open else slot

    return tuple(map(opened, slots))


def _readings(functions: tuple[Callable[..., Any], ...], layer: Layer, forward: Slots) -> Iterator[Reading]:
    returned = returned_names(functions[0])
    if spread := spread_slots(functions[1], ("out",)) if len(functions) > 1 else []:
        yield _reading(functions, layer, forward, spread[0])
        return
    several = list(_several_outputs(functions[1], forward, returned)) if len(functions) > 1 else []
    named = [slots for slots in several if all(is_cotangent(s.name) for s in slots if s.kind is SlotKind.COTANGENT)]
    try:
        meant = _gradient_slots(functions[1], forward, returned) if len(functions) > 1 else ()
        readings = [_reading(functions, layer, forward, *meant)]
    except MisfitError:
        if not named:
            raise
        readings = []
    for reading in [one for one in readings if one.backward_with_cache]:
        kinds = {SlotKind.CACHE: (SlotKind.COTANGENT, "out"), SlotKind.COTANGENT: (SlotKind.CACHE, "")}
        changed = ((slot, *kinds.get(slot.kind, (slot.kind, slot.key))) for slot in reading.backward_with_cache)
        swapped = tuple(replace(slot, kind=kind, key=key) for slot, kind, key in changed)
        readings.append(replace(reading, backward=swapped, backward_with_cache=()))
    if len(functions) > 1 and forward:
        readings += [one for reading in readings if (one := _from_cache(reading, returned[1:]))]
    for slots in several:
        outputs = tuple(slot.key for slot in slots if slot.kind is SlotKind.COTANGENT)
        reading = replace(_reading(functions, layer, forward, slots), own_outputs=outputs)
        readings.insert(0 if slots in named[:1] else len(readings), reading)
    yield from variants(readings, returned_names(functions[-1])[len(functions) == 1 :], returned)


def _from_cache(reading: Reading, kept: tuple[str, ...]) -> Reading | None:
    """Return a reading in which what is called no cotangent, or by its name, is what forward returned second."""
    cotangents = [slot for slot in reading.backward if slot.kind is SlotKind.COTANGENT]
    if len(cotangents) != 1 or has(SlotKind.CACHE, reading.backward):
        return None
    if is_cotangent(cotangents[0].name) and cotangents[0].name not in kept:
        return None
    cache = replace(cotangents[0], kind=SlotKind.CACHE, key="")
    return replace(reading, backward=tuple(cache if slot is cotangents[0] else slot for slot in reading.backward))


def _several_outputs(gradient: Callable[..., Any], forward: Slots, returned: tuple[str, ...]) -> Iterator[Slots]:
    """Yield what the arguments of a gradient stand for if some of them are cotangents of several outputs."""
    parameters = _arguments(gradient)
    known = {p.name: _known(p, forward, returned) for p in parameters}
    caches = [p.name for p in parameters if (slot := known[p.name]) and slot.kind is SlotKind.CACHE]
    free = [p for p in parameters if known[p.name] is None and p.default is p.empty]
    known |= _lengths(free)
    free = [p for p in free if known[p.name] is None]
    last = [*(p for p in free if word(p.name) in PROBABLE_CACHES or not is_cotangent(p.name)), *free[-1:], *free[:1]]
    for cache in [None, *([] if caches else dict.fromkeys(last))]:
        cotangents = [p.name for p in free if p is not cache]
        if len(cotangents) > 1:
            yield tuple(
                slot_for(p, SlotKind.COTANGENT, _output_name(p.name, cotangents, forward))
                if p.name in cotangents
                else slot_for(p, SlotKind.CACHE)
                if p is cache
                else known[p.name] or slot_for(p, SlotKind.OMITTED)
                for p in parameters
            )


def _output_name(cotangent: str, all_: list[str], forward: Slots) -> str:
    """Name an output after its cotangent: `left` for `dleft`, unless that is an input's name."""
    name = re.sub(r"^(grad_?|d_?|delta_?)(?=\w)", "", cotangent)
    taken = {slot.name for slot in forward} | {"out"}
    return name if name.isidentifier() and name not in taken else f"out{all_.index(cotangent)}"


def _forward_slots(function: Callable[..., Any]) -> Slots:
    return tuple(
        slot_for(p, SlotKind.CONTEXT if is_context(p.name) else SlotKind.INPUT, p.name) for p in _arguments(function)
    )


def _reading(
    functions: tuple[Callable[..., Any], ...],
    layer: Layer,
    forward: Slots,
    backward: Slots = (),
    with_cache: Slots = (),
) -> Reading:
    function, *others = functions
    names = tuple(name for slot in forward for name in slot.inputs or (slot.key,))
    return Reading(
        layer=layer,
        vocabulary=Vocabulary(inputs={name: (word(name),) for name in names}),
        code=Code(forward=function, backward=others[0] if others else None),
        forward=forward,
        backward=backward,
        backward_with_cache=with_cache,
        order=names,
    )


def _arguments(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """List the arguments of a function.

    Raises:
        MisfitError: it has none, or none with a name.
    """
    arguments = parameters_of(function)
    if not arguments or not names_arguments(function):
        raise MisfitError(f"`{name_of(function)}` does not name what it takes; write out its arguments")
    return arguments


def _gradient_slots(gradient: Callable[..., Any], forward: Slots, returned: tuple[str, ...]) -> tuple[Slots, Slots]:
    """Say what each argument of a gradient stands for: by its name, or where no name says it by its place.

    Returns:
        The slots, and those to use instead if the function returns a cache: of two arguments without a telling name,
        one is the cotangent and the other the cache if there is one.

    Raises:
        MisfitError: it asks for something that is not there.
    """
    parameters = _arguments(gradient)
    found = {p.name: _known(p, forward, returned) for p in parameters}
    required = [p for p in parameters if p.default is p.empty]
    free = [p for p in required if found[p.name] is None]
    found |= _lengths(free)
    free = [p for p in free if found[p.name] is None]
    required = [p for p in required if not ((slot := found[p.name]) and slot.kind is SlotKind.SHAPE)]
    if not {slot.name for slot in forward} & {p.name for p in required}:
        refuse_labels(name_of(gradient), parameters)
    needed = [slot.key for slot in forward if not slot.has_default and slot.kind is SlotKind.INPUT]
    first = next(iter(choose_cotangents(free, 1)), None)

    def whole(*slots: Slot) -> Slots:
        by_name = {slot.name: slot for slot in slots}
        return tuple(slot for p in parameters if (slot := by_name.get(p.name) or found[p.name]))

    with_cache: Slots = ()
    if len(free) == 2:
        kinds = {True: (SlotKind.COTANGENT, "out"), False: (SlotKind.CACHE, "")}
        with_cache = whole(*(slot_for(p, *kinds[p is first]) for p in free))
    by_place = [slot_for(p, SlotKind.INPUT, key) for p, key in zip(free[-len(needed) :], needed, strict=False)]
    if first and len(free) == len(required) == len(needed) and not is_cotangent(first.name):
        return whole(*by_place), with_cache
    if len(free) == len(required) == len(needed) + 1:
        return whole(slot_for(free[0], SlotKind.COTANGENT, "out"), *by_place), with_cache
    if first:
        found[first.name] = slot_for(first, SlotKind.COTANGENT, "out")
        free.remove(first)
    if free and not has(SlotKind.CACHE, [slot for slot in found.values() if slot]):
        cache = free.pop(0)
        found[cache.name] = slot_for(cache, SlotKind.CACHE)
    if free:
        called = write_call(name_of(gradient), parameters)
        raise MisfitError(f"`{called}` takes `{free[0].name}`, of which the meaning is not known")
    return tuple(found[p.name] or slot_for(p, SlotKind.OMITTED) for p in parameters), ()


def _lengths(free: list[inspect.Parameter]) -> dict[str, Slot]:
    """Take the one argument that is called as a length is for that, where another is called a cotangent."""
    found = [p for p in free if SIZE.match(p.name)]
    is_one = len(found) == 1 and any(is_cotangent(p.name) for p in free if p not in found)
    return {p.name: slot_for(p, SlotKind.SHAPE) for p in found if is_one}


def _known(parameter: inspect.Parameter, forward: Slots, returned: tuple[str, ...]) -> Slot | None:
    """Say what an argument stands for if its name is that of an input, of what forward returned, or of a cache."""
    held = next((slot for slot in forward if slot.kind is SlotKind.CONTAINER and slot.name == parameter.name), None)
    if held:
        return replace(slot_for(parameter, SlotKind.CONTAINER), entries=held.entries)
    names = [slot.key for slot in forward if slot.kind is SlotKind.INPUT]
    if parameter.name in names:
        return slot_for(parameter, SlotKind.INPUT, parameter.name)
    targets = [name for name in names if word(name) in TARGETS]
    if word(parameter.name) in TARGETS and len(targets) == 1:
        return slot_for(parameter, SlotKind.INPUT, targets[0])
    if word(parameter.name) == "inputs" and len(names) > 1:
        return replace(slot_for(parameter, SlotKind.CONTAINER), entries=tuple(enumerate(names)))
    if len(returned) > 2 and parameter.name in returned[1:] and not is_cotangent(parameter.name):
        return slot_for(parameter, SlotKind.CACHE, value=returned.index(parameter.name) - 1)
    words = Vocabulary(inputs={_OUTPUT_KEY: _OUTPUT, **{name: (word(name),) for name in names}})
    slot = classify(parameter, words, [*names, _OUTPUT_KEY])
    if slot and slot.key == _OUTPUT_KEY:
        return slot_for(parameter, SlotKind.OUTPUT)
    if slot and slot.kind is SlotKind.CACHE:
        return slot_for(parameter, SlotKind.CACHE, parameter.name)  # or an input of this name, if the case has one
    return slot if slot and slot.kind in (SlotKind.INPUT, SlotKind.OMITTED) else None
