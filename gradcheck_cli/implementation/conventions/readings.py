"""Lists the readings of code as a layer's passes, the likeliest first; `trial` takes the first that is right."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.arguments import forms_of
from gradcheck_cli.implementation.conventions.both_passes import class_passes, expanded, instance_passes
from gradcheck_cli.implementation.conventions.classes import class_readings
from gradcheck_cli.implementation.conventions.code import Code
from gradcheck_cli.implementation.conventions.layout import Layout
from gradcheck_cli.implementation.conventions.network import Network
from gradcheck_cli.implementation.conventions.one_by_one import SAMPLES
from gradcheck_cli.implementation.conventions.packing import packed
from gradcheck_cli.implementation.conventions.passes import backward_slots, forward_slots
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import MisfitError, SlotKind, has, has_open_container
from gradcheck_cli.implementation.conventions.tensors import uses_tensors
from gradcheck_cli.implementation.conventions.unknown_class import unknown_class_readings
from gradcheck_cli.implementation.conventions.unknown_function import unknown_readings
from gradcheck_cli.implementation.vocabulary.lookup import vocabulary_of
from gradcheck_cli.implementation.vocabulary.vocabulary import Arrangement, Packing, Vocabulary, word
from gradcheck_cli.layers.framework.layer import Layer


def readings_of(objects: tuple[Any, ...], layer: Layer, *, guessed: bool = False) -> Iterator[Reading]:
    """Yield the ways to understand a class, two functions, or the one function of a loss; with tensors, if it may be.

    Args:
        objects: the code.
        layer: what it computes.
        guessed: whether no name says so: then neither other arrays than the layer's nor windows of a fixed size are
            tried.

    Raises:
        MisfitError: there is none.
    """
    parts = objects[0].functions if isinstance(objects[0], Network) else expanded(objects)
    objects = objects if isinstance(objects[0], Network) else parts
    readings = _readings_of(objects, layer, guessed=guessed)
    if guessed:  # a window whose size neither a name nor an argument says would be tried in each size
        readings = (reading for reading in readings if "kernel" not in reading.forms.absent)
    if not any(map(uses_tensors, parts)):
        return readings
    plain, with_tensors = list(readings), []
    for reading in plain:
        code = replace(reading.code, tensors=True)
        with_tensors.append(replace(reading, code=code, notes=(*reading.notes, "PyTorch tensors")))
    return iter([*with_tensors, *plain])


def _readings_of(objects: tuple[Any, ...], layer: Layer, *, guessed: bool) -> Iterator[Reading]:
    """Yield the ways to understand code.

    Those in which parameters mean something else, or come in other arrays, are the last.

    Raises:
        MisfitError: there is none.
    """
    vocabulary = vocabulary_of(layer)
    if packings := vocabulary.packings():
        yield from _packed_readings(objects, layer, vocabulary, packings[:1] if guessed else packings)
        return
    yield from _readings(objects, layer, vocabulary)
    for title, encoding in vocabulary.encodings.items():
        for reading in _readings(objects, layer, vocabulary):
            yield replace(reading, encoding=encoding, notes=(*reading.notes, title))
    if singles := _of_one_sample(vocabulary):
        yield from _readings(objects, layer, replace(vocabulary, arrangements=singles))


def _packed_readings(
    objects: tuple[Any, ...], layer: Layer, vocabulary: Vocabulary, packings: tuple[Packing, ...]
) -> Iterator[Reading]:
    """Yield the readings for each way to divide the layer's inputs, those of one sample last."""
    words = [packed(vocabulary, packing) for packing in packings]
    words += [replace(own, arrangements=_of_one_sample(own)) for own in words]
    misfits, is_any = [], False
    for own in words:
        try:
            for reading in _readings(objects, layer, own):
                is_any = True
                yield reading
        except MisfitError as misfit:
            misfits.append(misfit)
    if not is_any:
        unknown = MisfitError(f"{name_of(objects[0])} keeps no weights under names that are known")
        raise misfits[0] if misfits else unknown


