"""The arguments of functions, and what each stands for according to its name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import Enum
from typing import Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.guard.clock import pass_on_interrupt
from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.optimizer import OPTIMIZERS, Optimizer
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary, word, words

EMPTY = inspect.Parameter.empty

#: Names of a dictionary of parameters, and their endings.
DICTIONARIES = ("param", "params", "parameters", "hparams", "options", "opts", "config", "cfg", "settings", "dict")
#: Names of what forward leaves for backward: a context that forward takes and fills, or a cache that it returns.
CACHES = ("cache", "caches", "ctx", "context", "saved", "tmp", "memory", "tape", "mem", "savedtensors")
#: Names of a cache that could be something else too. They decide only between arguments that nothing else tells apart.
PROBABLE_CACHES = (
    *("state", "states", "residuals", "residual", "stuff", "pull", "layer", "l", "m", "c", "self", "kept", "aux"),
    *("store", "stored", "back", "info", "packed", "intermediate", "intermediates"),
)
#: Names of a gradient are those of the input or the output with one of these before it, or one of the second list.
COTANGENTS = ("d", "grad", "delta", "error", "err", "upstream", "dl", "up", "prevgrad", "accumgrad", "topdiff")
_WHOLE_COTANGENTS = ("g", "gy", "gz", "gh", "gout", "gradient", "cotangent", "ct", "vbar", "ybar")

#: Names of an array that forward fills, and of a dictionary that backward does.
FILLED_OUTPUTS = ("out", "output", "y", "z", "dst", "result", "res")
FILLED_GRADIENTS = ("grads", "gradients", "dparams", "gradparams", "paramgrads", "derivatives")

_RUNNING = ("moving", "run", "pop", "ema", "avg", "average", "global")  #: what people say for "running"

LEARNING_RATES = ("lr", "learningrate", "eta", "alpha", "learnrate", "lrate", "stepsize")
#: What may be asked for beside the geometry, and cannot change what is computed. A call is given a copy.
INDIFFERENT: dict[str, object] = {
    **dict.fromkeys(("name", "layername", "label", "id"), "layer"),
    **dict.fromkeys((*LEARNING_RATES, "reg", "l2", "weightdecay", "momentum", "lambda"), 0.0),
    **dict.fromkeys(("regularizer", "initializer", "init"), None),
    **dict.fromkeys(OPTIMIZERS, Optimizer()),
    **dict.fromkeys(("training", "istraining", "train", "trainable"), True),
    **dict.fromkeys(("verbose", "debug"), False),
    **dict.fromkeys(("seed", "randomstate"), 0),
}
#: What a generator of random numbers is called. Code is given NumPy's global one, which is seeded before each call.
GENERATORS = ("rng", "generator", "prng", "nprng", "rs")
BIAS_FLAGS = ("usebias", "withbias", "hasbias", "addbias", "bias")


#: What labels are called.
LABELS = words("y {,y}true t{,arget}{,s} label{,s} ytrue yonehot onehot {,ground}truth gt actual expected desired")

#: What the length of an axis is called: one capital letter, `hidden_size`, `n_heads`.
SIZE = re.compile(r"[A-Z]$|(n|num)_\w+$|num[a-z]+s$|(\w+_)?(dim|size|heads?|len|length)$")

VARIABLE = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


class MisfitError(Exception):
    """Code cannot be understood as the passes of a layer; the message says what about it cannot."""


class SlotKind(Enum):
    """The meaning of an argument."""

    INPUT = "input"  #: one of the layer's inputs
    ARGUMENT = "argument"  #: a part of the geometry, by the layer's vocabulary
    DICTIONARY = "dictionary"  #: of the layer's parameters
    ENTRY = "entry"  #: of that dictionary, such as a running mean
    CONTAINER = "container"  #: a dictionary, list or tuple of inputs
    CONTEXT = "context"  #: what forward or a constructor is given to fill for backward
    CACHE = "cache"  #: what backward gets of it, or of what forward returned
    COTANGENT = "cotangent"
    OUTPUT = "output"  #: what forward returned, for a gradient that is computed from it
    SHAPE = "shape"  #: of an input, or the length of one of its axes
    FILLED = "filled"  #: an array of zeros for an output or the gradient of an input, or a dictionary for all gradients
    LEARNING_RATE = "learning rate"  #: of a backward pass that updates the parameters
    CONSTANT = "constant"  #: something that cannot change what is computed
    OMITTED = "omitted"  #: left at its default


@frozen
class Slot:
    """One argument, and what it stands for."""

    name: str
    kind: SlotKind
    #: Which input, or which argument of the vocabulary. A context or cache with a key is, failing that, this input.
    key: str = ""
    value: object = None  #: of a constant
    default: Any = EMPTY
    by_name: bool = False  #: passed by name, because it must be
    whole: bool = False  #: annotated as a whole number, so that a pair cannot be meant
    spread: bool = False  #: passed as *args or **kwargs
    #: What is looked up in a dictionary or list: by key or place the input that is there, "" for anything else.
    entries: tuple[tuple[str | int, str], ...] = ()

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs that are passed as this argument."""
        return (self.key,) if self.kind is SlotKind.INPUT else tuple(name for _, name in self.entries if name)

    @property
    def is_open(self) -> bool:
        """Whether it is a container of which only a call tells what is looked up in it."""
        return self.kind is SlotKind.CONTAINER and not self.entries

    @property
    def is_flag(self) -> bool:
        """Whether it is True or False where it is left out."""
        return isinstance(self.default, bool)

    @property
    def has_default(self) -> bool:
        """Whether it may be left out."""
        return self.default is not EMPTY


