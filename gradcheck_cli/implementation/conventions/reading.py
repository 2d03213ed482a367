"""A reading: one way to understand code as a layer's forward and backward pass, and to call it so.

The code is two functions, one function that returns a number and its gradients, or a class. A reading says what each
argument stands for, in which forms and layouts values are passed, and where outputs and gradients are found.
"""

from __future__ import annotations

import copy
from dataclasses import field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.calling import WrittenDict, describe, name_of
from gradcheck_cli.implementation.conventions.arguments import Forms, Values, fill
from gradcheck_cli.implementation.conventions.attributes import (
    Wanted,
    attributes,
    gradient_places,
    newest,
    parameter_places,
    snapshot,
    stored_output,
)
from gradcheck_cli.implementation.conventions.context import Context
from gradcheck_cli.implementation.conventions.layout import Blocks, Layout
from gradcheck_cli.implementation.conventions.returned import as_array, gradients_in, hold_shape, times_cotangent
from gradcheck_cli.implementation.conventions.signature import write_call
from gradcheck_cli.implementation.conventions.slots import Slot, SlotKind, has
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.layers.framework.problem import fresh
from gradcheck_cli.text.clean import type_name
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gradcheck_cli.implementation.vocabulary.vocabulary import BlockOrder, Meaning, Vocabulary
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.numeric.arrays import Array

    Slots = tuple[Slot, ...]

_NAMED = 8  #: attributes that are listed where a parameter is not among them


@frozen
class Code:
    """The passes: functions, or names of methods of a class. Without a backward pass, forward returns the gradients."""

    forward: Callable[..., Any] | str
    backward: Callable[..., Any] | str | None = None
    cls: type | None = None

    def function(self, which: str, instance: object) -> Callable[..., Any]:
        """Return the forward or backward pass, of an instance if it is a method.

        Raises:
            ImplementationError: it cannot be looked up.
        """
        function = getattr(self, which)
        if not isinstance(function, str):
            return function  # type: ignore[no-any-return]
        try:
            return getattr(instance, function)  # type: ignore[no-any-return]
        except Exception as error:
            reason = f"{type_name(instance)}.{function} cannot be looked up: it raised {type_name(error)}"
            raise ImplementationError(reason) from error

    def name(self, which: str) -> str:
        """Return what messages call the forward or backward pass."""
        function = getattr(self, which)
        return (
            f"{self.cls.__name__}.{function}"
            if self.cls is not None and isinstance(function, str)
            else name_of(function)
        )


@frozen
class Call:
    """What backward needs of a forward call."""

    inputs: Mapping[str, Array]
    parameters: Mapping[str, object] | None
    output: object
    cache: object  #: None where there is none; of one function that returns both, the gradients
    instance: object = None


