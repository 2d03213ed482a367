"""The convention of any function and its gradient: what each takes is read from the names of its arguments.

`f(x, w)` and `f_grad(dout, x, w)`; `f(x, w) -> (out, cache)` and `f_backward(dout, cache)`; without a cotangent
`f_grad(x, w)`, of a number or of what is computed element by element; or f alone, which returns (number, gradients).
Arguments that have a default are left at it, unless the case names them.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.implementation.binding import (
    MisfitError,
    Reading,
    Slot,
    classify,
    fill,
    is_cotangent,
    parameters_of,
    placed,
    written,
)
from gradcheck_cli.implementation.conventions.pair import by_input, spec_of
from gradcheck_cli.implementation.implementation import (
    Implementation,
    ImplementationError,
    NotExpressibleError,
    described,
    listed,
    name_of,
)
from gradcheck_cli.layers.vocabulary import simple, word

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from gradcheck_cli.arrays import Array

#: What the output is called by gradients that are computed from it.
_OUTPUT = ("out", "output", "outputs", "y")

#: What is passed has one form each.
_PLAINLY, _NO_WORDS = Reading(forms={}, absent={}), simple((), inputs={}, axes={})


def own_gradient(
    functions: tuple[Callable[..., Any], ...], *, name: str | None = None, spec: str | None = None
) -> Implementation:
    """Make an implementation of a function and its gradient, or of one that returns both.

    Args:
        functions: the function, and its gradient if that is another.
        name: how reports call it; by default by where it was defined.
        spec: what to type to check it; by default the file and the names, if they lead back to it.

    Raises:
        MisfitError: what they take cannot be told.
    """
    function, *others = functions
    arguments = _arguments(function)
    own = _Own(
        function, others[0] if others else None, arguments, *_slots(others[0], arguments) if others else ([], [])
    )
    spec = spec or spec_of(*functions)
    return Implementation(
        name=name or spec or ",".join(map(name_of, functions)),
        spec=spec,
        convention=own.convention(),
        forward=own.run_forward,
        backward=own.run_backward,
        order=tuple(argument.name for argument in arguments),
        refusal=own.refusal,
    )


@dataclass(frozen=True)
class _Memory:
    """What backward needs of a forward call."""

    inputs: Mapping[str, Array]
    out: object
    cache: object  #: None where none was returned; of one function that returns both, the gradients


@dataclass(frozen=True)
class _Own:
    """A function and its gradient, and how they are understood."""

    function: Callable[..., Any]
    gradient: Callable[..., Any] | None
    arguments: list[inspect.Parameter]  #: of the function
    slots: list[Slot]  #: of the gradient
    with_cache: list[Slot]  #: and where names say nothing of it, those if the function returns a cache

    def run_forward(self, inputs: Mapping[str, Array], _: object) -> tuple[object, object]:
        if why := self.refusal(inputs):
            raise NotExpressibleError(why)
        given = {name: np.asarray(value) for name, value in inputs.items()}  # what was moved may come as a scalar
        slots = [placed(p, "input" if p.name in given else "omitted", p.name) for p in self.arguments]
        returned = fill(slots, _PLAINLY, _NO_WORDS, {}, given).call(self.function)
        if self.gradient is None:
            out, *gradients = self._parted(returned)
            several = len(gradients) == 1 and isinstance(gradients[0], tuple | list | dict)
            return _array(out), _Memory(given, out, gradients[0] if several else gradients)
        out, cache = returned, None
        if isinstance(returned, tuple) and len(returned) == 2:
            out, cache = returned
        elif isinstance(returned, tuple) or _takes("cache", self.slots):
            raise ImplementationError(f"{name_of(self.function)} returned {described(returned)}, not (out, cache)")
        return _array(out), _Memory(given, out, cache)

    def run_backward(self, cotangent: Array, cache: object, names: tuple[str, ...]) -> Mapping[str, object]:
        assert isinstance(cache, _Memory)
        owed = tuple(p.name for p in self.arguments if p.name in names)
        if self.gradient is None:
            return self._times(cotangent, _by_name(cache.cache, owed, name_of(self.function)))
        given = {"output": cache.out, **{p.name: p.default for p in self.arguments}, **cache.inputs}
        given |= {"cotangent": cotangent, "cache": cache.cache}
        slots = self.slots if cache.cache is None else self.with_cache or self.slots
        returned = fill(slots, _PLAINLY, _NO_WORDS, {}, given).call(self.gradient)
        found = _by_name(returned, owed, name_of(self.gradient))
        return found if _takes("cotangent", slots) else self._times(cotangent, found)

    def convention(self) -> str:
        function = written(name_of(self.function), self.arguments)
        if self.gradient is None:
            return f"{function}, which returns (number, gradients)"
        returns = ", which returns (out, cache)," if _takes("cache", self.slots) else ""
        without = "" if _takes("cotangent", self.slots) or self.with_cache else ", without a cotangent"
        return f"{function}{returns} and {written(name_of(self.gradient), self.slots)}{without}"

    def refusal(self, inputs: Iterable[str]) -> str | None:
        """Say which argument has no shape, or which shape no argument."""
        said, known = written(name_of(self.function), self.arguments), [p.name for p in self.arguments]
        if lacking := [p.name for p in self.arguments if p.default is p.empty and p.name not in set(inputs)]:
            flags = " ".join(f"--shape {name}=2,3" for name in lacking)
            return f"{said} takes {listed(lacking)}, of which no shape is given; add {flags}"
        if unknown := [name for name in inputs if name not in known]:
            return f"{said} takes no {unknown[0]}; leave out --shape {unknown[0]}: it takes {listed(known)}"
        return None

    def _parted(self, returned: object) -> tuple[object, ...]:
        if not isinstance(returned, tuple | list) or len(returned) < 2:
            said = f"{name_of(self.function)} returned {described(returned)}, not (number, gradients)"
            raise ImplementationError(f"{said}; of two functions name both, FILE.py:f,gradient")
        return tuple(returned)

    def _times(self, cotangent: Array, gradients: Mapping[str, object]) -> dict[str, object]:
        """Multiply gradients that know no cotangent: of a number each as a whole, else element by element."""
        found: dict[str, object] = {}
        for name, gradient in gradients.items():
            found[name] = gradient
            if not isinstance(gradient, np.ndarray) or gradient.dtype.kind != "f":
                continue
            if cotangent.size == 1:
                found[name] = np.asarray(gradient * cotangent.reshape(()).astype(gradient.dtype))
            elif gradient.shape == cotangent.shape:
                found[name] = gradient * cotangent.astype(gradient.dtype)
            else:
                who, shapes = name_of(self.gradient or self.function), f"{gradient.shape}, and out {cotangent.shape}"
                raise ImplementationError(
                    f"{who} takes no cotangent, and d{name} has shape {shapes}: give it one, {who}(dout, ...), and "
                    "return the gradients of sum(dout * out)"
                )
        return found


def _arguments(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """List the arguments of a function.

    Raises:
        MisfitError: it has none, or none with a name.
    """
    arguments = parameters_of(function)
    kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
    if not arguments or inspect.Parameter.VAR_POSITIONAL in kinds:
        raise MisfitError(f"`{name_of(function)}` does not name what it takes; write out its arguments")
    return arguments


def _takes(kind: str, slots: list[Slot]) -> bool:
    return any(slot.kind == kind for slot in slots)


def _slots(gradient: Callable[..., Any], arguments: list[inspect.Parameter]) -> tuple[list[Slot], list[Slot]]:
    """Say what each argument of a gradient stands for: by its name, or where no name says it by its place.

    Two without a telling name are the cotangent and a cache if there is one: that is the second list.

    Raises:
        MisfitError: it asks for something that is not there.
    """
    parameters = _arguments(gradient)
    said = written(name_of(gradient), parameters)
    found = {p.name: _known(p, arguments) for p in parameters}
    asked = [p for p in parameters if p.default is p.empty]
    free = [p for p in asked if found[p.name] is None]
    needed = [p.name for p in arguments if p.default is p.empty]
    by_place = [placed(p, "input", name) for p, name in zip(free[-len(needed) :], needed, strict=False)]
    cached = [placed(p, kind) for p, kind in zip(free, ("cotangent", "cache"), strict=False)] if len(free) == 2 else []
    if len(free) == len(asked) == len(needed) and not is_cotangent(free[0].name):
        return by_place, cached
    if len(free) == len(asked) == len(needed) + 1:
        return [placed(free[0], "cotangent"), *by_place], cached
    if free:
        first = next((p for p in free if is_cotangent(p.name)), free[0])
        found[first.name] = placed(first, "cotangent")
        free.remove(first)
    if free and not any(slot.kind == "cache" for slot in found.values() if slot):
        found[free[0].name] = placed(free.pop(0), "cache")
    if free:
        raise MisfitError(f"`{said}` takes `{free[0].name}`, of which the meaning is not known")
    return [slot or placed(p, "omitted") for p, slot in zip(parameters, found.values(), strict=True)], []


def _known(parameter: inspect.Parameter, arguments: list[inspect.Parameter]) -> Slot | None:
    """Say what an argument stands for if its name is that of an input, of the output or of a cache."""
    names = [p.name for p in arguments]
    if parameter.name in names:
        return placed(parameter, "input", parameter.name)
    words = simple((), inputs={"output": _OUTPUT, **{name: (word(name),) for name in names}}, axes={})
    slot = classify(parameter, words, [*names, "output"])
    return slot if slot and slot.kind in ("input", "cache", "omitted") else None


def _by_name(returned: object, owed: tuple[str, ...], who: str) -> dict[str, object]:
    """Tell which gradient is whose: by their names in a dictionary, else by the order of the arguments."""
    if isinstance(returned, dict):
        found = {name: returned.get(f"d{name}", returned.get(name)) for name in owed}
    else:
        found = by_input(_array(returned), owed, who)
    return {name: _array(gradient) for name, gradient in found.items()}


def _array(value: object) -> object:
    """Make an array of a number in floating point."""
    return np.asarray(value) if isinstance(value, float | np.floating) else value
