"""What each argument of a pass or a constructor stands for, as its name and its place tell."""

from __future__ import annotations

import inspect
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.implementation import name_of
from gradcheck_cli.implementation.signature import signature_of
from gradcheck_cli.implementation.vocabulary.vocabulary import word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary

_EMPTY = inspect.Parameter.empty

#: Names of a dictionary of parameters, and their endings.
DICTIONARIES = ("param", "params", "parameters", "hparams", "options", "opts", "config", "cfg", "settings", "dict")
#: Names of what forward leaves for backward: a context that forward takes and fills, or a cache that it returns.
CACHES = ("cache", "caches", "ctx", "context", "saved", "tmp", "memory", "tape", "mem", "savedtensors")
#: Names of a cache that could be something else too. They decide only between arguments that nothing else tells apart.
_PROBABLE_CACHES = (
    *("state", "states", "residuals", "residual", "stuff", "pull", "layer", "l", "m", "c", "self", "kept", "aux"),
    *("store", "stored", "back", "info", "packed", "intermediate", "intermediates"),
)
#: Names of a gradient are those of the input or the output with one of these before it, or one of the second list.
COTANGENTS = ("d", "grad", "delta", "error", "err", "upstream", "dl", "up", "prevgrad", "accumgrad", "topdiff")
_WHOLE_COTANGENTS = ("g", "gy", "gz", "gh", "gout", "gradient", "cotangent", "ct", "vbar", "ybar")

#: What may be asked for beside the geometry, and cannot change what is computed.
INDIFFERENT: dict[str, object] = {
    **dict.fromkeys(("name", "layername", "label", "id"), "layer"),
    **dict.fromkeys(("lr", "learningrate", "eta", "alpha", "reg", "l2", "weightdecay", "momentum", "lambda"), 0.0),
    **dict.fromkeys(("optimizer", "optim", "opt", "regularizer", "initializer", "init"), None),
    **dict.fromkeys(("training", "istraining", "train", "trainable"), True),
    **dict.fromkeys(("verbose", "debug"), False),
    **dict.fromkeys(("seed", "randomstate"), 0),
}
BIAS_FLAGS = ("usebias", "withbias", "hasbias", "addbias", "bias")


class MisfitError(Exception):
    """A function or class is not of this convention; the message says what about it is not."""


class SlotKind(Enum):
    """What an argument stands for."""

    INPUT = "input"  #: one of the layer's inputs
    ARGUMENT = "argument"  #: a part of the geometry, by the layer's vocabulary
    DICTIONARY = "dictionary"  #: of the layer's parameters
    CONTEXT = "context"  #: what forward or a constructor is given to fill for backward
    CACHE = "cache"  #: what backward gets of it, or of what forward returned
    COTANGENT = "cotangent"
    OUTPUT = "output"  #: what forward returned, for a gradient that is computed from it
    CONSTANT = "constant"  #: something that cannot change what is computed
    OMITTED = "omitted"  #: left at its default


@frozen
class Slot:
    """One argument, and what it stands for."""

    name: str
    kind: SlotKind
    key: str = ""  #: which input, or which argument of the vocabulary
    value: object = None  #: of a constant
    default: Any = _EMPTY
    by_name: bool = False  #: passed by name, because it can be or must be
    whole: bool = False  #: annotated as a whole number, so that a pair cannot be meant

    @property
    def has_default(self) -> bool:
        """Whether it may be left out."""
        return self.default is not _EMPTY


def cotangent_names(slots: Iterable[Slot]) -> tuple[str, ...]:
    """Return what a backward pass calls its cotangents."""
    return tuple(slot.name for slot in slots if slot.kind is SlotKind.COTANGENT)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """List the arguments of a function or class, without *args and **kwargs.

    Raises:
        MisfitError: it does not say what it takes.
    """
    signature = signature_of(function)
    if signature is None:
        raise MisfitError(f"`{name_of(function)}` does not say what it takes")
    parameters = signature.parameters.values()
    skipped = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    return [parameter for parameter in parameters if parameter.kind not in skipped]


def classify(parameter: inspect.Parameter, vocabulary: Vocabulary, inputs: Iterable[str]) -> Slot | None:
    """Say what an argument stands for, by its name; None if the name says nothing."""
    name, reduced = parameter.name, word(parameter.name)
    whole = parameter.annotation is int or (isinstance(parameter.annotation, str) and parameter.annotation == "int")

    def slot(kind: SlotKind, key: str = "", value: object = None) -> Slot:
        return replace(placed(parameter, kind, key), value=value, whole=whole)

    if reduced in BIAS_FLAGS and isinstance(parameter.default, bool):
        return slot(SlotKind.CONSTANT, value=True)
    for key in inputs:
        if reduced in vocabulary.inputs[key]:
            return slot(SlotKind.INPUT, key)
    exactly = (key for key, argument in vocabulary.arguments.items() if name in argument.names)
    loosely = (key for key, argument in vocabulary.arguments.items() if reduced in argument.names)
    for key in (*exactly, *loosely):
        return slot(SlotKind.ARGUMENT, key)
    if reduced.endswith(DICTIONARIES):
        return slot(SlotKind.DICTIONARY)
    if reduced in CACHES:
        return slot(SlotKind.CACHE)
    if parameter.default is not _EMPTY:
        return slot(SlotKind.OMITTED)
    return slot(SlotKind.CONSTANT, value=INDIFFERENT[reduced]) if reduced in INDIFFERENT else None