Slots = tuple[Slot, ...]


def has(kind: SlotKind, slots: Iterable[Slot]) -> bool:
    """Tell whether one of the slots is of a kind."""
    return any(slot.kind is kind for slot in slots)


def has_open_container(slots: Iterable[Slot]) -> bool:
    """Tell whether one of the slots is a container of which only a call tells what is looked up in it."""
    return any(slot.is_open for slot in slots)


def with_meaning(slots: Slots, name: str, kind: SlotKind, **meaning: Any) -> Slots:
    """Return slots of which that of a name has another meaning."""
    return tuple(replace(slot, kind=kind, **meaning) if slot.name == name else slot for slot in slots)


def with_other_flags(backward: Slots, forward: Iterable[Slot]) -> list[Slots]:
    """List the slots in which a flag that backward alone has, such as `from_output=True`, is not at its default."""
    shared = {slot.name for slot in forward}
    flags = [slot for slot in backward if slot.is_flag and slot.kind is SlotKind.OMITTED and slot.name not in shared]
    return [
        with_meaning(backward, flag.name, SlotKind.CONSTANT, value=not flag.default, by_name=True) for flag in flags
    ]


def slot_for(parameter: inspect.Parameter, kind: SlotKind, key: str = "", value: object = None) -> Slot:
    """Make the slot of an argument."""
    return Slot(
        name=parameter.name,
        kind=kind,
        key=key,
        value=value,
        default=parameter.default,
        by_name=parameter.kind is inspect.Parameter.KEYWORD_ONLY,
        whole=parameter.annotation in (int, "int"),
    )


def generator_for(parameter: inspect.Parameter) -> Slot | None:
    """Return the slot of an argument for a generator of random numbers, also of one that is None by default."""
    is_one = word(parameter.name) in GENERATORS and (parameter.default is EMPTY or parameter.default is None)
    numpys = np.random.random.__self__  # type: ignore[attr-defined]
    return slot_for(parameter, SlotKind.CONSTANT, value=numpys) if is_one else None


def classify(parameter: inspect.Parameter, vocabulary: Vocabulary, inputs: Iterable[str]) -> Slot | None:
    """Say what an argument stands for, by its name; None if the name says nothing."""
    name, reduced = parameter.name, word(parameter.name)
    if generator := generator_for(parameter):
        return generator
    if reduced in BIAS_FLAGS and isinstance(parameter.default, bool):
        return slot_for(parameter, SlotKind.CONSTANT, value=True)
    for key in inputs:
        if reduced in vocabulary.inputs[key]:
            return slot_for(parameter, SlotKind.INPUT, key)
    for called in (name, reduced):  # K and k may be different numbers
        for key, argument in vocabulary.arguments.items():
            if called in argument.names:
                return slot_for(parameter, SlotKind.ARGUMENT, key)
    if reduced.endswith(DICTIONARIES):
        return slot_for(parameter, SlotKind.DICTIONARY)
    if reduced in CACHES:
        return slot_for(parameter, SlotKind.CACHE)
    return indifferent(parameter) or (None if parameter.default is EMPTY else slot_for(parameter, SlotKind.OMITTED))


