"""The convention of any function and its gradient: what each takes is read from the names of its arguments.

`f(x, w)` and `f_grad(dout, x, w)`; `f(x, w) -> (out, cache)` and `f_backward(dout, cache)`; without a cotangent
`f_grad(x, w)`, of a number or of what is computed element by element; or f alone, which returns (number, gradients).
Arguments that have a default are left at it, unless the case names them.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.binding import Reading, fill, fills_context, shares_context
from gradcheck_cli.implementation.context import Context, output_and_cache
from gradcheck_cli.implementation.conventions.pair import by_input, spec_of
from gradcheck_cli.implementation.implementation import (
    Implementation,
    ImplementationError,
    NotExpressibleError,
    described,
    name_of,
)
from gradcheck_cli.implementation.slots import (
    MisfitError,
    Slot,
    SlotKind,
    choose_cotangent,
    classify,
    cotangent_names,
    is_context,
    is_cotangent,
    parameters_of,
    placed,
    written,
)
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary, word
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gradcheck_cli.numeric.arrays import Array

#: What the output is called by gradients that are computed from it.
_OUTPUT = ("out", "output", "outputs", "y")
_OUTPUT_KEY = "(output)"  #: no name of an argument

#: What is passed has one form each.
_PLAINLY, _NO_WORDS = Reading(forms={}, absent={}), Vocabulary()
_WITH_CONTEXT = replace(_PLAINLY, fills_context=True)


def own_gradient(
    functions: tuple[Callable[..., Any], ...], *, name: str | None = None, spec: str | None = None
) -> Implementation:
    """Make an implementation of a function and its gradient, or of one that returns both.

    Args:
        functions: the function, and its gradient if that is another.
        name: how reports call it; by default by where it was defined.
        spec: what to type to check it; by default the file and the names, if they lead back to it.

    Raises:
        MisfitError: what they take cannot be told.
    """
    function, *others = functions
    arguments = _arguments(function)
    own = _Own(
        function, others[0] if others else None, arguments, *_slots(others[0], arguments) if others else ([], [])
    )
    spec = spec or spec_of(*functions)
    return Implementation(
        name=name or spec or ",".join(map(name_of, functions)),
        spec=spec,
        convention=own.convention(),
        forward=own.run_forward,
        backward=own.run_backward,
        order=tuple(argument.name for argument in arguments),
        refusal=own.refusal,
        cotangents=cotangent_names(own.slots),
    )


@dataclass(frozen=True)
class _Memory:
    """What backward needs of a forward call."""

    inputs: Mapping[str, Array]
    out: object
    cache: object  #: None where none was returned; of one function that returns both, the gradients


@dataclass(frozen=True)
class _Own:
    """A function and its gradient, and how they are understood."""

    function: Callable[..., Any]
    gradient: Callable[..., Any] | None
    arguments: list[inspect.Parameter]  #: of the function
    slots: list[Slot]  #: of the gradient
    with_cache: list[Slot]  #: and where names say nothing of it, those if the function returns a cache

    def run_forward(self, inputs: Mapping[str, Array], _: object) -> tuple[object, object]:
        if why := self.refusal(inputs):
            raise NotExpressibleError(why)
        given = {name: np.asarray(value) for name, value in inputs.items()}  # what was moved may come as a scalar
        returned, context = self._called(given, _PLAINLY)
        wants_cache = _takes(SlotKind.CACHE, _named(self.slots, given))
        if self.gradient is None:
            out, *gradients = self._parted(returned)
            several = len(gradients) == 1 and isinstance(gradients[0], tuple | list | dict)
            return _array(out), _Memory(given, out, gradients[0] if several else gradients)
        if context is None and wants_cache and not isinstance(returned, tuple | list):
            returned, context = self._called(given, _WITH_CONTEXT)
        if isinstance(returned, tuple) and len(returned) == 2:
            out, cache = output_and_cache(returned, context, shared=shares_context(self._ahead(given), self.slots))
        elif isinstance(returned, tuple) or (wants_cache and context is None):
            raise ImplementationError(f"{name_of(self.function)} returned {described(returned)}, not (out, cache)")
        else:
            out, cache = returned, context
        return _array(out), _Memory(given, out, cache)

    def _ahead(self, given: Mapping[str, Array]) -> list[Slot]:
        """Say what each argument of the function stands for: what has no shape is left out, but for a context."""
        other = {True: SlotKind.CONTEXT, False: SlotKind.OMITTED}
        kinds = [SlotKind.INPUT if p.name in given else other[is_context(p.name)] for p in self.arguments]
        return [placed(p, kind, p.name) for p, kind in zip(self.arguments, kinds, strict=True)]

    def _called(self, given: Mapping[str, Array], reading: Reading) -> tuple[object, Context | None]:
        slots = self._ahead(given)
        context = Context(len(given)) if fills_context(slots, reading) else None
        filled = fill(slots, reading, _NO_WORDS, {}, given, {SlotKind.CONTEXT: context})
        return filled.call(self.function), context

    def run_backward(self, cotangent: Array, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        assert isinstance(cache, _Memory)
        owed = tuple(p.name for p in self.arguments if p.name in names)
        if self.gradient is None:
            return self._times(cotangent, _by_name(cache.cache, owed, name_of(self.function)))
        given = {**{p.name: p.default for p in self.arguments}, **cache.inputs}
        values = {SlotKind.OUTPUT: cache.out, SlotKind.COTANGENT: cotangent, SlotKind.CACHE: cache.cache}
        slots = _named(self.slots, cache.inputs) if cache.cache is None else self.with_cache or self.slots
        returned = fill(slots, _PLAINLY, _NO_WORDS, {}, given, values).call(self.gradient)
        found = _by_name(returned, owed, name_of(self.gradient))
        return found if _takes(SlotKind.COTANGENT, slots) else self._times(cotangent, found)

    def convention(self) -> str:
        function = written(name_of(self.function), self.arguments)
        if self.gradient is None:
            return f"{function}, which returns (number, gradients)"
        fills = any(is_context(p.name) for p in self.arguments)
        returns = ", which returns (out, cache)," if _takes(SlotKind.CACHE, self.slots) and not fills else ""
        without = "" if _takes(SlotKind.COTANGENT, self.slots) or self.with_cache else ", without a cotangent"
        return f"{function}{returns} and {written(name_of(self.gradient), self.slots)}{without}"

    def refusal(self, inputs: Iterable[str]) -> str | None:
        """Say which argument has no shape, or which shape no argument."""
        said, known = written(name_of(self.function), self.arguments), [p.name for p in self.arguments]
        asked = [p.name for p in self.arguments if p.default is p.empty and not is_context(p.name)]
        if lacking := [name for name in asked if name not in set(inputs)]:
            flags = " ".join(f"--shape {name}=2,3" for name in lacking)
            return f"{said} takes {join_names(lacking)}, of which no shape is given; add {flags}"
        if unknown := [name for name in inputs if name not in known]:
            return f"{said} takes no {unknown[0]}; leave out --shape {unknown[0]}: it takes {join_names(known)}"
        return None

    def _parted(self, returned: object) -> tuple[object, ...]:
        if not isinstance(returned, tuple | list) or len(returned) < 2:
            said = f"{name_of(self.function)} returned {described(returned)}, not (number, gradients)"
            raise ImplementationError(f"{said}; of two functions name both, FILE.py:f,gradient")
        return tuple(returned)

    def _times(self, cotangent: Array, gradients: Mapping[str, object]) -> dict[str, object]:
        """Multiply gradients that know no cotangent: of a number each as a whole, else element by element."""
        found: dict[str, object] = {}
        for name, gradient in gradients.items():
            found[name] = gradient
            if not isinstance(gradient, np.ndarray) or gradient.dtype.kind != "f":
                continue
            if cotangent.size == 1:
                found[name] = np.asarray(gradient * cotangent.reshape(()).astype(gradient.dtype))
            elif gradient.shape == cotangent.shape:
                found[name] = gradient * cotangent.astype(gradient.dtype)
            else:
                who, shapes = name_of(self.gradient or self.function), f"{gradient.shape}, and out {cotangent.shape}"
                raise ImplementationError(
                    f"{who} takes no cotangent, and d{name} has shape {shapes}: give it one, {who}(dout, ...), and "
                    "return the gradients of sum(dout * out)"
                )
        return found


def _arguments(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """List the arguments of a function.

    Raises:
        MisfitError: it has none, or none with a name.
    """
    arguments = parameters_of(function)
    kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
    if not arguments or inspect.Parameter.VAR_POSITIONAL in kinds:
        raise MisfitError(f"`{name_of(function)}` does not name what it takes; write out its arguments")
    return arguments


def _takes(kind: SlotKind, slots: list[Slot]) -> bool:
    return any(slot.kind is kind for slot in slots)


def _slots(gradient: Callable[..., Any], arguments: list[inspect.Parameter]) -> tuple[list[Slot], list[Slot]]:
    """Say what each argument of a gradient stands for: by its name, or where no name says it by its place.

    Two without a telling name are the cotangent and a cache if there is one: that is the second list.

    Raises:
        MisfitError: it asks for something that is not there.
    """
    parameters = _arguments(gradient)
    said = written(name_of(gradient), parameters)
    found = {p.name: _known(p, arguments) for p in parameters}
    asked = [p for p in parameters if p.default is p.empty]
    free = [p for p in asked if found[p.name] is None]
    needed = [p.name for p in arguments if p.default is p.empty and not is_context(p.name)]
    by_place = [placed(p, SlotKind.INPUT, name) for p, name in zip(free[-len(needed) :], needed, strict=False)]
    first = choose_cotangent(free)
    cached = []
    if len(free) == 2:
        cached = [placed(p, SlotKind.COTANGENT if p is first else SlotKind.CACHE) for p in free]
    if first and len(free) == len(asked) == len(needed) and not is_cotangent(first.name):
        return by_place, cached
    if len(free) == len(asked) == len(needed) + 1:
        return [placed(free[0], SlotKind.COTANGENT), *by_place], cached
    if first:
        found[first.name] = placed(first, SlotKind.COTANGENT)
        free.remove(first)
    if free and not _takes(SlotKind.CACHE, [slot for slot in found.values() if slot]):
        cache = free.pop(0)
        found[cache.name] = placed(cache, SlotKind.CACHE)
    if free:
        raise MisfitError(f"`{said}` takes `{free[0].name}`, of which the meaning is not known")
    return [slot or placed(p, SlotKind.OMITTED) for p, slot in zip(parameters, found.values(), strict=True)], []


def _named(slots: list[Slot], inputs: Iterable[str]) -> list[Slot]:
    """Take what is called as a cache for an input where the case has one of this name."""
    inputs = set(inputs)
    return [
        replace(slot, kind=SlotKind.INPUT, key=slot.name)
        if slot.kind is SlotKind.CACHE and slot.name in inputs
        else slot
        for slot in slots
    ]


def _known(parameter: inspect.Parameter, arguments: list[inspect.Parameter]) -> Slot | None:
    """Say what an argument stands for if its name is that of an input, of the output or of a cache."""
    names = [p.name for p in arguments if not is_context(p.name)]
    if parameter.name in names:
        return placed(parameter, SlotKind.INPUT, parameter.name)
    words = Vocabulary(inputs={_OUTPUT_KEY: _OUTPUT, **{name: (word(name),) for name in names}})
    slot = classify(parameter, words, [*names, _OUTPUT_KEY])
    if slot and slot.key == _OUTPUT_KEY:
        return placed(parameter, SlotKind.OUTPUT)
    return slot if slot and slot.kind in (SlotKind.INPUT, SlotKind.CACHE, SlotKind.OMITTED) else None


def _by_name(returned: object, owed: tuple[str, ...], who: str) -> dict[str, object]:
    """Tell which gradient is whose: by their names in a dictionary, else by the order of the arguments."""
    if isinstance(returned, dict):
        found = {name: returned.get(f"d{name}", returned.get(name)) for name in owed}
    else:
        found = by_input(_array(returned), owed, who)
    return {name: _array(gradient) for name, gradient in found.items()}


def _array(value: object) -> object:
    """Make an array of a number in floating point."""
    return np.asarray(value) if isinstance(value, float | np.floating) else value
