"""A whole network as a class: its constructor takes sizes, forward data and returns the loss, backward the gradients.

The network is a class with a loss, or functions that compute the loss and the gradients. What their arguments stand for
is read from the names: data, targets, the output, a cache, the parameters. Any other is an argument of the whole.
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.calling import describe
from gradcheck_cli.implementation.conventions.attributes import attributes, stored_output
from gradcheck_cli.implementation.conventions.code import Code
from gradcheck_cli.implementation.conventions.network_steps import OUTPUTS, Role, Step, is_penalty
from gradcheck_cli.implementation.conventions.optimizer import LEARNING_RATE
from gradcheck_cli.implementation.conventions.reading import Reading
from gradcheck_cli.implementation.conventions.slots import (
    INDIFFERENT,
    Slot,
    SlotKind,
    is_cotangent,
    slot_for,
    write_call,
)
from gradcheck_cli.implementation.conventions.source import returned_names
from gradcheck_cli.implementation.conventions.stand_ins import stand_ins_for
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.implementation.vocabulary.vocabulary import Vocabulary, word, words
from gradcheck_cli.layers.framework.layer import Layer
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    import inspect


#: Elements of parameters with which the derivatives of a loss take some seconds; and blocks in an axis, such as gates.
_MANY, _BLOCKS = 300, (2, 3, 4)


@dataclass(frozen=True)
class Network:
    """A network: how it is made, and its steps."""

    name: str
    steps: Mapping[str, Step]  #: of "forward", "loss" and "backward", those that it has
    maker: Callable[..., Any] = dict  #: a class, or a function that makes a dictionary of parameters
    sizes: tuple[inspect.Parameter, ...] = ()  #: arguments of the maker
    module: Mapping[str, Any] = field(default_factory=dict)  #: where the parameters are, if they are globals
    globals: tuple[str, ...] = ()  #: of these names
    given: Mapping[str, Role] = field(default_factory=dict)  #: the arguments of the maker that are data or targets
    losses: Mapping[str, Step] = field(default_factory=dict)  #: those that may be meant where it has none that runs

    def readings(self, layer: Layer) -> Iterator[Reading]:
        """Yield the network as a class, with each stand-in for an object, and with each loss that may be meant."""
        slots = tuple(self._slot(p) for p in self._arguments if p not in self.sizes or p.name in self.given)
        arrays = [slot for slot in slots if slot.kind is SlotKind.INPUT]
        order = tuple(slot.key for slot in sorted(arrays, key=lambda slot: slot.value is Role.DATA))
        is_rated = any(step.takes(Role.RATE) for step in self.steps.values())  # then it updates the parameters itself
        rate = [Slot(name="learning_rate", kind=SlotKind.LEARNING_RATE, by_name=True)] if is_rated else []
        losses = {**({"": self.steps["loss"]} if "loss" in self.steps else {}), **self.losses}
        for (made, given), (title, loss) in itertools.product(stand_ins_for([*self.sizes]).items(), losses.items()):
            yield Reading(
                layer=layer,
                vocabulary=Vocabulary(inputs={name: (word(name),) for name in order}),
                code=Code(
                    cls=self._named(partial(self._make)),
                    forward=self._named(lambda holder, loss=loss, **given: self._forward(loss, holder, given)),
                    backward=self._named(lambda holder, cache, **_: self._backward(holder, cache)),
                    title=self._title_with(loss) + (f", taken for the gradient of {title}" if title else ""),
                    taken_for=title,
                ),
                constructor=tuple(self._slot(p, given) for p in self.sizes),
                forward=slots,
                backward=(Slot(name="cache", kind=SlotKind.CACHE), *rate),
                order=order,
                notes=(made,),
            )

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """What the network is made of."""
        maker = self.maker.__init__ if isinstance(self.maker, type) else self.maker  # type: ignore[misc]
        return (maker, *(step.function for step in self.steps.values()))

    def _title_with(self, loss: Step) -> str:
        """Write the steps of its own that are called with a loss."""
        called = {"backward", *(["forward"] if self._runs_before(loss) else [])}
        own = [step for name, step in self.steps.items() if name in called or step is loss]
        calls = [write_call(step.function.__name__, step.parameters) for step in own]
        if isinstance(self.maker, type) and self.maker is not dict:
            return f"network {write_call(self.name, self.sizes)}.{', .'.join(calls)}"
        kept = f"the globals {join_names(self.globals)}" if self.globals else ""
        cut = [f"{short} for {length}" for length, short in self._lengths.items() if short != length]
        kept += f", with axes of {join_names(cut)}" if cut else ""
        kept = kept or (write_call(self.maker.__name__, self.sizes) if self.maker is not dict else "")
        return ", ".join(calls) + (f", with parameters of {kept}" if kept else "")

    def _runs_before(self, loss: Step) -> bool:
        """Tell whether forward must be called before a loss, which may do that itself."""
        steps, left = (loss, self.steps.get("backward", loss)), (Role.OUTPUT, Role.CACHE)
        return not loss.takes(Role.DATA) or any(step.takes(role) for step in steps for role in left)

    @cached_property
    def _arguments(self) -> list[inspect.Parameter]:
        """The arguments of the whole, sizes first; what several steps take is one."""
        ordered = [self.steps[name] for name in ("forward", "loss", "backward") if name in self.steps]
        found = {p.name: p for p in self.sizes}
        taken: set[Role | None] = set(self.given.values())
        for step in ordered:
            for p in (p for p in step.parameters if p.name not in self._returned):
                role = step.roles.get(p.name)
                if role is None or (role in (Role.DATA, Role.TARGETS) and role not in taken):
                    taken.add(role)
                    found.setdefault(p.name, p)
        return list(found.values())

    @cached_property
    def _returned(self) -> tuple[str, ...]:
        """The names of what forward returns, by which the other steps may take it."""
        names = returned_names(self.steps["forward"].function) if "forward" in self.steps else ()
        return names if len(names) > 1 and all(names) else ()

    @cached_property
    def _lengths(self) -> dict[int, int]:
        """The lengths of the axes of globals, and those that they have here, if there are many elements."""
        shapes = [np.shape(self.module[name]) for name in self.globals]
        is_large = sum(map(math.prod, shapes)) > _MANY
        lengths = {*itertools.chain(*shapes)}
        return shortened(lengths) if is_large else dict(zip(lengths, lengths, strict=True))

    def _role(self, name: str) -> Role | None:
        roles = (self.given, *(step.roles for step in self.steps.values()))
        return next((own[name] for own in roles if name in own), None)

    def _slot(self, parameter: inspect.Parameter, stand_ins: Mapping[str, object] = MappingProxyType({})) -> Slot:
        """Say that an argument is an input, and what it stands for; or what is given in its place."""
        flag = INDIFFERENT.get(word(parameter.name))
        if parameter.name in stand_ins or (isinstance(flag, bool) and parameter.default is parameter.empty):
            constant = slot_for(parameter, SlotKind.CONSTANT, value=stand_ins.get(parameter.name, flag))
            return replace(constant, by_name=True)
        role = self._role(parameter.name) or (Role.PENALTY if is_penalty(parameter) else None)
        role = role or (Role.SIZE if parameter in self.sizes else None)
        parameter = parameter.replace(default=parameter.empty) if role in (Role.DATA, Role.TARGETS) else parameter
        return replace(slot_for(parameter, SlotKind.INPUT, parameter.name, role), by_name=True)

    def _named(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Give a function the name of the network, and say where that is written."""
        main = self.steps.get("backward") or self.steps["loss"]
        function.__name__ = function.__qualname__ = self.name
        function.__wrapped__ = main.function  # type: ignore[attr-defined]
        return function

    def _make(self, **given: object) -> Any:
        """Make what holds the parameters."""
        if self.globals:
            arrays = {name: np.array(self.module[name]) for name in self.globals}
            return {name: one[tuple(slice(self._lengths[n]) for n in one.shape)] for name, one in arrays.items()}
        return self.maker(**{p.name: _as_wanted(p, given[p.name]) for p in self.sizes if p.name in given})

    def _forward(self, loss: Step, holder: Any, given: dict[str, object]) -> tuple[Any, object]:
        """Return the loss, and for backward what the loss returned beside it and what the steps left."""
        values: dict[Role, Any] = {Role.PARAMETERS: holder, Role.RATE: LEARNING_RATE}
        values |= {role: given[name] for name in given if (role := self._role(name))}
        with self._globals_of(holder):
            if (step := self.steps.get("forward")) and self._runs_before(loss):
                earlier = attributes(holder)
                returned = step.call(holder, values, given)
                is_several = isinstance(returned, tuple) or (isinstance(returned, list) and len(self._returned) > 1)
                several = tuple(returned) if is_several else (returned,)
                named = dict(zip(self._returned, several, strict=False)) if len(several) > 1 else {}
                outputs = [value for name, value in named.items() if word(name) in OUTPUTS] or several[:1]
                values[Role.OUTPUT] = stored_output(holder, earlier) if returned is None else outputs[-1]
                if len(several) > 1:
                    values[Role.CACHE] = several[1] if len(several) == 2 else several[1:]
                given = {**named, **given}
            number, parts = _number_of(loss.call(holder, values, given), self.name)
        return number, (_gradients_in(tuple(parts), loss.function), values, given)

    def _backward(self, holder: Any, cache: Any) -> object:
        """Return what the backward pass returns, or what the loss returned beside the number."""
        parts, values, given = cache
        step = self.steps.get("backward")
        with self._globals_of(holder):
            if step is None:
                return parts
            return _gradients_in(step.call(holder, {**values, Role.PARAMETERS: holder}, given), step.function)

    @contextlib.contextmanager
    def _globals_of(self, holder: Any) -> Iterator[None]:
        """Put the values that are held in place of the globals for a block."""
        names = [name for step in self.steps.values() for name in step.function.__code__.co_names if self.globals]
        read = [name for name in names if type(self.module.get(name)) is int]
        before: Any = {name: self.module[name] for name in (*self.globals, *read)}
        module: Any = self.module
        module.update({name: self._lengths.get(n, n) if name in read else holder[name] for name, n in before.items()})
        try:
            yield
        finally:
            module.update(before)


