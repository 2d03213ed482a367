"""The conventions of classes: those that are given their parameters, and those that are given sizes and make them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from gradcheck_cli.implementation.binding import Reading, readings
from gradcheck_cli.implementation.conventions.functions import pair_readings
from gradcheck_cli.implementation.conventions.instance import Kind, Way
from gradcheck_cli.implementation.implementation import Implementation, ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.layout import Layout
from gradcheck_cli.implementation.members import parameter_places
from gradcheck_cli.implementation.signature import signature_of
from gradcheck_cli.implementation.slots import (
    MisfitError,
    Slot,
    SlotKind,
    backward_slots,
    classify_ahead,
    cotangent_names,
    forward_slots,
    parameters_of,
    written,
)
from gradcheck_cli.implementation.trial import problems
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gradcheck_cli.layers.framework.layer import Layer

#: What the passes are called, as methods.
FORWARDS = (
    *("forward", "forward_pass", "fprop", "forward_propagation", "forward_propagate", "forwardprop", "forward_prop"),
    *("feed_forward", "feedforward", "propagate", "__call__"),
)
BACKWARDS = (
    *(
        "backward",
        "backward_pass",
        "bprop",
        "backprop",
        "backward_propagation",
        "backward_propagate",
        "back_propagation",
    ),
    *("backpropagation", "backwardprop", "backward_prop", "back_prop", "backpropagate", "back_propagate", "gradient"),
)


def class_readings(cls: type, layer: Layer, name: str) -> Iterator[Implementation]:
    """List the ways to understand a class, the likeliest first.

    Raises:
        MisfitError: it cannot be understood as this layer.
    """
    only_functions = MisfitError(f"class {cls.__name__}: of this layer only functions can be checked so far")
    if len(layer.outputs) > 1 or layer.state or layer.loss:
        raise only_functions
    forward, backward = _method(cls, FORWARDS), _method(cls, BACKWARDS)
    if forward is None or backward is None:
        has, lacks = ("forward", "backward") if forward else ("backward", "forward")
        has = f"has {has} but no {lacks}" if forward or backward else "has neither forward nor backward"
        raise MisfitError(f"class {cls.__name__} {has}")
    if isinstance(inspect.getattr_static(cls, forward), staticmethod | classmethod):
        yield from pair_readings(getattr(cls, forward), getattr(cls, backward), layer, name)
        return
    if not _can_be_given(layer):
        raise only_functions
    for made_with in _constructions(cls, layer):
        kind = Kind(
            cls=cls,
            forward=forward,
            backward=backward,
            made_with=made_with,
            forward_slots=_of_method(forward_slots, cls, forward, layer),
            backward_slots=_of_method(backward_slots, cls, backward, layer),
            layer=layer,
        )
        for way in _ways(kind):
            yield Implementation(
                name=name,
                spec=name,
                convention=_described(way),
                forward=way.run_forward,
                backward=way.run_backward,
                cotangents=cotangent_names(way.kind.backward_slots),
            )


def _can_be_given(layer: Layer) -> bool:
    """Tell whether it is known how an instance gets what functions get beside the first input."""
    words = vocabulary_of(layer)
    return bool(words.arguments or not layer.param) and bool(words.parameters or len(layer.inputs) == 1)


def _method(cls: type, names: tuple[str, ...]) -> str | None:
    # Only what a class has is asked for: for what it lacks a metaclass may raise anything.
    return next((name for name in names if _is_own(cls, name) and callable(getattr(cls, name, None))), None)


def _is_own(cls: type, name: str) -> bool:
    """Tell a method from what every class has: `type.__call__`."""
    return any(name in vars(base) for base in cls.__mro__[:-1])


def _constructions(cls: type, layer: Layer) -> list[list[Slot]]:
    """Read the constructor, as one that is given parameters and as one that is given sizes.

    Raises:
        MisfitError: it takes something of unknown meaning, or only some of the parameters.
    """
    parameters = parameters_of(cls)
    said = written(cls.__name__, parameters)
    kept = tuple(vocabulary_of(layer).parameters)
    held = [classify_ahead(parameter, vocabulary_of(layer), kept) for parameter in parameters]
    sized = [classify_ahead(parameter, vocabulary_of(layer), ()) for parameter in parameters]
    given = {slot.key for slot in held if slot and slot.kind is SlotKind.INPUT}
    complete = [slots for slots, fits in ((held, given == set(kept)), (sized, True)) if fits]
    found = [[slot for slot in slots if slot] for slots in complete if None not in slots]
    if found:
        return found
    unknown = [p.name for p, slot in zip(parameters, held, strict=True) if slot is None]
    if not unknown and given:
        has = join_names(slot.name for slot in held if slot and slot.kind is SlotKind.INPUT)
        raise MisfitError(f"`{said}` takes {has}, and no {join_names(name for name in kept if name not in given)}")
    unknown = unknown or [p.name for p, slot in zip(parameters, sized, strict=True) if slot is None]
    raise MisfitError(f"`{said}` takes `{unknown[0]}`, of which the meaning is not known")


def _of_method(read: Callable[..., list[Slot]], cls: type, name: str, layer: Layer) -> list[Slot]:
    """Read the signature of a method, of which the inputs that the class keeps are no arguments."""

    def bound() -> None: ...

    method = getattr(cls, name)
    signature = signature_of(method)
    if signature is None:
        raise MisfitError(f"{cls.__name__}.{name} does not say what it takes")
    bound.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    bound.__name__ = f"{cls.__name__}.{name}"
    data = tuple(name for name in layer.inputs if name not in vocabulary_of(layer).parameters)
    try:
        return read(bound, vocabulary_of(layer), layer.inputs)
    except MisfitError:
        return read(bound, vocabulary_of(layer), data)


def _ways(kind: Kind) -> Iterator[Way]:
    vocabulary = vocabulary_of(kind.layer)
    usual = vocabulary.arrangements[0].axes
    for reading in readings((*kind.made_with, *kind.forward_slots, *kind.backward_slots), vocabulary):
        seen = set()
        for arrangement in vocabulary.arrangements:
            axes = {name: order for name, order in arrangement.axes.items() if name not in kind.owned}
            if tuple(axes.items()) in seen:
                continue
            seen.add(tuple(axes.items()))
            title = arrangement.title.partition(",")[0] if kind.owned else arrangement.title
            for own in _own_axes(kind, reading, axes):
                pairs = {name: Layout(usual[name], order) for name, order in {**axes, **own}.items()}
                yield Way(kind=kind, reading=reading, layouts=pairs, title=title)


def _own_axes(kind: Kind, reading: Reading, axes: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Recognise from their shapes how a class's own initial parameters lie; several orders may have one shape."""
    vocabulary = vocabulary_of(kind.layer)
    usual = vocabulary.arrangements[0].axes
    if not kind.owned:
        yield {}
        return
    found: list[dict[str, str]] = [{name: usual[name] for name in kind.owned}]
    for problem in problems(kind.layer.name):
        trial = {name: Layout(usual[name], order) for name, order in {**usual, **axes}.items()}
        probe = Way(kind=kind, reading=reading, layouts=trial, title="")
        try:
            given = probe.given(problem.inputs)
            instance = probe.make(problem.inputs, problem.parameters, given)
        except (ImplementationError, NotExpressibleError):
            continue
        found = [{}]
        for number, name in enumerate(vocabulary.parameters):
            if name in kind.owned:
                places = parameter_places(instance, vocabulary.inputs[name], number, len(vocabulary.parameters))
                shapes = {place.get().shape for place in places}
                here = problem.inputs[name].shape
                orders = [o for o in vocabulary.parameters[name] if Layout(usual[name], o).shape(here) in shapes]
                found = [{**own, name: order} for own in found for order in orders or [usual[name]]]
        break
    yield from found


def _described(way: Way) -> str:
    kind = way.kind
    methods = f".{kind.forward}, .{kind.backward}".replace(".__call__", "()")
    odd = [f"{name} ({', '.join(order.split())})" for name, order in _odd(way)]
    said = [f"class {written(kind.cls.__name__, kind.made_with)}{methods}", way.reading.title, way.title, *odd]
    return ", ".join(text for text in said if text)


def _odd(way: Way) -> Iterator[tuple[str, str]]:
    for name in way.kind.owned:
        layout = way.layouts[name]
        if layout.here != layout.there:
            yield name, layout.there
