"""Fills the slots of a signature: in which forms arguments are passed, and what is passed for each."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from itertools import product
from typing import Any, assert_never

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.calling import call, name_of
from gradcheck_cli.implementation.conventions.containers import Context, named_entries
from gradcheck_cli.implementation.conventions.optimizer import LEARNING_RATE
from gradcheck_cli.implementation.conventions.slots import Slot, SlotKind, has_open_container
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError
from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Sizes, Vocabulary, word

_LEFT_OUT = object()

#: What Python and NumPy say of a tuple where a number is wanted. Code may take the rest of a dictionary wrongly, too.
_WANTED_A_NUMBER = re.compile(r"tuple|sequence|integer")


@frozen
class Forms:
    """In which forms the geometry is passed, such as a pad as a number, a pair or a word."""

    chosen: Mapping[str, str | None]  #: by argument, the title of its form; None to leave it out
    absent: Mapping[str, str]  #: by argument for which there is no slot, what stands in for it
    pairs: frozenset[str] = frozenset()  #: arguments to which two equal numbers are passed as a pair

    @property
    def titles(self) -> list[str]:
        """The unusual ones, in words."""
        return [title for title in (*self.chosen.values(), *self.absent.values()) if title]


@frozen
class Values:
    """The values that one call can pass."""

    inputs: Mapping[str, object]
    sizes: Sizes = field(default_factory=dict)
    dictionary: Mapping[str, object] = field(default_factory=dict)
    context: Context | None = None  #: passed even where an argument for it has a default
    cache: object = None
    cotangents: Mapping[str, object] = field(default_factory=dict)
    output: object = None
    filled: Mapping[str, object] = field(default_factory=dict)  #: by the name of the argument
    defaults: Mapping[str, object] = field(default_factory=dict)  #: of forward's own arguments
    rate: float = LEARNING_RATE


@frozen
class Arguments:
    """Arguments for a call."""

    args: list[object] = field(default_factory=list)
    kwargs: dict[str, object] = field(default_factory=dict)
    uneven: list[str] = field(default_factory=list)  #: which were passed a pair of two different numbers
    entries: list[str] = field(default_factory=list)  #: keys of a dictionary that have such a pair

    def call(self, function: Callable[..., Any]) -> Any:
        """Call a function so.

        Raises:
            NotExpressibleError: it cannot take a pair of two different numbers.
            ImplementationError: it raised anything else.
        """
        try:
            return call(function, *self.args, **self.kwargs)
        except ImplementationError as error:
            if isinstance(error.__cause__, TypeError | ValueError):
                self.blame_pair(name_of(function), error)
            raise

    def blame_pair(self, name: str, error: ImplementationError) -> None:
        """Blame an error on the first pair of two different numbers that was passed, if there was one.

        Raises:
            NotExpressibleError: there was.
        """
        entries = self.entries if _WANTED_A_NUMBER.search(str(error.__cause__)) else []
        if names := self.uneven or entries:
            raise NotExpressibleError(f"{name} takes no pair of numbers as {names[0]}: {error}") from error


def forms_of(slots: Iterable[Slot], vocabulary: Vocabulary) -> Iterator[Forms]:
    """Yield the forms in which the geometry can be passed to slots, the likeliest first."""
    slots = list(slots)
    arguments = {slot.key: slot for slot in slots if slot.kind is SlotKind.ARGUMENT}
    replaced = {key for key, argument in vocabulary.arguments.items() if arguments.keys() & set(argument.unless)}
    lacking = [key for key in vocabulary.arguments if key not in arguments and key not in replaced]
    dictionary = next((slot for slot in slots if slot.kind is SlotKind.DICTIONARY), None)
    if dictionary and not has_open_container(slots):
        looked_up = {word(str(key)) for key, name in dictionary.entries if not name}
        lacking = [key for key in lacking if looked_up and not looked_up & {*vocabulary.arguments[key].names}]
    titles = [_titles(slot, vocabulary.arguments[key]) for key, slot in arguments.items()]
    absents = [list(vocabulary.arguments[key].absent) for key in lacking]
    in_pairs = {key: slot for key, slot in arguments.items() if vocabulary.arguments[key].pair and not slot.whole}
    for chosen in product(*titles):
        for absent in product(*absents):
            for pairs in _pairs(in_pairs):
                yield Forms(
                    chosen=dict(zip(arguments, chosen, strict=True)),
                    absent=dict(zip(lacking, absent, strict=True)),
                    pairs=pairs,
                )


def _pairs(slots: Mapping[str, Slot]) -> list[frozenset[str]]:
    """List which arguments may be wanted as pairs, the likeliest first: as their defaults and names tell."""
    likely = {key for key, slot in slots.items() if isinstance(slot.default, tuple | list) or "shape" in slot.name}
    open_ = {key for key, slot in slots.items() if not isinstance(slot.default, int)}
    found: tuple[set[str], ...] = (likely, likely | open_, set(slots), set(), open_ - likely)
    return list(dict.fromkeys(map(frozenset, found)))


def _titles(slot: Slot, argument: Argument) -> list[str | None]:
    titles: list[str | None] = list(argument.forms)
    if isinstance(slot.default, str) and len(titles) > 1 and not argument.optional:
        titles = [*titles[1:], titles[0]]  # a default in words is likeliest to want words
    return [None, *titles] if argument.optional and slot.has_default else titles


def fill(slots: Iterable[Slot], forms: Forms, vocabulary: Vocabulary, values: Values) -> Arguments:
    """Fill slots for one call.

    Raises:
        NotExpressibleError: the geometry cannot be passed in these forms.
    """
    for key, title in forms.absent.items():
        if reason := vocabulary.arguments[key].absent[title](values.sizes):
            raise NotExpressibleError(reason)
    arguments, by_name = Arguments(), False
    for slot in slots:
        if slot.kind is SlotKind.ARGUMENT:
            value = _geometry(slot, vocabulary.arguments[slot.key], forms, values.sizes, arguments)
        else:
            value = _value(slot, values)
        if slot.kind is SlotKind.DICTIONARY:
            pairs = {key: one for key, one in values.dictionary.items() if isinstance(one, tuple) and len(one) == 2}
            arguments.entries.extend(key for key, pair in pairs.items() if pair[0] != pair[1])
        if slot.spread:
            arguments.args.extend(value if isinstance(value, tuple | list) else ())
            arguments.kwargs.update(value if isinstance(value, dict) else {})
        elif value is _LEFT_OUT:
            by_name = True
        elif by_name or slot.by_name:
            arguments.kwargs[slot.name] = value
        else:
            arguments.args.append(value)
    return arguments


def settings_in(slots: Iterable[Slot], arguments: Arguments) -> dict[str, object]:
    """Return by their names what is no array and no context of the arguments of a call, or the defaults."""
    given = {**dict(zip([slot.name for slot in slots], arguments.args, strict=False)), **arguments.kwargs}
    others = [slot for slot in slots if slot.kind not in (SlotKind.INPUT, SlotKind.CONTEXT)]
    return {slot.name: given.get(slot.name, slot.default) for slot in others}


def _value(slot: Slot, values: Values) -> object:  # noqa: PLR0912  # one for each kind
    match slot.kind:
        case SlotKind.OMITTED:
            return _LEFT_OUT
        case SlotKind.LEARNING_RATE:
            return values.rate
        case SlotKind.CONSTANT:
            is_shared = isinstance(slot.value, np.random.RandomState)  # the global generator, which is seeded
            return slot.value if is_shared else copy.deepcopy(slot.value)
        case SlotKind.INPUT:
            return values.inputs.get(slot.key, _LEFT_OUT if slot.has_default else values.defaults.get(slot.key))
        case SlotKind.DICTIONARY | SlotKind.CONTAINER:
            return named_entries(slot, values.inputs, values.dictionary) if slot.inputs else values.dictionary
        case SlotKind.ENTRY:
            return values.dictionary.get(slot.key)
        case SlotKind.CONTEXT if slot.key in values.inputs:
            return values.inputs[slot.key]
        case SlotKind.CONTEXT:
            return _LEFT_OUT if values.context is None and slot.has_default else values.context
        case SlotKind.CACHE if isinstance(slot.value, int):
            return values.cache[slot.value] if isinstance(values.cache, tuple | list) else None
        case SlotKind.CACHE:
            return values.inputs.get(slot.key) if values.cache is None else values.cache
        case SlotKind.COTANGENT:
            return values.cotangents[slot.key]
        case SlotKind.OUTPUT:
            return values.output
        case SlotKind.SHAPE:
            shape = getattr(values.inputs.get(slot.key), "shape", None)
            return shape[slot.value] if shape and isinstance(slot.value, int) and slot.value < len(shape) else shape
        case SlotKind.FILLED:
            return values.filled[slot.name]
        case SlotKind.ARGUMENT:
            raise AssertionError(slot)
        case _:
            assert_never(slot.kind)


def _geometry(slot: Slot, argument: Argument, forms: Forms, sizes: Sizes, arguments: Arguments) -> object:
    """Return what is passed as an argument of the vocabulary, or `_LEFT_OUT`."""
    form = forms.chosen[slot.key]
    is_default = "" in argument.absent and len(argument.forms) == 1 and argument.absent[""](sizes) is None
    if form is not None and not (argument.optional and slot.has_default and is_default):
        return _formed(slot, argument, form, sizes, arguments, pair=slot.key in forms.pairs)
    if any(absent(sizes) for absent in argument.absent.values()):
        raise NotExpressibleError(f"{slot.name} is left at {slot.default!r}")
    return _LEFT_OUT


def _formed(slot: Slot, argument: Argument, form: str, sizes: Sizes, arguments: Arguments, *, pair: bool) -> object:
    try:
        value = argument.forms[form](sizes)
    except ValueError as error:
        raise NotExpressibleError(str(error)) from error
    if isinstance(value, str):
        return value.upper() if isinstance(slot.default, str) and slot.default.isupper() else value
    if not argument.pair or not isinstance(value, tuple):
        return value
    if value[0] != value[1]:
        if slot.whole:
            raise NotExpressibleError(f"{slot.name} is one whole number, and cannot say a pair of two")
        arguments.uneven.append(slot.name)
        return value
    return value if pair else value[0]