def shortened(lengths: Iterable[int]) -> dict[int, int]:
    """Return short lengths in place of others, in which what is a multiple or the sum of two others stays that."""
    found, own = {1: 1}, itertools.count(4)  # as many as there are classes of labels
    for length in sorted({*lengths} - {1}):
        ratios = [length // one for one in found if 1 < one < length and length % one == 0]
        sums = [one for one in found if one > 1 and length - one in found and length - one > 1]
        if ratios and ratios[0] in _BLOCKS:
            found[length] = ratios[0] * found[length // ratios[0]]
        else:
            found[length] = found[sums[0]] + found[length - sums[0]] if sums else next(own)
    return found


def _number_of(returned: object, name: str) -> tuple[Any, list[object]]:
    """Split what was returned into a number and the rest, whichever comes first."""
    several = list(returned) if isinstance(returned, tuple | list) else [returned]
    for k, value in enumerate(several[:2]):
        number = np.asarray(value) if isinstance(value, float | np.floating | np.ndarray) else np.zeros(0)
        if number.dtype.kind == "f" and number.size == 1:
            return number.reshape(()), several[:k] + several[k + 1 :]
    raise ImplementationError(f"{name} returned {describe(returned)}, not a loss, or a loss and gradients")


def _gradients_in(returned: object, function: Callable[..., Any]) -> object:
    """Return those values of a tuple whose names in the last `return` say gradient; all where no name does."""
    if not isinstance(returned, tuple):
        return returned
    labels = returned_names(function)[-len(returned) :]
    said = [value for value, label in zip(returned, labels, strict=False) if is_cotangent(label)]
    found = tuple(said if said and len(labels) == len(returned) else returned)
    return found[0] if len(found) == 1 else found


def _as_wanted(parameter: inspect.Parameter, value: object) -> object:
    """Return sizes as a list, unless the default is a tuple; and words with numbers for how many words there are."""
    if word(parameter.name) in VOCABULARIES and isinstance(value, int):
        return {name: k for k, name in enumerate(["<NULL>", "<START>", "<END>", *map(str, range(3, value))][:value])}
    return list(value) if isinstance(value, tuple) and not isinstance(parameter.default, tuple) else value


#: What a dictionary from words to numbers is called.
VOCABULARIES = words("wordto{idx,ix,id,index} word2{idx,ix,id,index} vocab chartoix char2ix")