def classify_ahead(parameter: inspect.Parameter, vocabulary: Vocabulary, inputs: Iterable[str]) -> Slot | None:
    """Say what an argument of forward or of a constructor stands for: what is a cache in backward is filled here."""
    slot = classify(parameter, vocabulary, inputs)
    return replace(slot, kind=SlotKind.CONTEXT) if slot and slot.kind is SlotKind.CACHE else slot


def placed(parameter: inspect.Parameter, kind: SlotKind, key: str = "") -> Slot:
    """Make a slot of an argument whose place, not its name, says what it stands for."""
    by_name = parameter.kind is inspect.Parameter.KEYWORD_ONLY
    return Slot(name=parameter.name, kind=kind, key=key, default=parameter.default, by_name=by_name)


def written(name: str, slots: Iterable[Slot | inspect.Parameter]) -> str:
    """Write a call: `conv_forward(x, w, b, stride, pad)`."""
    return f"{name}({', '.join(slot.name for slot in slots)})"


def is_cotangent(name: str) -> bool:
    """Tell whether a name may be that of a gradient that comes in."""
    return word(name).startswith(COTANGENTS) or word(name) in _WHOLE_COTANGENTS


def is_context(name: str) -> bool:
    """Tell whether a name is one of a cache or of a context."""
    return word(name) in CACHES


def choose_cotangent(free: list[inspect.Parameter]) -> inspect.Parameter | None:
    """Choose, among arguments of backward that nothing else explains, the gradient that comes in."""
    named = [p for p in free if is_cotangent(p.name)]
    return next(iter(named or [p for p in free if word(p.name) not in _PROBABLE_CACHES] or free), None)


def forward_slots(function: Callable[..., Any], vocabulary: Vocabulary, inputs: tuple[str, ...]) -> list[Slot]:
    """Read the signature of a forward pass: the inputs by name, or else in their order; then the geometry.

    Raises:
        MisfitError: it lacks an input, or asks for something else.
    """
    parameters = parameters_of(function)
    named = {p.name: classify_ahead(p, vocabulary, inputs) for p in parameters}
    found = {slot.key for slot in named.values() if slot and slot.kind is SlotKind.INPUT}
    said = written(name_of(function), parameters)
    if found != set(inputs):
        contexts = [name for name, slot in named.items() if slot and slot.kind is SlotKind.CONTEXT]
        in_order = [p for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY and p.name not in contexts]
        left = [key for key in inputs if key not in found]
        for parameter in in_order[: len(inputs)]:
            slot = named[parameter.name]
            if not left:
                break
            if slot is None:
                named[parameter.name] = placed(parameter, SlotKind.INPUT, left.pop(0))
            elif slot.kind is not SlotKind.INPUT:
                raise MisfitError(f"`{said}` takes no {left[0]}")
        if left:
            raise MisfitError(f"`{said}` takes no {left[0]}")
    unknown = [p for p in parameters if named[p.name] is None]
    kinds = {slot.kind for slot in named.values() if slot}
    if len(unknown) == 1 and not kinds & {SlotKind.DICTIONARY, SlotKind.ARGUMENT}:
        named[unknown[0].name] = placed(unknown[0], SlotKind.DICTIONARY)
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
    asked = [p for p in parameters if p.default is _EMPTY]
    if len(asked) == 2:  # one is the cotangent, and of nothing but it and a number no gradient can be computed
        for p in asked:
            slot = named[p.name]
            if slot and slot.kind is SlotKind.ARGUMENT and word(p.name) in _PROBABLE_CACHES:
                named[p.name] = None
    free = [p for p in parameters if named[p.name] is None]
    first = choose_cotangent(free) or next(iter(parameters), None)
    if first is None:
        raise MisfitError(f"`{said}` takes no arguments, not (dout, cache)")
    named[first.name] = placed(first, SlotKind.COTANGENT)
    unknown = [p for p in parameters if named[p.name] is None]
    if unknown and not any(slot.kind is SlotKind.CACHE for slot in named.values() if slot):
        named[unknown[0].name] = placed(unknown[0], SlotKind.CACHE)
        unknown = unknown[1:]
    if unknown:
        raise MisfitError(f"`{said}` takes `{unknown[0].name}`, of which the meaning is not known")
    return [slot for slot in named.values() if slot]
