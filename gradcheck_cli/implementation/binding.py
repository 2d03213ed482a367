"""Fills the slots of a signature: in which forms arguments are passed, and what is passed for each."""

from __future__ import annotations

from dataclasses import field
from itertools import product
from typing import TYPE_CHECKING, Any, assert_never

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError, call, name_of
from gradcheck_cli.implementation.signature import signature_of
from gradcheck_cli.implementation.slots import MisfitError, SlotKind, parameters_of, written
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gradcheck_cli.implementation.slots import Slot
    from gradcheck_cli.implementation.vocabulary.vocabulary import Argument, Sizes, Vocabulary

#: Stands for an argument that is not passed.
_LEFT_OUT = object()


@frozen
class Reading:
    """One way to fill the slots: the forms of the arguments, and whether pairs are always passed as such."""

    forms: Mapping[str, str | None]  #: by argument, the title of its form; None to leave it out
    absent: Mapping[str, str]  #: by argument that there is no slot for, how it is made up for
    pairs: bool = False
    fills_context: bool = False  #: whether a context that has a default is passed all the same

    @property
    def title(self) -> str:
        """Say what is not usual about it."""
        said = [title for title in (*self.forms.values(), *self.absent.values()) if title]
        return ", ".join(said)


@frozen
class Filled:
    """Arguments for a call."""

    args: list[object] = field(default_factory=list)
    kwargs: dict[str, object] = field(default_factory=dict)
    uneven: list[str] = field(default_factory=list)  #: which were passed a pair of two different numbers

    def add(self, slot: Slot, value: object, *, by_name: bool) -> None:
        """Pass a value in order or by name, or nothing."""
        if value is _LEFT_OUT:
            return
        if by_name:
            self.kwargs[slot.name] = value
        else:
            self.args.append(value)

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
                self.blame(name_of(function), error)
            raise

    def blame(self, who: str, error: ImplementationError) -> None:
        """Lay an error to the first pair of two different numbers that `who` was passed, if there was one.

        Raises:
            NotExpressibleError: there was.
        """
        if self.uneven:
            raise NotExpressibleError(f"{who} takes no pair of numbers as {self.uneven[0]}: {error}") from error


def readings(slots: Iterable[Slot], vocabulary: Vocabulary) -> Iterator[Reading]:
    """List the ways to fill slots, the likeliest first."""
    slots = list(slots)
    arguments = {slot.key: slot for slot in slots if slot.kind is SlotKind.ARGUMENT}
    if any(slot.kind is SlotKind.DICTIONARY for slot in slots):
        lacking: list[str] = []
    else:
        said = {key for key, argument in vocabulary.arguments.items() if arguments.keys() & set(argument.unless)}
        lacking = [key for key in vocabulary.arguments if key not in arguments and key not in said]
    forms = [_forms(slot, vocabulary.arguments[key]) for key, slot in arguments.items()]
    absents = [list(vocabulary.arguments[key].absent) for key in lacking]
    in_pairs = any(isinstance(slot.default, tuple | list) for slot in slots)
    in_pairs |= any(vocabulary.arguments[key].pair and "shape" in slot.name for key, slot in arguments.items())
    optional = any(slot.kind is SlotKind.CONTEXT and slot.has_default for slot in slots)
    for fills_context in (False, True) if optional else (False,):
        for chosen in product(*forms):
            for made_up in product(*absents):
                for pairs in (in_pairs, not in_pairs):
                    yield Reading(
                        forms=dict(zip(arguments, chosen, strict=True)),
                        absent=dict(zip(lacking, made_up, strict=True)),
                        pairs=pairs,
                        fills_context=fills_context,
                    )


def _forms(slot: Slot, argument: Argument) -> list[str | None]:
    titles: list[str | None] = list(argument.forms)
    if isinstance(slot.default, str) and len(titles) > 1 and not argument.optional:
        titles = [*titles[1:], titles[0]]  # a default in words is likeliest to want words
    return [None, *titles] if argument.optional and slot.has_default else titles


