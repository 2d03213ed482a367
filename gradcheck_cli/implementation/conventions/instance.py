"""Instances of a class as implementations: made for one forward call, given their parameters, and read afterwards.

A fresh instance is made for each forward call, so that neither a cache nor an accumulated gradient of one call reaches
another; that instance is the cache that backward is handed, and backward works on a copy of it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.binding import Filled, Reading, fill, fills_context, shares_context
from gradcheck_cli.implementation.context import Context, output_and_cache
from gradcheck_cli.implementation.conventions.pair import without_nones
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError, described
from gradcheck_cli.implementation.members import (
    Place,
    attributes,
    gradient_places,
    newest,
    parameter_places,
    remembered,
    returned_order,
)
from gradcheck_cli.implementation.slots import Slot, SlotKind, written
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.text.clean import type_name
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.implementation.layout import Layout
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.numeric.arrays import Array


@frozen
class Kind:
    """What a class's signatures say."""

    cls: type
    forward: str
    backward: str
    made_with: list[Slot]
    forward_slots: list[Slot]
    backward_slots: list[Slot]
    layer: Layer

    @property
    def owned(self) -> tuple[str, ...]:
        """The inputs that are passed neither to the constructor nor to forward: parameters that it keeps."""
        passed = {slot.key for slot in (*self.made_with, *self.forward_slots) if slot.kind is SlotKind.INPUT}
        return tuple(name for name in self.layer.inputs if name not in passed)


@dataclass(frozen=True)
class _Memory:
    """What backward needs of a forward call."""

    instance: object
    cache: object
    inputs: Mapping[str, Array]
    parameters: Mapping[str, object] | None