def indifferent(parameter: inspect.Parameter) -> Slot | None:
    """Say what is given for an argument that cannot change what is computed, if it needs anything to be given."""
    if generator := generator_for(parameter):
        return generator
    reduced = word(parameter.name)
    is_needed = parameter.default is EMPTY or (reduced in OPTIMIZERS and parameter.default is None)
    value = INDIFFERENT.get(reduced, EMPTY) if is_needed else EMPTY
    return None if value is EMPTY else slot_for(parameter, SlotKind.CONSTANT, value=value)


def classify_ahead(parameter: inspect.Parameter, vocabulary: Vocabulary, inputs: Iterable[str]) -> Slot | None:
    """Say what an argument of forward or of a constructor stands for: what is a cache in backward is filled here."""
    slot = classify(parameter, vocabulary, inputs)
    return replace(slot, kind=SlotKind.CONTEXT) if slot and slot.kind is SlotKind.CACHE else slot


def state_names(name: str) -> list[str]:
    """List what an entry of the layer's state is called, reduced."""
    return [word(name), *(word(name).replace("running", other) for other in _RUNNING)]


def is_cotangent(name: str) -> bool:
    """Tell whether a name may be that of a gradient that comes in: `dout`, `grad_y`, `out_grad`, `g`, `g_next`."""
    return (
        word(name).startswith(COTANGENTS)
        or word(name).endswith("grad")
        or not {word(name), name.lower().split("_")[0]}.isdisjoint(_WHOLE_COTANGENTS)
    )


def is_context(name: str) -> bool:
    """Tell whether a name is one of a cache or of a context."""
    return word(name) in CACHES


def signature_of(function: Callable[..., Any]) -> inspect.Signature | None:
    """Return the signature of a function or class; None if it does not say what it takes."""
    try:
        signature = inspect.signature(function)
        kinds = {parameter.kind for parameter in signature.parameters.values()}
        inner = _decorated(function) if kinds and kinds <= {*VARIABLE} else None
        return signature if inner is None else signature_of(inner)
    except BaseException as error:  # noqa: BLE001  # a `__signature__` or a metaclass of the user's may raise anything
        pass_on_interrupt(error)
        return _of_constructor(function) if isinstance(function, type) else None


def _decorated(function: Callable[..., Any]) -> Callable[..., Any] | None:
    """Return the one function with a name that a wrapper of *args and **kwargs calls, put into it by a decorator."""
    cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    inner = [value for value in cells if inspect.isfunction(value) and value.__name__ != "<lambda>"]
    return inner[0] if len(inner) == 1 else None


def _of_constructor(cls: type) -> inspect.Signature | None:
    """Return the signature of a class whose metaclass does not let it be asked."""
    constructor = next((vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)), None)
    if constructor is object.__init__:
        return inspect.Signature()
    signature = signature_of(constructor) if inspect.isfunction(constructor) else None
    return signature and signature.replace(parameters=[*signature.parameters.values()][1:])


def names_arguments(function: Callable[..., Any]) -> bool:
    """Tell whether a function names its arguments; a compiled one, or one of *args, can only be called in order."""
    signature = signature_of(function)
    kinds = {parameter.kind for parameter in signature.parameters.values()} if signature else set()
    return signature is not None and inspect.Parameter.VAR_POSITIONAL not in kinds


def parameters_of(function: Callable[..., Any], *, skip: int = 0) -> list[inspect.Parameter]:
    """List the arguments of a function or class, without *args and **kwargs, and without the first `skip`.

    Raises:
        MisfitError: it does not say what it takes.
    """
    signature = signature_of(function)
    if signature is None:
        raise MisfitError(f"`{name_of(function)}` does not say what it takes")
    parameters = [*signature.parameters.values()][skip:]
    return [parameter for parameter in parameters if parameter.kind not in VARIABLE]


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


def write_call(name: str, arguments: Iterable[Slot | inspect.Parameter]) -> str:
    """Write a call: `conv_forward(x, w, b, stride, pad)`."""
    return f"{name}({', '.join(argument.name for argument in arguments)})"
