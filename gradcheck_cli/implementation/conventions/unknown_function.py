"""The reading of any function and its gradient: what each takes is read from the names of its arguments.

`f(x, w)` and `f_grad(dout, x, w)`; `f(x, w) -> (out, cache)` and `f_backward(dout, cache)`; without a cotangent
`f_grad(x, w)`, of a number or of what is computed element by element; or f alone, which returns (number, gradients).
Arguments that have a default are left at it, unless the case names them.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.code import Code
from gradcheck_cli.implementation.conventions.network_steps import TARGETS
from gradcheck_cli.implementation.conventions.passes import refuse_labels, spread_slots
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import (
    PROBABLE_CACHES,
    SIZE,
    MisfitError,
    Slot,
    SlotKind,
    Slots,
    classify,
    generator_for,
    has,
    is_context,
    is_cotangent,
    names_arguments,
    parameters_of,
    slot_for,
    write_call,
)
from gradcheck_cli.implementation.conventions.source import entries_of, returned_names
from gradcheck_cli.implementation.conventions.tensors import is_of_tensors
from gradcheck_cli.implementation.conventions.unknown_variants import variants
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary, word
from gradcheck_cli.layers.framework.layer import Layer

if TYPE_CHECKING:
    import inspect

#: What the output is called by gradients that are computed from it.
_OUTPUT = ("out", "output", "outputs", "y")
_OUTPUT_KEY = "(output)"  #: no name of an argument

#: Arguments of a gradient of which no name says what they are, and in how many ways they are tried.
_MOST_FREE, _MOST_TRIED = 5, 6
_ODD = 4  #: the cost of what no name can mean; less by 1, beside what is called a cotangent
_FREE = (SlotKind.COTANGENT, SlotKind.CACHE, SlotKind.INPUT)


def unknown_readings(functions: tuple[Callable[..., Any], ...], layer: Layer) -> Iterator[Reading]:
    """Yield the ways to read a function and its gradient, or one that returns both.

    Of arguments of the gradient without another meaning, all may be cotangents of as many outputs, or all but one that
    is the cache. That is likeliest where they are called so.

    Raises:
        MisfitError: they do not say what they take.
    """
    forward = forward_slots(_arguments(functions[0]))
    if (opened := _opened(functions[0], forward)) != forward:
        with contextlib.suppress(MisfitError):
            yield from _readings(functions, layer, opened)
    yield from _readings(functions, layer, forward)


def forward_slots(parameters: list[inspect.Parameter], settings: Mapping[str, Slot] = MappingProxyType({})) -> Slots:
    """Take each argument of forward for an input, but for a context and for settings."""
    return tuple(
        settings.get(p.name)
        or generator_for(p)
        or slot_for(p, SlotKind.CONTEXT if is_context(p.name) else SlotKind.INPUT, p.name)
        for p in parameters
    )


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
    returned, names = returned_names(functions[0]), returned_names(functions[-1])
    code = Code(forward=functions[0], backward=functions[1] if len(functions) > 1 else None)
    if len(functions) == 1:
        yield from variants([unknown_reading(code, layer, forward)], names[1:], returned)
    elif spread := spread_slots(functions[1], ("out",)):
        yield unknown_reading(code, layer, forward, spread[0])
    else:
        meant = gradient_slots(name_of(functions[1]), _arguments(functions[1]), forward, returned)
        yield from variants([unknown_reading(code, layer, forward, slots) for slots in meant], names, returned)


def unknown_reading(code: Code, layer: Layer, forward: Slots, backward: Slots = ()) -> Reading:
    """Return the reading in which forward has an output for each cotangent, and gradients come in its own order."""
    outputs = tuple(slot.key for slot in backward if slot.kind is SlotKind.COTANGENT)
    names = tuple(name for slot in forward for name in slot.inputs or (slot.key,) if name)
    return Reading(
        layer=layer,
        vocabulary=Vocabulary(inputs={name: (word(name),) for name in names}),
        code=code,
        forward=forward,
        backward=backward,
        order=names,
        own_outputs=outputs or ("out",),
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


def gradient_slots(
    name: str,
    parameters: list[inspect.Parameter],
    forward: Slots,
    returned: tuple[str, ...] = (),
    settings: Mapping[str, Slot] = MappingProxyType({}),
) -> list[Slots]:
    """List what the arguments of a gradient may stand for, the likeliest first: by their names, or else by trying.

    Each argument that no name explains is a cotangent, the cache or, if there are as many of them as of inputs that
    are not passed by name, an input by its place.

    Raises:
        MisfitError: it asks for something that is not there.
    """
    found = {p.name: settings.get(p.name) or _known(p, forward, returned) for p in parameters}
    required = [p for p in parameters if p.default is p.empty and p.name not in settings]
    found |= _lengths([p for p in required if found[p.name] is None])
    free = [p for p in required if found[p.name] is None]
    if not {slot.name for slot in forward} & {p.name for p in required}:
        refuse_labels(name, parameters)
    known = [slot for slot in found.values() if slot]
    taken = {slot.key for slot in known if slot.kind is SlotKind.INPUT}
    inputs = [s.key for s in forward if s.kind is SlotKind.INPUT and not s.has_default and s.key not in taken]

    def slots_of(kinds: tuple[SlotKind, ...]) -> Slots:
        cotangents = [p.name for p, kind in zip(free, kinds, strict=True) if kind is SlotKind.COTANGENT]
        names = {SlotKind.INPUT: iter(inputs), SlotKind.CACHE: itertools.repeat("")}
        names[SlotKind.COTANGENT] = iter(_output_names(cotangents, forward))
        meant = {p.name: slot_for(p, kind, next(names[kind])) for p, kind in zip(free, kinds, strict=True)}
        return tuple(meant.get(p.name) or found[p.name] or slot_for(p, SlotKind.OMITTED) for p in parameters)

    by_place = len(free) == len([p for p in required if not ((slot := found[p.name]) and slot.kind is SlotKind.SHAPE)])
    cached, costs = has(SlotKind.CACHE, known), dict[tuple[SlotKind, ...], int]()
    for kinds in itertools.product(_FREE, repeat=len(free)) if len(free) <= _MOST_FREE else ():
        named = [is_cotangent(p.name) for p, kind in zip(free, kinds, strict=True) if kind is SlotKind.COTANGENT]
        own = [_cost(p.name, kind, returned, by_place=by_place) for p, kind in zip(free, kinds, strict=True)]
        caches, places = kinds.count(SlotKind.CACHE) + cached, kinds.count(SlotKind.INPUT)
        is_odd = len({*named}) > 1 or max(own, default=0) >= (_ODD if any(named) else _ODD - 1)
        if (not places or (places == len(inputs) and not cached)) and caches <= 1 and not is_odd:
            costs[kinds] = sum(own) + (len(named) > 1 and not all(named)) + 2 * (caches > len(named))
    if not costs:
        raise MisfitError(
            f"`{write_call(name, parameters)}` takes `{free[-1].name}`, of which the meaning is not known"
        )
    return [slots_of(kinds) for kinds in sorted(costs, key=lambda kinds: costs[kinds])[:_MOST_TRIED]]


def _output_names(cotangents: list[str], forward: Slots) -> list[str]:
    """Name outputs after their cotangents: `left` for `dleft`, unless there is one or that is an input's name."""
    if len(cotangents) == 1:
        return ["out"]
    names = [re.sub(r"^(grad_?|d_?|delta_?)(?=\w)", "", one) for one in cotangents]
    taken = {slot.name for slot in forward} | {"out"}
    return [n if n.isidentifier() and n not in taken else f"out{k}" for k, n in enumerate(names)]


