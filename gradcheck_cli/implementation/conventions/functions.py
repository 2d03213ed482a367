"""The convention of two functions, whatever they call their arguments, and however their arrays lie.

`conv_forward(A_prev, W, b, hparameters)` channels last, `conv2d(x, w, b, stride, pad)` with its geometry in arguments,
`conv_backward(dZ, A_prev, W, b, padding, stride)` without a cache.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.binding import (
    Filled,
    Reading,
    fill,
    fills_context,
    readings,
    require,
    shares_context,
    takes,
)
from gradcheck_cli.implementation.context import Context, by_place, output_and_cache
from gradcheck_cli.implementation.conventions.pair import by_input, function_pair
from gradcheck_cli.implementation.implementation import (
    Implementation,
    ImplementationError,
    Misshapen,
    described,
    name_of,
)
from gradcheck_cli.implementation.layout import Layout, layouts
from gradcheck_cli.implementation.signature import signature_of
from gradcheck_cli.implementation.slots import (
    Slot,
    SlotKind,
    backward_slots,
    cotangent_names,
    forward_slots,
    is_context,
    written,
)
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.layer import fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gradcheck_cli.implementation.vocabulary.vocabulary import Arrangement, Vocabulary
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.numeric.arrays import Array


@dataclass(frozen=True)
class _Memory:
    """What backward needs of a forward call."""

    cache: object
    inputs: Mapping[str, Array]
    parameters: Mapping[str, object] | None


@frozen
class _Functions:
    """Two functions, and one way to understand them."""

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    forward_slots: list[Slot]
    backward_slots: list[Slot]
    reading: Reading
    arrangement: Arrangement
    other_keys: bool  #: whether the dictionary has, besides ours, every name that people use for its entries
    layer: Layer

    def run_forward(
        self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None
    ) -> tuple[object, object]:
        laid, values = self._laid(inputs), self._values(parameters)
        context = Context(len(laid)) if fills_context(self.forward_slots, self.reading) else None
        values[SlotKind.CONTEXT] = context
        returned = self._fill(self.forward_slots, inputs, parameters, laid, values).call(self.forward)
        several = isinstance(returned, tuple | list)
        if context is not None:
            shared = shares_context(self.forward_slots, self.backward_slots)
            out, cache = output_and_cache(returned, context, shared=shared)
        elif self._has_cache and not (several and len(returned) == 2):
            raise ImplementationError(f"{name_of(self.forward)} returned {described(returned)}, not (out, cache)")
        else:
            out, cache = (returned[0], returned[-1]) if several and returned else (returned, None)
        return self._layouts["out"].take(out), _Memory(cache, inputs, parameters)

    def run_backward(self, cotangent: Array, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        assert isinstance(cache, _Memory)
        inputs, parameters = cache.inputs, cache.parameters
        values = self._values(parameters)
        values |= {SlotKind.CACHE: cache.cache, SlotKind.COTANGENT: self._layouts["out"].give(cotangent)}
        returned = self._fill(self.backward_slots, inputs, parameters, self._laid(inputs), values).call(self.backward)
        gradients = by_input(returned, names, name_of(self.backward))
        if self.arrangement.exact:
            gradients = self._held(gradients, inputs)
        return {name: self._layouts[name].take(value, inputs[name].shape) for name, value in gradients.items()}

    def _held(self, gradients: Mapping[str, object], inputs: Mapping[str, Array]) -> dict[str, object]:
        """Hold the shapes of gradients against those of inputs that are not given in the usual one."""
        held = dict(gradients)
        for name, value in gradients.items():
            usual, given = inputs[name].shape, self._layouts[name].shape(inputs[name].shape)
            if usual != given and isinstance(value, np.ndarray) and value.shape != given:
                held[name] = Misshapen(value, given)
        return held

    def convention(self) -> str:
        forward = written(name_of(self.forward), self.forward_slots)
        backward = written(name_of(self.backward), self.backward_slots)
        titles = (self.reading.title, self.arrangement.title, "entries under other names" if self.other_keys else "")
        return ", ".join([f"{forward} and {backward}", *(title for title in titles if title)])

    @property
    def _layouts(self) -> dict[str, Layout]:
        return layouts(vocabulary_of(self.layer).arrangements[0].axes, self.arrangement.axes)

    @property
    def _has_cache(self) -> bool:
        return any(slot.kind is SlotKind.CACHE for slot in self.backward_slots)

    def _laid(self, inputs: Mapping[str, Array]) -> dict[str, object]:
        return {name: self._layouts[name].give(value) for name, value in inputs.items()}

    def _values(self, parameters: Mapping[str, object] | None) -> dict[SlotKind, object]:
        arguments = vocabulary_of(self.layer).arguments
        dictionary = fresh(parameters or {})
        if self.other_keys:
            known = [(arguments[name], value) for name, value in dictionary.items() if name in arguments]
            dictionary |= {other: value for argument, value in known for other in (*argument.names, *argument.keys)}
        return {SlotKind.DICTIONARY: dictionary}

    def _fill(
        self,
        slots: list[Slot],
        inputs: Mapping[str, Array],
        parameters: Mapping[str, object] | None,
        laid: Mapping[str, object],
        values: Mapping[SlotKind, object],
    ) -> Filled:
        vocabulary = vocabulary_of(self.layer)
        return fill(slots, self.reading, vocabulary, vocabulary.sizes(inputs, parameters), laid, values)


def pair_readings(
    forward: Callable[..., Any], backward: Callable[..., Any], layer: Layer, name: str
) -> Iterator[Implementation]:
    """List the ways to understand two functions, the likeliest first.

    Raises:
        MisfitError: they cannot be understood as the passes of this layer.
    """
    # Several outputs and state are told by their place alone.
    if len(layer.outputs) > 1 or layer.state or not (_says(forward) and _says(backward)):
        ahead, back = by_place(forward, backward, len(layer.outputs), is_context)
        require(ahead, layer.arguments)
        require(back, (*(f"d{name}" for name in layer.outputs), "cache"))
        yield function_pair(ahead, back, layer=layer, name=name, spec=name)
        return
    forwards = forward_slots(forward, vocabulary_of(layer), layer.inputs)
    for backwards in _cache_first(forwards, backward_slots(backward, vocabulary_of(layer), layer.inputs)):
        yield from _slot_readings(forward, backward, forwards, backwards, layer, name)


def _cache_first(forwards: list[Slot], backwards: list[Slot]) -> Iterator[list[Slot]]:
    """Yield what backward's arguments may stand for, the likeliest first.

    Beside the cotangent, a single one with a name of an input is the cache where forward calls that input otherwise:
    of `sigmoid_forward(z)` and `sigmoid_backward(da, a)`, a is what forward returned second. Where it returned one
    value, a is the input after all.
    """
    names = {slot.key: word(slot.name) for slot in forwards if slot.kind is SlotKind.INPUT}
    others = [slot for slot in backwards if slot.kind is SlotKind.INPUT and word(slot.name) != names[slot.key]]
    if len(backwards) == 2 and len(others) == 1:
        yield [replace(slot, kind=SlotKind.CACHE, key="") if slot in others else slot for slot in backwards]
    yield backwards


def _slot_readings(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    forwards: list[Slot],
    backwards: list[Slot],
    layer: Layer,
    name: str,
) -> Iterator[Implementation]:
    """List the ways to fill the slots of two functions."""
    vocabulary = vocabulary_of(layer)
    plain = function_pair(forward, backward, layer=layer, name=name, spec=name)
    usual = [*layer.inputs, *(["dictionary"] if layer.param else [])]
    plainly = _in_order(forwards) == usual and _in_order(backwards) == ["cotangent", "cache"]
    keys = (False, True) if any(slot.kind is SlotKind.DICTIONARY for slot in forwards) else (False,)
    for arrangement in _by_names(vocabulary, (*forwards, *backwards)):
        for other_keys in keys:
            for reading in readings((*forwards, *backwards), vocabulary):
                usually = arrangement is vocabulary.arrangements[0] and not other_keys
                if plainly and usually and not reading.fills_context:
                    yield plain
                    continue
                functions = _Functions(
                    forward=forward,
                    backward=backward,
                    forward_slots=forwards,
                    backward_slots=backwards,
                    reading=reading,
                    arrangement=arrangement,
                    other_keys=other_keys,
                    layer=layer,
                )
                yield Implementation(
                    name=name,
                    spec=name,
                    convention=functions.convention(),
                    forward=functions.run_forward,
                    backward=functions.run_backward,
                    cotangents=cotangent_names(backwards),
                )
    if not plainly and takes(forward, len(usual)) and takes(backward, 2):
        yield plain  # the dictionary may have a name that says something else


def _in_order(slots: list[Slot]) -> list[str]:
    """Say what is passed in order; nothing where something must be passed by name."""
    passed = [slot for slot in slots if slot.kind is not SlotKind.OMITTED]
    passed = [slot for slot in passed if slot.kind is not SlotKind.CONTEXT or not slot.has_default]
    return [] if any(slot.by_name for slot in passed) else [slot.key or slot.kind.value for slot in passed]


def _says(function: Callable[..., Any]) -> bool:
    """Tell whether a function names its arguments; a compiled one, or one of *args, can only be called in order."""
    signature = signature_of(function)
    kinds = {parameter.kind for parameter in signature.parameters.values()} if signature else set()
    return signature is not None and inspect.Parameter.VAR_POSITIONAL not in kinds


def _by_names(vocabulary: Vocabulary, slots: Iterable[Slot]) -> list[Arrangement]:
    """Order the arrangements: those first that the names of arguments tell."""
    names = {word(slot.name) for slot in slots}
    return sorted(vocabulary.arrangements, key=lambda arrangement: not names & set(arrangement.telling))
