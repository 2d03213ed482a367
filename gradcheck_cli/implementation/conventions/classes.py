"""The readings of classes: those that are given their parameters, and those that are given sizes and make them."""

from __future__ import annotations

import contextlib
import dis
import inspect
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.conventions.arguments import forms_of
from gradcheck_cli.implementation.conventions.attributes import parameter_places
from gradcheck_cli.implementation.conventions.instances import make_instance
from gradcheck_cli.implementation.conventions.layout import Layout, orders_with_shape
from gradcheck_cli.implementation.conventions.one_by_one import sample
from gradcheck_cli.implementation.conventions.passes import BIASES, method_slots
from gradcheck_cli.implementation.conventions.reading import Code, Reading
from gradcheck_cli.implementation.conventions.slots import (
    MisfitError,
    Slot,
    SlotKind,
    classify_ahead,
    parameters_of,
    write_call,
)
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.lookup import probe_problems
from gradcheck_cli.implementation.vocabulary.vocabulary import word
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType

    from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary
    from gradcheck_cli.layers.framework.layer import Layer

#: What the passes are called, as methods.
FORWARDS = (
    *("forward", "forwardpass", "fprop", "forwardpropagation", "forwardpropagate", "forwardprop", "feedforward"),
    *("propagate", "fwd", "fwdprop", "forwards", "forwardstep", "updateoutput", "__call__"),
)
BACKWARDS = (
    *("backward", "backwardpass", "bprop", "backprop", "backwardpropagation", "backwardpropagate", "backpropagation"),
    *("backwardprop", "backpropagate", "bwd", "bwdprop", "backwards", "backwardstep", "back", "updategradinput"),
    "gradient",
)


def has_passes(cls: type) -> bool:
    """Tell whether a class has a method that is called as one of the passes is."""
    return bool(_methods(cls).keys() & {*FORWARDS, *BACKWARDS})


def class_passes(cls: type) -> tuple[str, str]:
    """Return the names of a class's forward and backward methods.

    Raises:
        MisfitError: it lacks one of them.
    """
    # Only what a class has is asked for: for what it lacks a metaclass may raise anything.
    own = _methods(cls)
    forward, backward = (
        next((own[name] for name in names if name in own and callable(getattr(cls, own[name], None))), None)
        for names in (FORWARDS, BACKWARDS)
    )
    if forward and backward:
        return forward, backward
    has, lacks = ("forward", "backward") if forward else ("backward", "forward")
    has = f"has {has} but no {lacks}" if forward or backward else "has neither forward nor backward"
    raise MisfitError(f"class {cls.__name__} {has}")


def instance_passes(objects: tuple[Any, ...]) -> tuple[object, str, str] | None:
    """Return an object with both passes, or that of which two methods are given, and the names of these; else None."""
    first = objects[0]
    if len(objects) == 2 and all(inspect.ismethod(one) and one.__self__ is first.__self__ for one in objects):
        is_instance = not inspect.isclass(first.__self__)
        return (first.__self__, first.__name__, objects[1].__name__) if is_instance else None
    if len(objects) == 1 and not (inspect.isclass(first) or inspect.isroutine(first)):
        with contextlib.suppress(MisfitError):
            return (first, *class_passes(type(first)))
    return None


def is_written(cls: type) -> bool:
    """Tell whether a class has both passes, and its forward does something: that of a base class does not."""
    try:
        names = class_passes(cls)
    except MisfitError:
        return False
    codes = [getattr(getattr(cls, name), "__code__", None) for name in names]
    return not getattr(cls, "__abstractmethods__", None) and not any(_is_empty(code) for code in codes if code)


def _is_empty(code: CodeType) -> bool:
    """Tell whether code returns nothing and raises nothing but that it is not written."""
    uses_arguments = any("LOAD_FAST" in step.opname for step in dis.get_instructions(code))
    return set(code.co_names) <= {"NotImplementedError"} and not uses_arguments


def _methods(cls: type) -> dict[str, str]:
    """Name what a class defines by its reduced name, without what every class has, such as `type.__call__`."""
    names = (name for base in reversed(cls.__mro__[:-1]) for name in vars(base))
    return {name if name.startswith("__") else word(name): name for name in names}


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
    ahead, back = method_slots(cls, forward, backward, layer, vocabulary)
    for constructor in constructors:
        reading = Reading(
            layer=layer,
            vocabulary=vocabulary,
            code=Code(cls=cls, forward=forward, backward=backward, made=made),
            constructor=constructor,
            given_parameters=any(slot.kind is SlotKind.INPUT for slot in constructor),
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
    complete = [slots for slots, fits in ((held, {*given, *BIASES} >= set(kept) and given), (sized, True)) if fits]
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
            odd = [f"{name} ({', '.join(kept[name].split())})" for name in kept if kept[name] != vocabulary.axes[name]]
            layouts = {name: Layout(vocabulary.axes[name], order) for name, order in {**axes, **kept}.items()}
            yield replace(reading, layouts=layouts, single=arrangement.single, notes=(title, *odd))


def _kept_axes(reading: Reading, axes: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Recognize from their shapes how a class's own initial parameters lie; several orders may have one shape."""
    usual = {name: reading.vocabulary.axes[name] for name in reading.kept}
    layouts = {name: Layout(reading.vocabulary.axes[name], order) for name, order in axes.items()}
    for problem in probe_problems(reading.layer.name) if reading.kept else ():
        made, inputs = replace(reading, layouts=layouts), problem.inputs
        if reading.single:
            inputs = {name: sample(reading.vocabulary.axes, name, value, 0) for name, value in inputs.items()}
        try:
            instance = make_instance(made, made.values(inputs, problem.parameters))
        except (ImplementationError, NotExpressibleError):
            continue
        orders = []
        for name in reading.kept:
            here = problem.inputs[name].shape
            shapes = {place.get().shape for place in parameter_places(instance, reading.wanted(name))}
            found = [order for shape in shapes for order in orders_with_shape(usual[name], here, shape)]
            orders.append(found or [usual[name]])
        yield from (dict(zip(reading.kept, chosen, strict=True)) for chosen in product(*orders))
        return
    yield usual