def _cost(name: str, kind: SlotKind, returned: tuple[str, ...], *, by_place: bool) -> int:
    """Say how unlikely it is that an argument of a gradient is meant so, by its name."""
    if is_cotangent(name):
        cache = 1 if name in returned[1:] else _ODD - 1
        return {SlotKind.COTANGENT: 0, SlotKind.CACHE: cache, SlotKind.INPUT: _ODD}[kind]
    if word(name) in PROBABLE_CACHES:
        return {SlotKind.COTANGENT: 2, SlotKind.CACHE: 0, SlotKind.INPUT: 2 - by_place}[kind]
    return {SlotKind.COTANGENT: 1, SlotKind.CACHE: 1, SlotKind.INPUT: 2 * (not by_place)}[kind]


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
    is_whole = is_context(parameter.name) and returned[-1:] == (parameter.name,)
    if len(returned) > 2 and parameter.name in returned[1:] and not (is_whole or is_cotangent(parameter.name)):
        return slot_for(parameter, SlotKind.CACHE, value=returned.index(parameter.name) - 1)
    words = Vocabulary(inputs={_OUTPUT_KEY: _OUTPUT, **{name: (word(name),) for name in names}})
    slot = classify(parameter, words, [*names, _OUTPUT_KEY])
    if slot and slot.key == _OUTPUT_KEY:
        return slot_for(parameter, SlotKind.OUTPUT)
    if slot and slot.kind is SlotKind.CACHE:
        return slot_for(parameter, SlotKind.CACHE, parameter.name)  # or an input of this name, if the case has one
    return slot if slot and slot.kind in (SlotKind.INPUT, SlotKind.OMITTED) else None
