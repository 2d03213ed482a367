"""Reads a signature with a layer's vocabulary: what each argument stands for, and what is passed for it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from gradcheck_cli.implementation.implementation import ImplementationError, NotExpressibleError, call, name_of
from gradcheck_cli.layers.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gradcheck_cli.layers.vocabulary import Argument, Sizes, Vocabulary

_EMPTY = inspect.Parameter.empty

#: Names of a dictionary of parameters, and their endings.
_DICTIONARIES = ("param", "params", "parameters", "hparams", "options", "opts", "config", "cfg", "settings", "dict")
_CACHES = ("cache", "caches", "ctx", "context", "saved", "tmp", "memory")
#: Names of a gradient are those of the input or the output with one of these before it.
_COTANGENTS = ("d", "grad", "delta", "error", "err", "upstream", "dl", "up", "prevgrad", "accumgrad", "topdiff")

#: What may be asked for beside the geometry, and cannot change what is computed.
_INDIFFERENT: dict[str, object] = {
    **dict.fromkeys(("name", "layername", "label", "id"), "layer"),
    **dict.fromkeys(("lr", "learningrate", "eta", "alpha", "reg", "l2", "weightdecay", "momentum", "lambda"), 0.0),
    **dict.fromkeys(("optimizer", "optim", "opt", "regularizer", "initializer", "init"), None),
    **dict.fromkeys(("training", "istraining", "train", "trainable"), True),
    **dict.fromkeys(("verbose", "debug"), False),
    **dict.fromkeys(("seed", "randomstate"), 0),
}
_BIAS_FLAGS = ("usebias", "withbias", "hasbias", "addbias", "bias")


class MisfitError(Exception):
    """A function or class is not of this convention; the message says what about it is not."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One argument, and what it stands for."""

    name: str
    kind: str  #: input, argument, dictionary, cache, cotangent, constant or omitted
    key: str = ""  #: which input, or which argument of the vocabulary
    value: object = None  #: of a constant
    default: Any = _EMPTY
    by_name: bool = False  #: passed by name, because it can be or must be
    whole: bool = False  #: annotated as a whole number, so that a pair cannot be meant


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to fill the slots: the forms of the arguments, and whether pairs are always passed as such."""

    forms: Mapping[str, str | None]  #: by argument, the title of its form; None to leave it out
    absent: Mapping[str, str]  #: by argument that there is no slot for, how it is made up for
    pairs: bool = False

    @property
    def title(self) -> str:
        """Say what is not usual about it."""
        said = [title for title in (*self.forms.values(), *self.absent.values()) if title]
        return ", ".join(said)


@dataclass(frozen=True, kw_only=True)
class Filled:
    """Arguments for a call."""

    args: list[object] = field(default_factory=list)
    kwargs: dict[str, object] = field(default_factory=dict)
    uneven: list[str] = field(default_factory=list)  #: which were passed a pair of two different numbers

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


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """List the arguments of a function or class, without *args and **kwargs.

    Raises:
        MisfitError: it does not say what it takes.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise MisfitError(f"`{name_of(function)}` does not say what it takes") from error
    skipped = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [parameter for parameter in parameters if parameter.kind not in skipped]


def classify(parameter: inspect.Parameter, vocabulary: Vocabulary, inputs: Iterable[str]) -> Slot | None:
    """Say what an argument stands for, by its name; None if the name says nothing."""
    name, reduced = parameter.name, word(parameter.name)

    def slot(kind: str, key: str = "", value: object = None) -> Slot:
        keyword_only = parameter.kind is inspect.Parameter.KEYWORD_ONLY
        whole = parameter.annotation in (int, "int")
        default = parameter.default
        return Slot(name=name, kind=kind, key=key, value=value, default=default, by_name=keyword_only, whole=whole)

    if reduced in _BIAS_FLAGS and isinstance(parameter.default, bool):
        return slot("constant", value=True)
    for key in inputs:
        if reduced in vocabulary.inputs[key]:
            return slot("input", key)
    exactly = (key for key, argument in vocabulary.arguments.items() if name in argument.names)
    loosely = (key for key, argument in vocabulary.arguments.items() if reduced in argument.names)
    for key in (*exactly, *loosely):
        return slot("argument", key)
    if reduced.endswith(_DICTIONARIES):
        return slot("dictionary")
    if reduced in _CACHES:
        return slot("cache")
    if parameter.default is not _EMPTY:
        return slot("omitted")
    return slot("constant", value=_INDIFFERENT[reduced]) if reduced in _INDIFFERENT else None


def placed(parameter: inspect.Parameter, kind: str, key: str = "") -> Slot:
    """Make a slot of an argument whose place, not its name, says what it stands for."""
    by_name = parameter.kind is inspect.Parameter.KEYWORD_ONLY
    return Slot(name=parameter.name, kind=kind, key=key, default=parameter.default, by_name=by_name)


def readings(slots: Iterable[Slot], vocabulary: Vocabulary) -> Iterator[Reading]:
    """List the ways to fill slots, the likeliest first."""
    slots = list(slots)
    arguments = {slot.key: slot for slot in slots if slot.kind == "argument"}
    if any(slot.kind == "dictionary" for slot in slots):
        lacking: list[str] = []
    else:
        lacking = [key for key in vocabulary.arguments if key not in arguments]
    forms = [_forms(slot, vocabulary.arguments[key]) for key, slot in arguments.items()]
    absents = [list(vocabulary.arguments[key].absent) for key in lacking]
    in_pairs = any(isinstance(slot.default, tuple | list) for slot in slots)
    in_pairs |= any(vocabulary.arguments[key].pair and "shape" in slot.name for key, slot in arguments.items())
    for chosen in product(*forms):
        for made_up in product(*absents):
            for pairs in (in_pairs, not in_pairs):
                yield Reading(
                    forms=dict(zip(arguments, chosen, strict=True)),
                    absent=dict(zip(lacking, made_up, strict=True)),
                    pairs=pairs,
                )