def _of_one_sample(vocabulary: Vocabulary) -> tuple[Arrangement, ...]:
    """List the arrangements of code that takes one sample: without their axis, or with one of length 1."""
    found = []
    for arrangement in vocabulary.arrangements if not vocabulary.mixes_samples else ():
        axes = {**vocabulary.axes, **arrangement.axes}
        without = {
            name: " ".join(axis for axis in order.split() if axis not in (SAMPLES, "1")) for name, order in axes.items()
        }
        steps = {name: without[name] if "T" in order.split() else order for name, order in axes.items()}
        title = ", ".join(filter(None, (arrangement.title, "one sample at a time")))
        if without != axes:
            found.append(arrangement._replace(title=f"{title}, without an axis for it", axes=without, single=True))
            found.append(arrangement._replace(title=title, single=True))
        if steps not in (axes, without):
            found.append(
                arrangement._replace(title=f"{title}, sequences without an axis for it", axes=steps, single=True)
            )
    return tuple(found)


def _readings(objects: tuple[Any, ...], layer: Layer, vocabulary: Vocabulary) -> Iterator[Reading]:
    first = objects[0]
    if isinstance(first, Network):
        return first.readings(layer)
    instance = instance_passes(objects)
    if inspect.isclass(first) or instance:
        cls: type = type(instance[0]) if instance else first
        made, forward, backward = instance or (None, *class_passes(cls))
        if not layer.reference:
            return unknown_class_readings(cls, forward, backward, layer, made)
        return class_readings(cls, forward, backward, layer, vocabulary, made)
    if not layer.reference:
        return unknown_readings(objects, layer)
    if layer.loss:
        if len(objects) > 1:
            raise MisfitError(f"`{name_of(first)}` does not return its gradient itself")
        return _function_readings(first, None, layer, vocabulary)
    if len(objects) != 2:
        raise MisfitError(f"`{name_of(first)}` is one function, not a forward and a backward pass")
    return _function_readings(*objects, layer, vocabulary)


def _function_readings(
    forward: Callable[..., Any], backward: Callable[..., Any] | None, layer: Layer, vocabulary: Vocabulary
) -> Iterator[Reading]:
    """Yield the ways to understand functions: what each argument is, how arrays lie, how the geometry is passed."""
    code = Code(forward=forward, backward=backward)
    for ahead in forward_slots(forward, layer, vocabulary):
        #: whether entries have all names, and the parameters that are absent
        variants: list[tuple[bool, tuple[str, ...]]] = [(False, ())]
        if has_open_container(ahead):
            variants = [(True, ()), (True, tuple(n for n in vocabulary.optional if n in vocabulary.parameters))]
        elif has(SlotKind.DICTIONARY, ahead):
            variants.append((True, ()))
        inputs = [slot for slot in ahead if slot.kind is SlotKind.INPUT]
        is_named = not vocabulary.packing or all(word(slot.name) in vocabulary.inputs[slot.key] for slot in inputs)
        for back in backward_slots(backward, layer, vocabulary, ahead, forward) if backward else [()]:
            slots = (*ahead, *back)
            names = {word(slot.name) for slot in slots}
            usable = [one for one in vocabulary.arrangements if is_named or not _moves_weights(one, vocabulary)]
            told = [one for one in usable if names & {*one.telling}]
            arrangements = [*told, *(one for one in usable if one not in told)]
            for arrangement, (all_keys, lacking), forms in product(
                arrangements, variants, [*forms_of(slots, vocabulary)]
            ):
                keys = "entries under other names" if all_keys and not has_open_container(ahead) else ""
                axes = {name: arrangement.axes.get(name, usual) for name, usual in vocabulary.axes.items()}
                yield Reading(
                    layer=layer,
                    vocabulary=vocabulary,
                    code=code,
                    forward=ahead,
                    backward=back,
                    forms=forms,
                    layouts={name: Layout(vocabulary.axes[name], order) for name, order in axes.items()},
                    exact=arrangement.exact,
                    single=arrangement.single,
                    all_keys=all_keys,
                    lacking=lacking,
                    notes=(arrangement.title, keys),
                )


def _moves_weights(arrangement: Arrangement, vocabulary: Vocabulary) -> bool:
    return any(arrangement.axes.get(name, "") != vocabulary.axes[name] for name in vocabulary.parameters)