@frozen
class Way:
    """One way to understand a class: how it is made, and how its arrays lie."""

    kind: Kind
    reading: Reading
    layouts: Mapping[str, Layout]
    title: str

    def run_forward(
        self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None
    ) -> tuple[object, object]:
        """Make an instance, give it its parameters and run forward; it is the cache."""
        given = self.given(inputs)
        try:
            instance = self.make(inputs, parameters, given)
            self._put(instance, inputs, given)
            method = _method(instance, self.kind.forward)
            context = Context(len(inputs)) if fills_context(self.kind.forward_slots, self.reading) else None
            filled = self._fill(self.kind.forward_slots, inputs, parameters, given, {SlotKind.CONTEXT: context})
            returned = filled.call(method)
        except ImplementationError as error:
            if _no_number(error.__cause__):  # what the constructor keeps, forward computes with
                made_with = self._fill(self.kind.made_with, inputs, parameters, given)
                made_with.blame(self.kind.cls.__name__, error)
            raise
        shared = shares_context(self.kind.forward_slots, self.kind.backward_slots)
        out, cache = output_and_cache(returned, context, shared=shared)
        return self.layouts["out"].take(out), _Memory(instance, cache, inputs, parameters)

    def run_backward(self, cotangent: Array, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        """Run backward on a copy of the instance, and gather the gradients from wherever they are."""
        assert isinstance(cache, _Memory)
        inputs, parameters, instance = cache.inputs, cache.parameters, _copied(cache.instance)
        given = self.given(inputs)
        values = {SlotKind.CACHE: cache.cache, SlotKind.COTANGENT: self.layouts["out"].give(cotangent)}
        before = {name: remembered(self._gradient_places(instance, name)) for name in names}
        method = _method(instance, self.kind.backward)
        returned = self._fill(self.kind.backward_slots, inputs, parameters, given, values).call(method)
        gradients = self._returned(returned, names)
        for name in names:
            if name not in gradients:
                gradients[name] = newest(self._gradient_places(instance, name), before[name])
        return {name: self.layouts[name].take(value, inputs[name].shape) for name, value in gradients.items()}

    def given(self, inputs: Mapping[str, Array]) -> dict[str, object]:
        """Lay out the inputs as the class wants them."""
        return {name: self.layouts[name].give(value) for name, value in inputs.items()}

    def make(
        self, inputs: Mapping[str, Array], parameters: Mapping[str, object] | None, given: Mapping[str, object]
    ) -> object:
        """Make an instance that has its parameters, whatever values; some classes make them at the first forward."""
        instance = self._fill(self.kind.made_with, inputs, parameters, given).call(self.kind.cls)
        if any(not parameter_places(instance, *self._place(name)) for name in self.kind.owned):
            method = _method(instance, self.kind.forward)
            self._fill(self.kind.forward_slots, inputs, parameters, given).call(method)
        return instance

    def _put(self, instance: object, inputs: Mapping[str, Array], given: Mapping[str, object]) -> None:
        for name in self.kind.owned:
            places = parameter_places(instance, *self._place(name))
            if not places:
                looked_for = ", ".join(vocabulary_of(self.kind.layer).inputs[name][:3])
                has = join_names([*attributes(instance)][:8] or ["nothing"])
                raise ImplementationError(
                    f"{self.kind.cls.__name__} keeps no array for {name} (looked for {looked_for}); it keeps {has}"
                )
            wanted = self.layouts[name].shape(inputs[name].shape)
            fitting = [place for place in places if place.get().shape == wanted]
            if not fitting:
                self._misshapen(name, places[0].get().shape, wanted)
            for place in fitting:
                place.set(np.array(given[name]))

    def _misshapen(self, name: str, own: tuple[int, ...], wanted: tuple[int, ...]) -> NoReturn:
        said = f"{written(self.kind.cls.__name__, self.kind.made_with)} makes {name} of shape {own}, not {wanted}"
        arguments = vocabulary_of(self.kind.layer).arguments
        if any(slot.kind is SlotKind.ARGUMENT and arguments[slot.key].shapes for slot in self.kind.made_with):
            raise ImplementationError(said)
        raise NotExpressibleError(said)  # it was never told the shape

    def _returned(self, returned: object, names: tuple[str, ...]) -> dict[str, object]:
        """Tell which gradients were returned, and whose they are."""
        if returned is None:
            return {}
        if isinstance(returned, np.ndarray):
            return {names[0]: returned}
        if isinstance(returned, dict):
            return {name: value for name in names if (value := self._entry(returned, name)) is not None}
        if isinstance(returned, tuple | list):
            returned = without_nones(returned, len(names))
        if not isinstance(returned, tuple | list) or len(returned) > len(names):
            owed = join_names(f"d{name}" for name in names)
            who = f"{self.kind.cls.__name__}.{self.kind.backward}"
            raise ImplementationError(f"{who} returned {described(returned)}, where it owes {owed}")
        first, *rest = returned
        if len(rest) == 1 and isinstance(rest[0], dict | tuple | list):
            more = rest[0] if isinstance(rest[0], dict) else None
            if more is None:
                return dict(zip(names, (first, *rest[0]), strict=False))
            return {names[0]: first} | self._returned(more, names[1:])
        method = getattr(self.kind.cls, self.kind.backward)
        order = returned_order(method, {name: vocabulary_of(self.kind.layer).inputs[name] for name in names})
        return dict(zip(order or names, returned, strict=False))

    def _entry(self, returned: dict[Any, Any], name: str) -> object:
        return newest(
            gradient_places(SimpleNamespace(grads=returned), vocabulary_of(self.kind.layer).inputs[name], -1, 0), {}
        )

    def _gradient_places(self, instance: object, name: str) -> list[Place]:
        return gradient_places(instance, *self._place(name))

    def _place(self, name: str) -> tuple[tuple[str, ...], int, int]:
        kept = list(vocabulary_of(self.kind.layer).parameters)
        return vocabulary_of(self.kind.layer).inputs[name], kept.index(name) if name in kept else -1, len(kept)

    def _fill(
        self,
        slots: list[Slot],
        inputs: Mapping[str, Array],
        parameters: Mapping[str, object] | None,
        given: Mapping[str, object],
        values: Mapping[SlotKind, object] | None = None,
    ) -> Filled:
        vocabulary, sizes = vocabulary_of(self.kind.layer), vocabulary_of(self.kind.layer).sizes(inputs, parameters)
        context = Context(len(inputs))  # of a constructor, and of a forward call that only makes the parameters
        known = {SlotKind.DICTIONARY: dict(parameters or {}), SlotKind.CONTEXT: context}
        return fill(slots, self.reading, vocabulary, sizes, given, {**known, **(values or {})})


def _method(instance: object, name: str) -> Any:
    try:
        return getattr(instance, name)
    except Exception as error:
        reason = f"{type_name(instance)}.{name} cannot be looked up: it raised {type_name(error)}"
        raise ImplementationError(reason) from error


def _no_number(error: BaseException | None) -> bool:
    """Tell whether an error says that a tuple stood where a number was wanted; a wrong shape is another mistake."""
    return isinstance(error, TypeError) or (isinstance(error, ValueError) and "a sequence" in str(error))


def _copied(instance: object) -> object:
    try:
        return copy.deepcopy(instance)
    except Exception:  # noqa: BLE001  # it holds something that has no copies: an open file, a generator
        return instance
