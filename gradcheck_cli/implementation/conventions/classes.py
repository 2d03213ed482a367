"""The readings of classes: those that are given their parameters, and those that are given sizes and make them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product

from gradcheck_cli.implementation.conventions.arguments import forms_of
from gradcheck_cli.implementation.conventions.attributes import array_at, parameter_paths
from gradcheck_cli.implementation.conventions.by_name import may_hold_weights
from gradcheck_cli.implementation.conventions.code import Code
from gradcheck_cli.implementation.conventions.instances import make_instance
from gradcheck_cli.implementation.conventions.layout import Layout, orders_with_shape
from gradcheck_cli.implementation.conventions.one_by_one import sample
from gradcheck_cli.implementation.conventions.packing import divide
from gradcheck_cli.implementation.conventions.passes import method_slots
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import (
    MisfitError,
    Slot,
    SlotKind,
    classify_ahead,
    parameters_of,
    slot_for,
    write_call,
)
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.lookup import probe_problems
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.text.names import join_names


def class_readings(
    cls: type, forward: str, backward: str, layer: Layer, vocabulary: Vocabulary, made: object = None
) -> Iterator[Reading]:
    """Yield the ways to understand a class, or an instance of it that is there, the likeliest first.

    Raises:
        MisfitError: it cannot be understood as this layer.
    """
    if vocabulary.needs_dictionary:
        raise MisfitError(f"class {cls.__name__}: of this layer only functions can be checked so far")
    constructors: list[tuple[Slot, ...]] = [()] if made is not None else _constructors(cls, vocabulary)
    slots = list(method_slots(cls, forward, backward, layer, vocabulary))
    for constructor, (ahead, back) in product(constructors, slots):
        reading = Reading(
            layer=layer,
            vocabulary=vocabulary,
            code=Code(cls=cls, forward=forward, backward=backward, made=made),
            constructor=constructor,
            forward=ahead,
            backward=back,
        )
        for forms in forms_of((*reading.constructor, *reading.forward, *reading.backward), vocabulary):
            yield from _arranged(replace(reading, forms=forms))


def _constructors(cls: type, vocabulary: Vocabulary) -> list[tuple[Slot, ...]]:
    """Read the constructor, as one that is given parameters and as one that is given sizes.

    Raises:
        MisfitError: it takes something of unknown meaning, or only some of the parameters.
    """
    parameters, kept = parameters_of(cls), tuple(vocabulary.parameters)
    called = write_call(cls.__name__, parameters)
    held = [classify_ahead(parameter, vocabulary, kept) for parameter in parameters]
    sized = [classify_ahead(parameter, vocabulary, ()) for parameter in parameters]
    given = {slot.key for slot in held if slot and slot.kind is SlotKind.INPUT}
    complete = [
        slots for slots, fits in ((held, {*given, *vocabulary.optional} >= set(kept) and given), (sized, True)) if fits
    ]
    if vocabulary.packing:  # weights may come in dictionaries
        several = zip(parameters, sized, strict=True)
        contained = [slot_for(p, SlotKind.CONTAINER) if may_hold_weights(p, slot) else slot for p, slot in several]
        complete += [contained] if contained != sized else []
    found = [tuple(slot for slot in slots if slot) for slots in complete if None not in slots]
    if found:
        return found
    unknown = [p.name for p, slot in zip(parameters, held, strict=True) if slot is None]
    if not unknown and given:
        has = join_names(slot.name for slot in held if slot and slot.kind is SlotKind.INPUT)
        raise MisfitError(f"`{called}` takes {has}, and no {join_names(name for name in kept if name not in given)}")
    unknown = unknown or [p.name for p, slot in zip(parameters, sized, strict=True) if slot is None]
    raise MisfitError(f"`{called}` takes `{unknown[0]}`, of which the meaning is not known")


def _arranged(reading: Reading) -> Iterator[Reading]:
    """Yield the orders of axes in which a class may keep and take its arrays."""
    vocabulary, seen = reading.vocabulary, set()
    for arrangement in vocabulary.arrangements:
        axes = {**vocabulary.axes, **arrangement.axes}
        passed = tuple(axes[name] for name in axes if name not in reading.kept)
        if (passed, arrangement.single) in seen:
            continue
        seen.add((passed, arrangement.single))
        title = arrangement.title
        if reading.kept and not arrangement.single:
            title = title.partition(",")[0]
        for kept in _kept_axes(replace(reading, single=arrangement.single), axes):
            lacking = tuple(name for name in reading.kept if name not in kept)
            odd = [f"{name} ({', '.join(kept[name].split())})" for name in kept if kept[name] != vocabulary.axes[name]]
            layouts = {name: Layout(vocabulary.axes[name], order) for name, order in {**axes, **kept}.items()}
            yield replace(reading, layouts=layouts, single=arrangement.single, lacking=lacking, notes=(title, *odd))


def _kept_axes(reading: Reading, axes: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Recognize from their shapes how a class's own initial parameters lie; several orders may have one shape."""
    usual = {name: reading.vocabulary.axes[name] for name in reading.kept}
    layouts = {name: Layout(reading.vocabulary.axes[name], order) for name, order in axes.items()}
    for problem in probe_problems(reading.layer.name) if reading.kept else ():
        made, inputs = replace(reading, layouts=layouts), problem.inputs
        if packing := reading.vocabulary.packing:
            inputs = divide(packing, inputs)
        if reading.single:
            inputs = {name: sample(reading.vocabulary.axes, name, value, 0) for name, value in inputs.items()}
        try:
            instance = make_instance(made, made.values(inputs, problem.parameters))
        except NotExpressibleError:
            continue
        except ImplementationError:
            if packing:
                return
            continue
        orders = {}
        for name in reading.kept:
            here = inputs[name].shape
            shapes = {array_at(instance, path).shape for path in parameter_paths(instance, reading.wanted(name))}
            found = [order for shape in shapes for order in orders_with_shape(usual[name], here, shape)]
            if packing and not found and (shapes or name not in reading.vocabulary.optional):
                return
            if found or not packing:
                orders[name] = found or [usual[name]]
        chosen = [dict(zip(orders, one, strict=True)) for one in product(*orders.values())]
        alike = [
            one
            for one in chosen
            if len({order == usual[name] for name, order in one.items() if " " in usual[name]}) < 2
        ]
        yield from alike or chosen
        return
    if not (reading.kept and reading.vocabulary.packing):
        yield usual
