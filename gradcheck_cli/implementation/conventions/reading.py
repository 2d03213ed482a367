"""A reading: one way to understand code as a layer's forward and backward pass.

The code is two functions, one function that returns a number and its gradients, or a class. A reading says what each
argument stands for, in which forms and layouts values are passed, and where outputs and gradients are found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.calling import WrittenDict, name_of
from gradcheck_cli.implementation.conventions.arguments import Arguments, Forms, Values, fill
from gradcheck_cli.implementation.conventions.attributes import Wanted
from gradcheck_cli.implementation.conventions.code import Code, Found
from gradcheck_cli.implementation.conventions.containers import Entries
from gradcheck_cli.implementation.conventions.given_arguments import Container
from gradcheck_cli.implementation.conventions.layout import Layout
from gradcheck_cli.implementation.conventions.packing import origins
from gradcheck_cli.implementation.conventions.slots import SlotKind, Slots, has, has_open_container, write_call
from gradcheck_cli.implementation.conventions.source import equal_sizes
from gradcheck_cli.implementation.implementation import Misshapen, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.vocabulary import NEVER_NEEDED, Encoding, Vocabulary, word
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.layers.framework.problem import fresh
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.names import join_names


@frozen
class Reading:
    """One way to understand code."""

    layer: Layer
    vocabulary: Vocabulary
    code: Code
    forward: Slots
    backward: Slots = ()
    constructor: Slots = ()
    forms: Forms = field(default_factory=lambda: Forms(chosen={}, absent={}))
    layouts: Mapping[str, Layout] = field(default_factory=dict)
    exact: bool = False  #: whether gradients must lie as their inputs do
    encoding: Encoding | None = None
    all_keys: bool = False  #: whether the dictionary also has every other name that people use for its entries
    lacking: tuple[str, ...] = ()  #: optional parameters for which it has no place
    single: bool = False  #: whether it takes one sample, and is called for each of a batch
    own_outputs: tuple[str, ...] = ("out",)  #: of a function, each with a cotangent
    output_at: int = 0  #: of a function that returns several values and no cache, the number of that with the cotangent
    order: tuple[str, ...] = ()  #: of the gradients in a tuple; () for that of the layer's inputs
    notes: tuple[str, ...] = ()  #: what is not usual about it, beside the forms
    found: Found = field(default_factory=Found)
    #: Where backward is that of the mean or the sum of what forward returns, as of a loss of each sample.
    reduced: Callable[[Array], object] | None = None

    @property
    def convention(self) -> str:
        """The reading in words, for the header of a report."""
        without = [f"without {name}" for name in origins(self.vocabulary.packing, self.absent)]
        packing = self.vocabulary.packing.title if self.vocabulary.packing else ""
        flags = [slot for slot in self.backward if slot.is_flag and slot.kind is SlotKind.CONSTANT]
        set_to = [f"{slot.name}={slot.value}" for slot in flags if slot.value != slot.default]
        given = [f"given the output as {name}" for name in self.output_in_place_of_input]
        said = (self._signatures, *given, *self.forms.titles, packing, *self.notes, *set_to, *without)
        return ", ".join(text for text in said if text)

    @property
    def _signatures(self) -> str:
        if self.code.title:
            return self.code.title
        if self.code.cls is not None:
            methods = f".{self.code.forward}, .{self.code.backward}".replace(".__call__", "()")
            slope = "" if self.has_cotangent or self.layer.loss else ", without a cotangent"
            return f"class {write_call(name_of(self.code.cls), self.constructor)}{methods}{slope}"
        forward = write_call(self.code.name("forward"), self.forward)
        if self.code.backward is None:
            return forward if self.layer.reference else f"{forward}, which returns (number, gradients)"
        backward = write_call(self.code.name("backward"), self.backward)
        if self.layer.reference:
            return f"{forward} and {backward}" + ("" if self.has_cotangent else ", without a cotangent")
        cached = has(SlotKind.CACHE, self.backward) and not has(SlotKind.CONTEXT, self.forward)
        returns = f", which returns ({', '.join([*self.outputs, 'cache'])})," if cached else ""
        return f"{forward}{returns} and {backward}" + ("" if self.has_cotangent else ", without a cotangent")

    @property
    def output_in_place_of_input(self) -> list[str]:
        """The arguments of backward that are given the output, though forward calls its input so: `s * (1 - s)`."""
        called = {slot.name for slot in self.forward}
        return [slot.name for slot in self.backward if slot.kind is SlotKind.OUTPUT and slot.name in called]

    @property
    def has_cotangent(self) -> bool:
        """Whether backward takes a cotangent; without one, its gradients are slopes."""
        return has(SlotKind.COTANGENT, self.backward)

    def joined(self, name: str, value: object) -> object:
        """Return steps in a list as one array, where an input or output has steps first."""
        return self.layouts[name].joined(value) if name in self.layouts else value

    @property
    def cotangents(self) -> tuple[str, ...]:
        """The names of the cotangents in backward."""
        return tuple(slot.name for slot in self.backward if slot.kind is SlotKind.COTANGENT)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The outputs of forward."""
        return self.layer.outputs if self.layer.reference else self.own_outputs

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """The arrays that the code may take: the layer's inputs, or those that they are divided into."""
        return tuple(self.vocabulary.inputs) if self.layer.reference else self.layer.inputs

    @cached_property
    def held(self) -> tuple[str, ...]:
        """The parameters that are passed in a dictionary, a list or a tuple."""
        if not has_open_container((*self.constructor, *self.forward)):
            return ()
        return tuple(name for name in self._not_passed if name in self.vocabulary.parameters)

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The inputs that are passed neither to the constructor nor to forward: parameters that a class keeps."""
        if not self.layer.reference:
            return tuple(self.found.kept)
        is_given = has(SlotKind.INPUT, self.constructor) or has(SlotKind.CONTAINER, self.constructor)
        if self.code.cls is None or is_given:
            return ()
        return tuple(name for name in self._not_passed if name in self.vocabulary.parameters)

    @property
    def unread(self) -> tuple[str, ...]:
        """The parameters that a class of no known layer keeps, and of which no gradient was found."""
        passed = {slot.key for slot in (*self.constructor, *self.forward)}
        return tuple(name for name in self.found.without if name not in passed)

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """The inputs that the code does not have, and the state for which it has no place."""
        if not self.layer.reference:
            return ()
        state = self.layer.state if not has(SlotKind.DICTIONARY, self.forward) else ()
        held = (*self.kept, *self.held)
        return (
            *(name for name in self.inputs if name in self.lacking or (name in self._not_passed and name not in held)),
            *state,
        )

    @property
    def updates(self) -> bool:
        """Whether backward is given a learning rate, and so may update the parameters that a class keeps."""
        return bool(self.kept) and has(SlotKind.LEARNING_RATE, self.backward)

    @cached_property
    def _not_passed(self) -> tuple[str, ...]:
        passed = {name for slot in (*self.constructor, *self.forward) for name in slot.inputs}
        return tuple(name for name in self.inputs if name not in passed and name not in self.lacking)

    @cached_property
    def caches(self) -> Slots:
        """The slots of backward that take the cache or a part of it."""
        return tuple(slot for slot in self.backward if slot.kind is SlotKind.CACHE)

    def refusal(self, given: Iterable[str]) -> str | None:
        """Say which argument of a function is not given, or what is given and is no argument; None if all fit."""
        if self.layer.reference:
            return None
        slots = [*self.constructor, *self.forward]
        called = write_call(self.code.name("forward"), slots)
        names = [*(name for slot in slots for name in slot.inputs or (slot.key,)), *self.kept]
        required = [name for slot in slots if not slot.has_default for name in slot.inputs]
        if lacking := [name for name in required if name not in {one.partition(".")[0] for one in given}]:
            flags = " ".join(f"--shape {name}=2,3" for name in lacking)
            others = f"for labels --labels {lacking[0]}=6:10, for a number --value {lacking[0]}=2"
            return f"{called} takes {join_names(lacking)}, of which no shape is given; add {flags}; {others}"
        if unknown := [name for name in given if name.partition(".")[0] not in names]:
            return f"{called} takes no {unknown[0]}; leave it out: it takes {join_names(names)}"
        return None

    def arguments(self, which: str, values: Values) -> Arguments:
        """Return the arguments of the constructor, of forward or of backward.

        Raises:
            NotExpressibleError: the geometry cannot be passed in these forms.
        """
        return fill(getattr(self, which), self.forms, self.vocabulary, values)

    def call(self, which: str, instance: object, values: Values) -> Any:
        """Call forward or backward, of an instance if it is a method.

        Raises:
            NotExpressibleError: the geometry cannot be passed in these forms.
            ImplementationError: it raised.
        """
        function = self.code.function(which, instance)
        return self.arguments(which, values).call(function)

    def values(self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None) -> Values:
        """Return what there is to pass for inputs and parameters, as the code wants them.

        Raises:
            NotExpressibleError: an input has axes of which the order there is not known.
        """
        encoded = self.encoding({**inputs, **(parameters or {})}) if self.encoding else {}
        own = parameters and {name: encoded.get(name, value) for name, value in parameters.items()}
        passed = {name: self.give(name, np.asarray(encoded.get(name, value))) for name, value in inputs.items()}
        self._refuse_unequal(passed)
        others = {} if self.layer.reference else parameters or {}  # constants, and containers of arrays
        filled = {name: one.filled(passed) if isinstance(one, Container) else one for name, one in others.items()}
        return Values(
            inputs={**passed, **filled},
            sizes=self.vocabulary.sizes(inputs, own) if self._says_geometry else {},
            dictionary=self._entries(inputs, own, passed) if self.held else self._dictionary(own),
            defaults=self._defaults,
        )

    @cached_property
    def _says_geometry(self) -> bool:
        absent = (self.vocabulary.arguments[key].absent for key in self.forms.absent)
        slots = (*self.constructor, *self.forward, *self.backward)
        return has(SlotKind.ARGUMENT, slots) or any(one is not NEVER_NEEDED for one in absent)

    @cached_property
    def _defaults(self) -> Mapping[str, object]:
        return {slot.key: slot.default for slot in (*self.constructor, *self.forward) if slot.has_default}

    def _refuse_unequal(self, passed: Mapping[str, Array]) -> None:
        """Refuse a kernel that is not square where forward says that it is; a class is given sizes before arrays."""
        names = {slot.name: slot.key for slot in self.forward}
        for argument, places, said in () if isinstance(self.code.forward, str) else equal_sizes(self.code.forward):
            array = passed.get(names.get(argument, ""))
            if array is not None and array.ndim > max(places) and len({array.shape[k] for k in places}) > 1:
                raise NotExpressibleError(f"{self.code.name('forward')} is written for equal sizes: `{said}`")

    def _dictionary(self, parameters: Mapping[str, object] | None) -> WrittenDict:
        dictionary, arguments = WrittenDict(fresh(parameters or {})), self.vocabulary.arguments
        for name, value in list(dictionary.items()) if self.all_keys else ():
            if name in arguments:
                dictionary.update(dict.fromkeys((*arguments[name].names, *arguments[name].keys), value))
        return dictionary

    def _entries(
        self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None, passed: Mapping[str, Array]
    ) -> Entries:
        """Return the container of parameters, which also has the settings and what does not change what is checked."""
        arrays = {name: passed[name] for name in self.held}

        def spare(name: str) -> Array | None:
            rank, width = self.vocabulary.spares.get(name), self.vocabulary.sizes(inputs, parameters).get("H", 1)
            return None if rank is None else np.zeros((width,) * rank or (1, 1))

        synonyms = {called: name for name in reversed(self.held) for called in self.vocabulary.inputs[name]}
        return Entries(arrays, synonyms, self._dictionary(parameters), spare)

    def wanted(self, name: str) -> Wanted:
        """Say how to find an input, or its gradient, in an object."""
        if name not in self._wanted:
            self._wanted[name] = self._look_for(name)
        return self._wanted[name]

    @cached_property
    def _wanted(self) -> dict[str, Wanted]:
        return {}  # filled by `wanted`, which every call asks several times

    def _look_for(self, name: str) -> Wanted:
        if not self.layer.reference:
            at = self.found.gradient_at.get(name, ())
            return Wanted((word(name),), kept_at=self.found.kept.get(name, ()), gradient_at=at)
        kept = [key for key in self.vocabulary.parameters if key not in self.absent]
        number = kept.index(name) if name in kept else -1
        keys = (
            word(key) for slot in self.forward for key, held in slot.entries if isinstance(key, str) and held == name
        )
        own = (word(slot.name) for slot in (*self.constructor, *self.forward) if slot.key == name)
        return Wanted((*self.vocabulary.inputs.get(name, (word(name),)), *keys, *own), number, len(kept))

    def give(self, name: str, value: Array) -> Array:
        """Lay out an input or a cotangent as the code wants it."""
        return self.layouts[name].give(value) if name in self.layouts else value

    def take(self, name: str, value: object, here: tuple[int, ...] | None = None) -> object:
        """Bring an output back, or a gradient of which the shape here is known."""
        layout = self.layouts.get(name)
        if layout is None or layout.is_usual:
            return value
        if here is None or not self.exact or not isinstance(value, np.ndarray) or value.shape == layout.shape(here):
            return layout.take(value, here)
        return layout.take(Misshapen(value, layout.shape(here)), here)
