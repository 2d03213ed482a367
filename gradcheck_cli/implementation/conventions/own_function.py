"""The reading of any function and its gradient: what each takes is read from the names of its arguments.

`f(x, w)` and `f_grad(dout, x, w)`; `f(x, w) -> (out, cache)` and `f_backward(dout, cache)`; without a cotangent
`f_grad(x, w)`, of a number or of what is computed element by element; or f alone, which returns (number, gradients).
Arguments that have a default are left at it, unless the case names them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.reading import Code, Reading
from gradcheck_cli.implementation.conventions.slots import (
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
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary, word

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable

    from gradcheck_cli.layers.framework.layer import Layer

    Slots = tuple[Slot, ...]

#: What the output is called by gradients that are computed from it.
_OUTPUT = ("out", "output", "outputs", "y")
_OUTPUT_KEY = "(output)"  #: no name of an argument


def own_reading(functions: tuple[Callable[..., Any], ...], layer: Layer) -> Reading:
    """Read a function and its gradient, or one that returns both.

    Raises:
        MisfitError: they do not say what they take.
    """
    function, *others = functions
    forward = tuple(
        slot_for(p, SlotKind.CONTEXT if is_context(p.name) else SlotKind.INPUT, p.name) for p in _arguments(function)
    )
    names = tuple(slot.key for slot in forward)
    backward, with_cache = _gradient_slots(others[0], forward) if others else ((), ())
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


def _gradient_slots(gradient: Callable[..., Any], forward: Slots) -> tuple[Slots, Slots]:
    """Say what each argument of a gradient stands for: by its name, or where no name says it by its place.

    Returns:
        The slots, and those to use instead if the function returns a cache: of two arguments without a telling name,
        one is the cotangent and the other the cache if there is one.

    Raises:
        MisfitError: it asks for something that is not there.
    """
    parameters = _arguments(gradient)
    found = {p.name: _known(p, forward) for p in parameters}
    required = [p for p in parameters if p.default is p.empty]
    free = [p for p in required if found[p.name] is None]
    needed = [slot.key for slot in forward if not slot.has_default and slot.kind is SlotKind.INPUT]
    first = next(iter(choose_cotangents(free, 1)), None)
    with_cache: Slots = ()
    if len(free) == 2:
        kinds = {True: (SlotKind.COTANGENT, "out"), False: (SlotKind.CACHE, "")}
        with_cache = tuple(slot_for(p, *kinds[p is first]) for p in free)
    by_place = [slot_for(p, SlotKind.INPUT, key) for p, key in zip(free[-len(needed) :], needed, strict=False)]
    if first and len(free) == len(required) == len(needed) and not is_cotangent(first.name):
        return tuple(by_place), with_cache
    if len(free) == len(required) == len(needed) + 1:
        return (slot_for(free[0], SlotKind.COTANGENT, "out"), *by_place), with_cache
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


def _known(parameter: inspect.Parameter, forward: Slots) -> Slot | None:
    """Say what an argument stands for if its name is that of an input, of the output or of a cache."""
    names = [slot.key for slot in forward if slot.kind is SlotKind.INPUT]
    if parameter.name in names:
        return slot_for(parameter, SlotKind.INPUT, parameter.name)
    words = Vocabulary(inputs={_OUTPUT_KEY: _OUTPUT, **{name: (word(name),) for name in names}})
    slot = classify(parameter, words, [*names, _OUTPUT_KEY])
    if slot and slot.key == _OUTPUT_KEY:
        return slot_for(parameter, SlotKind.OUTPUT)
    if slot and slot.kind is SlotKind.CACHE:
        return slot_for(parameter, SlotKind.CACHE, parameter.name)  # or an input of this name, if the case has one
    return slot if slot and slot.kind in (SlotKind.INPUT, SlotKind.OMITTED) else None