@frozen
class Reading:
    """One way to understand code."""

    layer: Layer
    vocabulary: Vocabulary
    code: Code
    forward: Slots
    backward: Slots = ()
    backward_with_cache: Slots = ()  #: instead of those, if forward returns a cache
    constructor: Slots = ()
    forms: Forms = field(default_factory=lambda: Forms(chosen={}, absent={}))
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    exact: bool = False  #: whether gradients must lie as their inputs do
    blocks: BlockOrder | None = None
    meaning: Meaning | None = None
    all_keys: bool = False  #: whether the dictionary also has every other name that people use for its entries
    order: tuple[str, ...] = ()  #: of the gradients in a tuple; () for that of the layer's inputs
    notes: tuple[str, ...] = ()  #: what is not usual about it, beside the forms

    @property
    def convention(self) -> str:
        """The reading in words, for the header of a report."""
        return ", ".join(text for text in (self._signatures, *self.forms.titles, *self.notes) if text)

    @property
    def _signatures(self) -> str:
        if self.code.cls is not None:
            methods = f".{self.code.forward}, .{self.code.backward}".replace(".__call__", "()")
            return f"class {write_call(self.code.cls.__name__, self.constructor)}{methods}"
        forward = write_call(self.code.name("forward"), self.forward)
        if self.code.backward is None:
            return forward if self.layer.reference else f"{forward}, which returns (number, gradients)"
        backward = write_call(self.code.name("backward"), self.backward)
        if self.layer.reference:
            return f"{forward} and {backward}"
        cached = has(SlotKind.CACHE, self.backward) and not has(SlotKind.CONTEXT, self.forward)
        cotangent = has(SlotKind.COTANGENT, self.backward) or self.backward_with_cache
        returns = ", which returns (out, cache)," if cached else ""
        return f"{forward}{returns} and {backward}" + ("" if cotangent else ", without a cotangent")

    @property
    def cotangents(self) -> tuple[str, ...]:
        """What backward calls its cotangents."""
        return tuple(slot.name for slot in self.backward if slot.kind is SlotKind.COTANGENT)

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The inputs that are passed neither to the constructor nor to forward: parameters that a class keeps."""
        passed = {slot.key for slot in (*self.constructor, *self.forward) if slot.kind is SlotKind.INPUT}
        return tuple(name for name in self.layer.inputs if name not in passed) if self.code.cls is not None else ()

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs of forward."""
        return self.layer.outputs if self.layer.reference else ("out",)

    @cached_property
    def _says_geometry(self) -> bool:
        slots = (*self.constructor, *self.forward, *self.backward)
        return bool(self.forms.absent) or has(SlotKind.ARGUMENT, slots)

    def refusal(self, inputs: Iterable[str]) -> str | None:
        """Say which argument of a function has no shape, or which shape no argument; None if all fit."""
        if self.layer.reference:
            return None
        called, names = write_call(self.code.name("forward"), self.forward), [slot.key for slot in self.forward]
        required = [slot.key for slot in self.forward if not slot.has_default and slot.kind is SlotKind.INPUT]
        if lacking := [name for name in required if name not in set(inputs)]:
            flags = " ".join(f"--shape {name}=2,3" for name in lacking)
            return f"{called} takes {join_names(lacking)}, of which no shape is given; add {flags}"
        if unknown := [name for name in inputs if name not in names]:
            return f"{called} takes no {unknown[0]}; leave out --shape {unknown[0]}: it takes {join_names(names)}"
        return None

    def run_forward(
        self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None
    ) -> tuple[object, object]:
        """Call forward; of a class, that of a new instance, so that nothing of one call reaches another."""
        if why := self.refusal(inputs):
            raise NotExpressibleError(why)
        values = self._values(inputs, parameters)
        try:
            instance = self.make_instance(values) if self.code.cls is not None else None
            self._set_parameters(instance, values, inputs)
            before = attributes(instance)
            values = replace(values, context=Context(len(inputs))) if self._needs_context(values) else values
            function = self.code.function("forward", instance)
            returned = fill(self.forward, self.forms, self.vocabulary, values).call(function)
            if self._may_fill_context(values) and not self._has_cache(returned):
                values = replace(values, context=Context(len(inputs)))
                returned = fill(self.forward, self.forms, self.vocabulary, values).call(function)
        except ImplementationError as error:
            if self.code.cls is not None and _no_number(
                error.__cause__
            ):  # what the constructor keeps, forward computes with
                made_with = fill(self.constructor, self.forms, self.vocabulary, values)
                made_with.blame_pair(self.code.cls.__name__, error)
            raise
        if returned is None and self.code.cls is not None:
            returned = stored_output(instance, before)
        outputs, cache = self._outputs(returned, values.context)
        call = Call(inputs=inputs, parameters=parameters, output=outputs[0], cache=cache, instance=instance)
        found = [self._take(name, output) for name, output in zip(self.outputs, outputs, strict=True)]
        found += [values.dictionary.get(name) for name in self.layer.state if isinstance(values.dictionary, dict)]
        return tuple(found) if len(found) > 1 else found[0], call

    def left_by_forward(self, call: object) -> object:
        """Return the cache that user code returned, or what else forward leaves to backward: an object, the inputs."""
        assert isinstance(call, Call)
        return call.cache if has(SlotKind.CACHE, self.backward) and call.instance is None else call

    def run_backward(self, cotangent: Any, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        """Call backward, of a class on a copy of the instance, and gather the gradients from wherever they are."""
        assert isinstance(cache, Call)
        order = [name for name in self.order or tuple(cache.inputs) if name in names]
        if self.code.backward is None:
            found = gradients_in(cache.cache, order, self._wanted, self.code.name("forward"))
            return times_cotangent(found, cotangent, self.code.name("forward"))
        cotangents = cotangent if isinstance(cotangent, tuple) else (cotangent,)
        slots = self.backward_with_cache if cache.cache is not None and self.backward_with_cache else self.backward
        values = replace(
            self._values(cache.inputs, cache.parameters),
            cache=cache.cache,
            cotangents={name: self._give(name, value) for name, value in zip(self.outputs, cotangents, strict=False)},
            output=cache.output,
        )
        instance = _copied(cache.instance)
        holder = cache.cache if instance is None and isinstance(cache.cache, Context) else instance
        before = {name: snapshot(gradient_places(holder, self._wanted(name))) for name in names}
        function = self.code.function("backward", instance)
        returned = fill(slots, self.forms, self.vocabulary, values).call(function)
        first = next((name for name in names if name not in self.kept), names[0])
        alone: dict[str, object] = {first: returned} if isinstance(returned, np.ndarray) and holder is not None else {}
        found = alone or gradients_in(returned, order, self._wanted, self.code.name("backward"))
        for name in names if holder is not None else ():
            if name not in found:
                found[name] = newest(gradient_places(holder, self._wanted(name)), before[name])
        if not has(SlotKind.COTANGENT, slots):
            return times_cotangent(found, cotangent, self.code.name("backward"))
        return {name: self._take(name, value, cache.inputs[name].shape) for name, value in found.items()}

    def make_instance(self, values: Values) -> object:
        """Make an instance that has its parameters, of any values; some classes make them at the first forward."""
        assert self.code.cls is not None
        values = replace(values, context=Context(len(values.inputs)))
        instance = fill(self.constructor, self.forms, self.vocabulary, values).call(self.code.cls)
        if any(not parameter_places(instance, self._wanted(name)) for name in self.kept):
            function = self.code.function("forward", instance)
            fill(self.forward, self.forms, self.vocabulary, values).call(function)
        return instance

    def kept_shapes(
        self, name: str, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None
    ) -> set[tuple[int, ...]]:
        """Return the shapes of the arrays that a new instance may keep as one of its parameters."""
        instance = self.make_instance(self._values(inputs, parameters))
        return {place.get().shape for place in parameter_places(instance, self._wanted(name))}

    def _set_parameters(self, instance: object, values: Values, inputs: Mapping[str, Array]) -> None:
        for name in self.kept:
            assert self.code.cls is not None
            places = parameter_places(instance, self._wanted(name))
            if not places:
                looked_for = ", ".join(self._wanted(name).synonyms[:3])
                keeps = join_names([*attributes(instance)][:_NAMED] or ["nothing"])
                raise ImplementationError(
                    f"{self.code.cls.__name__} keeps no array for {name} (looked for {looked_for}); it keeps {keeps}"
                )
            wanted = self.layouts[name].shape(inputs[name].shape)
            fitting = [place for place in places if place.get().shape == wanted]
            if not fitting:
                self._refuse_shape(name, places[0].get().shape, wanted)
            for place in fitting:
                place.set(np.array(values.inputs[name]))

    def _refuse_shape(self, name: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> NoReturn:
        assert self.code.cls is not None
        made = write_call(self.code.cls.__name__, self.constructor)
        reason = f"{made} makes {name} of shape {shape}, not {wanted}"
        arguments = self.vocabulary.arguments
        if any(slot.kind is SlotKind.ARGUMENT and arguments[slot.key].shapes for slot in self.constructor):
            raise ImplementationError(reason)
        raise NotExpressibleError(reason)  # it was never told the shape

    def _needs_context(self, values: Values) -> bool:
        """Tell whether forward must be given a context. A class is not called twice to find out."""
        contexts = [s for s in self.forward if s.kind is SlotKind.CONTEXT and s.key not in values.inputs]
        by_class = self.code.cls is not None and has(SlotKind.CACHE, self.backward)
        return any(by_class or not slot.has_default for slot in contexts)

    def _may_fill_context(self, values: Values) -> bool:
        """Tell whether forward can be given a context that it was not given, of which backward needs what is in it."""
        contexts = [s for s in self.forward if s.kind is SlotKind.CONTEXT and s.key not in values.inputs]
        return values.context is None and bool(contexts) and has(SlotKind.CACHE, self.backward)

    def _has_cache(self, returned: object) -> bool:
        return isinstance(returned, tuple | list) and len(returned) == len(self.outputs) + 1

    def _outputs(self, returned: object, context: Context | None) -> tuple[list[object], object]:
        """Tell the outputs of forward from its cache."""
        several, count = list(returned) if isinstance(returned, tuple | list) else [returned], len(self.outputs)
        if self.code.backward is None:
            if len(several) < 2:
                self._refuse_returned(returned)
            gradients = several[1:]
            nested = len(gradients) == 1 and isinstance(gradients[0], tuple | list | dict)
            return [as_array(several[0])], gradients[0] if nested else gradients
        if self._has_cache(returned):
            *outputs, cache = several
            cache = context if context is not None and context.is_filled and self._shares_context else cache
        elif context is not None or (self.code.cls is not None and len(several) == count):
            outputs, cache = several[:count], context
        elif has(SlotKind.CACHE, self.backward) and not any(slot.key for slot in self.backward if _is_cache(slot)):
            self._refuse_returned(returned)
        else:
            outputs, cache = several[:count], None
        if len(outputs) < count or (not self.layer.reference and len(several) > count + 1):
            self._refuse_returned(returned)
        return (outputs if self.layer.reference else list(map(as_array, outputs))), cache

    def _refuse_returned(self, returned: object) -> NoReturn:
        both = self.code.backward is None
        expected = "loss, gradient" if both and self.layer.reference else "number, gradients" if both else ""
        expected = expected or ", ".join([*self.outputs, "cache"])
        hint = "; of two functions name both, FILE.py:f,gradient" if both and not self.layer.reference else ""
        raise ImplementationError(f"{self.code.name('forward')} returned {describe(returned)}, not ({expected}){hint}")

    @property
    def _shares_context(self) -> bool:
        """Whether backward takes a cache under the name that the context has in forward."""
        names = {word(slot.name) for slot in self.forward if slot.kind is SlotKind.CONTEXT}
        return any(word(slot.name) in names for slot in self.backward if _is_cache(slot))

    def _values(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> Values:
        own = self.meaning(parameters) if self.meaning and parameters is not None else parameters
        return Values(
            inputs={name: self._give(name, np.asarray(value)) for name, value in inputs.items()},
            sizes=self.vocabulary.sizes(inputs, own) if self._says_geometry else {},
            dictionary=self._dictionary(own),
            defaults={slot.key: slot.default for slot in self.forward if slot.has_default},
        )

    def _dictionary(self, parameters: Mapping[str, object] | None) -> WrittenDict:
        dictionary, arguments = WrittenDict(fresh(parameters or {})), self.vocabulary.arguments
        for name, value in list(dictionary.items()) if self.all_keys else ():
            if name in arguments:
                dictionary.update(dict.fromkeys((*arguments[name].names, *arguments[name].keys), value))
        return dictionary

    def _wanted(self, name: str) -> Wanted:
        kept = list(self.vocabulary.parameters)
        number = kept.index(name) if name in kept else -1
        return Wanted(self.vocabulary.inputs.get(name, (word(name),)), number, len(kept))

    def _give(self, name: str, value: Array) -> Array:
        value = self.layouts[name].give(value) if name in self.layouts else value
        return Blocks(self.blocks.order).give(value) if self.blocks and name in self.blocks.inputs else value

    def _take(self, name: str, value: object, here: tuple[int, ...] | None = None) -> object:
        if self.blocks and name in self.blocks.inputs:
            value = Blocks(self.blocks.order).take(value)
        layout = self.layouts.get(name)
        if layout is None or layout.is_usual:
            return value
        if here is not None and self.exact:
            value = hold_shape(value, layout.shape(here))
        return layout.take(value, here)


def _is_cache(slot: Slot) -> bool:
    return slot.kind is SlotKind.CACHE


def _no_number(error: BaseException | None) -> bool:
    """Tell whether an error says that a tuple stood where a number was wanted; a wrong shape is another mistake."""
    return isinstance(error, TypeError) or (isinstance(error, ValueError) and "a sequence" in str(error))


def _copied(instance: object) -> object:
    try:
        return copy.deepcopy(instance)
    except Exception:  # noqa: BLE001  # it holds something that has no copies: an open file, a generator
        return instance