def fill(
    slots: Iterable[Slot],
    reading: Reading,
    vocabulary: Vocabulary,
    sizes: Sizes,
    inputs: Mapping[str, object],
    values: Mapping[SlotKind, object],
) -> Filled:
    """Fill slots for one geometry.

    Args:
        slots: the arguments.
        reading: in which forms.
        vocabulary: which knows the forms.
        sizes: the geometry.
        inputs: the values of inputs by their name.
        values: what else there is: a dictionary, a context or a cache, a cotangent, an output.

    Raises:
        NotExpressibleError: this reading cannot say the geometry.
    """
    for key, title in reading.absent.items():
        if reason := vocabulary.arguments[key].absent[title](sizes):
            raise NotExpressibleError(reason)
    filled, by_name = Filled(), False
    for slot in slots:
        value: object
        match slot.kind:
            case SlotKind.OMITTED:
                value = _LEFT_OUT
            case SlotKind.ARGUMENT:
                value = _passed(slot, vocabulary.arguments[slot.key], reading, sizes, filled)
            case SlotKind.CONSTANT:
                value = slot.value
            case SlotKind.INPUT:
                value = inputs[slot.key]
            case SlotKind.CONTEXT:
                value = values[slot.kind] if reading.fills_context or not slot.has_default else _LEFT_OUT
            case SlotKind.DICTIONARY | SlotKind.CACHE | SlotKind.COTANGENT | SlotKind.OUTPUT:
                value = values[slot.kind]
            case _:
                assert_never(slot.kind)
        filled.add(slot, value, by_name=by_name or slot.by_name)
        by_name = by_name or value is _LEFT_OUT
    return filled


def fills_context(slots: Iterable[Slot], reading: Reading) -> bool:
    """Tell whether one of these slots is a context that is passed."""
    return any(slot.kind is SlotKind.CONTEXT and (reading.fills_context or not slot.has_default) for slot in slots)


def shares_context(ahead: Iterable[Slot], back: Iterable[Slot]) -> bool:
    """Tell whether backward takes a cache under the name that the context has in forward."""
    names = {word(slot.name) for slot in ahead if slot.kind is SlotKind.CONTEXT}
    return any(slot.kind is SlotKind.CACHE and word(slot.name) in names for slot in back)


def _passed(slot: Slot, argument: Argument, reading: Reading, sizes: Sizes, filled: Filled) -> object:
    """Return what is passed as an argument of the vocabulary, or `_LEFT_OUT`."""
    form = reading.forms[slot.key]
    if form is not None and not (argument.optional and slot.has_default and _unneeded(argument, sizes)):
        return _value(slot, argument, form, reading, sizes, filled)
    if any(absent(sizes) for absent in argument.absent.values()):
        raise NotExpressibleError(f"{slot.name} is left at {slot.default!r}")
    return _LEFT_OUT


def _unneeded(argument: Argument, sizes: Sizes) -> bool:
    return "" in argument.absent and len(argument.forms) == 1 and argument.absent[""](sizes) is None


def _value(slot: Slot, argument: Argument, title: str, reading: Reading, sizes: Sizes, filled: Filled) -> object:
    try:
        value = argument.forms[title](sizes)
    except ValueError as error:
        raise NotExpressibleError(str(error)) from error
    if isinstance(value, str):
        return value.upper() if isinstance(slot.default, str) and slot.default.isupper() else value
    if not argument.pair or not isinstance(value, tuple):
        return value
    if value[0] != value[1]:
        if slot.whole:
            raise NotExpressibleError(f"{slot.name} is one whole number, and cannot say a pair of two")
        filled.uneven.append(slot.name)
        return value
    return value if reading.pairs and not slot.whole else value[0]


def takes(function: Callable[..., Any], count: int) -> bool:
    """Tell whether a function can be called with so many arguments in order; one that does not say is to be tried."""
    signature = signature_of(function)
    if signature is None:
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def require(function: Callable[..., Any], names: tuple[str, ...]) -> None:
    """Hold the signature of a function against a call in order.

    Raises:
        MisfitError: it does not take so many arguments, or wants more.
    """
    if not takes(function, len(names)):
        said = written(name_of(function), parameters_of(function))
        raise MisfitError(f"`{said}` does not take ({', '.join(names)})")