def _forms(slot: Slot, argument: Argument) -> list[str | None]:
    titles: list[str | None] = list(argument.forms)
    if isinstance(slot.default, str) and len(titles) > 1 and not argument.optional:
        titles = [*titles[1:], titles[0]]  # a default in words is likeliest to want words
    return [None, *titles] if argument.optional and slot.default is not _EMPTY else titles


def fill(
    slots: Iterable[Slot], reading: Reading, vocabulary: Vocabulary, sizes: Sizes, given: Mapping[str, object]
) -> Filled:
    """Fill slots for one geometry.

    Args:
        slots: the arguments.
        reading: in which forms.
        vocabulary: which knows the forms.
        sizes: the geometry.
        given: the values of inputs by their name, and of "dictionary", "cache" and "cotangent".

    Raises:
        NotExpressibleError: this reading cannot say the geometry.
    """
    for key, title in reading.absent.items():
        if reason := vocabulary.arguments[key].absent[title](sizes):
            raise NotExpressibleError(reason)
    filled, by_name = Filled(), False
    for slot in slots:
        value = slot.value
        if slot.kind == "omitted":
            by_name = True
            continue
        if slot.kind == "argument":
            argument, form = vocabulary.arguments[slot.key], reading.forms[slot.key]
            if form is None or (argument.optional and slot.default is not _EMPTY and _unneeded(argument, sizes)):
                if any(absent(sizes) for absent in argument.absent.values()):
                    raise NotExpressibleError(f"{slot.name} is left at {slot.default!r}")
                by_name = True
                continue
            value = _value(slot, argument, form, reading, sizes, filled)
        elif slot.kind != "constant":
            value = given[slot.key or slot.kind]
        if by_name or slot.by_name:
            filled.kwargs[slot.name] = value
        else:
            filled.args.append(value)
    return filled


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


def written(name: str, slots: Iterable[Slot | inspect.Parameter]) -> str:
    """Write a call: `conv_forward(x, w, b, stride, pad)`."""
    return f"{name}({', '.join(slot.name for slot in slots)})"


def takes(function: Callable[..., Any], count: int) -> bool:
    """Tell whether a function can be called with so many arguments in order; one that does not say is to be tried."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
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


def is_cotangent(name: str) -> bool:
    """Tell whether a name may be that of a gradient that comes in."""
    return word(name).startswith(_COTANGENTS)


def forward_slots(function: Callable[..., Any], vocabulary: Vocabulary, inputs: tuple[str, ...]) -> list[Slot]:
    """Read the signature of a forward pass: the inputs by name, or else in their order; then the geometry.

    Raises:
        MisfitError: it lacks an input, or asks for something else.
    """
    parameters = parameters_of(function)
    named = {p.name: classify(p, vocabulary, inputs) for p in parameters}
    found = {slot.key for slot in named.values() if slot and slot.kind == "input"}
    said = written(name_of(function), parameters)
    if found != set(inputs):
        first = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY][: len(inputs)]
        left = [key for key in inputs if key not in found]
        for parameter in first:
            slot = named[parameter.name]
            if not left:
                break
            if slot is None:
                named[parameter.name] = placed(parameter, "input", left.pop(0))
            elif slot.kind != "input":
                raise MisfitError(f"`{said}` takes no {left[0]}")
        if left:
            raise MisfitError(f"`{said}` takes no {left[0]}")
    unknown = [p for p in parameters if named[p.name] is None]
    kinds = {slot.kind for slot in named.values() if slot}
    if len(unknown) == 1 and not kinds & {"dictionary", "argument"}:
        named[unknown[0].name] = placed(unknown[0], "dictionary")
        unknown = []
    if unknown:
        raise MisfitError(f"`{said}` takes `{unknown[0].name}`, of which the meaning is not known")
    return [slot for slot in named.values() if slot]


def backward_slots(function: Callable[..., Any], vocabulary: Vocabulary, inputs: tuple[str, ...]) -> list[Slot]:
    """Read the signature of a backward pass: the cotangent, and then the cache or what else it needs.

    Raises:
        MisfitError: it takes nothing, or asks for something else.
    """
    parameters = parameters_of(function)
    said = written(name_of(function), parameters)
    named = {p.name: classify(p, vocabulary, inputs) for p in parameters}
    free = [p for p in parameters if named[p.name] is None]
    first = next((p for p in free if is_cotangent(p.name)), next(iter(free or parameters), None))
    if first is None:
        raise MisfitError(f"`{said}` takes no arguments, not (dout, cache)")
    named[first.name] = placed(first, "cotangent")
    unknown = [p for p in parameters if named[p.name] is None]
    if unknown and not any(slot.kind == "cache" for slot in named.values() if slot):
        named[unknown[0].name] = placed(unknown[0], "cache")
        unknown = unknown[1:]
    if unknown:
        raise MisfitError(f"`{said}` takes `{unknown[0].name}`, of which the meaning is not known")
    return [slot for slot in named.values() if slot]
