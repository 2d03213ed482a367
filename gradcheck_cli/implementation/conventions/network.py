"""A whole network as one function: of sizes and data to a loss, and to the gradients of all parameters by their names.

The network is a class with a loss, or functions that compute the loss and the gradients. What their arguments stand for
is read from the names: data, targets, the output, a cache, the parameters. Any other is an argument of the whole.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.drawing import drawn
from gradcheck_cli.implementation.calling import call, describe
from gradcheck_cli.implementation.conventions.attributes import Place, rate_places, stored_output
from gradcheck_cli.implementation.conventions.inside import attributes
from gradcheck_cli.implementation.conventions.kept import flat, kept_arrays, nested
from gradcheck_cli.implementation.conventions.named_gradients import NamedGradients
from gradcheck_cli.implementation.conventions.own_arguments import Container
from gradcheck_cli.implementation.conventions.slots import (
    LEARNING_RATE,
    parameters_of,
    write_call,
)
from gradcheck_cli.implementation.conventions.step import Role, Step
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.implementation.vocabulary.vocabulary import word, words
from gradcheck_cli.layers.framework.axes import anonymous
from gradcheck_cli.text.names import join_names

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping, Sequence

    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

#: The argument that holds the parameters which a network keeps.
PARAMETERS = "params"


class NoParametersError(Exception):
    """A network keeps no arrays."""


@dataclass(frozen=True)
class Network:
    """A network: how it is made, and its steps."""

    name: str
    steps: Mapping[str, Step]  #: of "forward", "loss" and "backward", those that it has
    maker: Callable[..., Any] | None = None  #: a class, or a function that makes a dictionary of parameters
    sizes: tuple[inspect.Parameter, ...] = ()  #: arguments of the maker
    shared: Mapping[str, Any] = field(default_factory=dict)  #: the module, if the parameters are globals
    globals: tuple[str, ...] = ()  #: of these names
    given: Mapping[str, Role] = field(default_factory=dict)  #: the arguments of the maker that are data or targets
    losses: Mapping[str, Step] = field(default_factory=dict)  #: those that may be meant where it has none
    loss: str = ""  #: which of them it is taken for

    def function(self) -> Callable[..., Any]:
        """Return the network as a function with a signature."""

        def run(*args: object, **kwargs: object) -> object:
            return self._run(dict(signature.bind(*args, **kwargs).arguments))

        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = [p.name for p in self.arguments]
        parameters = [inspect.Parameter(name, kind) for name in names]
        if self.maker or self.globals:
            parameters.append(inspect.Parameter(PARAMETERS, kind, default=None))
        signature = inspect.Signature(parameters)
        run.__name__ = run.__qualname__ = self.name
        run.__signature__ = signature  # type: ignore[attr-defined]
        run.__wrapped__ = self._main.function  # type: ignore[attr-defined]  # for its source
        run.network = self  # type: ignore[attr-defined]
        return run

    @property
    def title(self) -> str:
        """The network in words."""
        own = [step for step in self.steps.values() if inspect.isfunction(step.function)]
        calls = [write_call(step.function.__name__, step.parameters) for step in own]
        calls[-1] += f", taken for the gradient of {self.loss}" if self.loss else ""
        if inspect.isclass(self.maker):
            return f"network {write_call(self.name, self.sizes)}.{', .'.join(calls)}"
        kept = f"the globals {join_names(self.globals)}" if self.globals else ""
        kept = write_call(self.maker.__name__, self.sizes) if self.maker else kept
        return ", ".join(calls) + (f", with parameters of {kept}" if kept else "")

    @property
    def arguments(self) -> list[inspect.Parameter]:
        """The arguments of the whole, sizes first; what several steps take is one."""
        ordered = [self.steps[name] for name in ("forward", "loss", "backward") if name in self.steps]
        found = {p.name: p for p in self.sizes}
        taken: set[Role] = set(self.given.values())
        for step in ordered:
            for p in step.parameters:
                role = step.roles.get(p.name)
                if role in (Role.DATA, Role.TARGETS) and role not in taken:
                    taken.add(role)
                    found.setdefault(p.name, p)
                elif role is None:
                    found.setdefault(p.name, p)
        return list(found.values())

    @property
    def lengths(self) -> set[int]:
        """The lengths of parameters that are globals, and so are fixed."""
        return {length for name in self.globals for length in np.shape(self.shared[name])}

    def role(self, name: str) -> Role | None:
        """Return the role of an argument of the whole."""
        roles = (self.given, *(step.roles for step in self.steps.values()))
        return next((own[name] for own in roles if name in own), None)

    def with_loss(self, name: str) -> Network:
        """Return the network with one of the losses that may be meant."""
        return replace(self, steps={**self.steps, "loss": self.losses[name]}, loss=name)

    @property
    def _main(self) -> Step:
        return self.steps.get("backward") or self.steps["loss"]

    def made(self, given: Mapping[str, object], dtype: np.dtype[Any]) -> Any:
        """Make what holds the parameters: an instance, a dictionary or the module."""
        if self.maker is None:
            return self.shared
        named = {p.name: _as_wanted(p, given[p.name]) for p in self.sizes if p.name in given}
        if any(p.name == "dtype" for p in parameters_of(self.maker)):
            named["dtype"] = dtype.type
        return self.maker(**named)

    def places(self, holder: Any, given: Mapping[str, object]) -> dict[str, list[Place]]:
        """Find the arrays that may be parameters, by path: what the maker was given is none."""
        if self.globals:
            return {name: [Place(holder, name)] for name in self.globals}
        passed = [given[name] for name in self.given]
        return {
            path: places
            for path, places in kept_arrays(holder).items()
            if not any(places[0].get() is one for one in passed)
        }

    def given_to(self, problem: Problem) -> Problem:
        """Return a problem with the network's parameters; without them if it raises, which then forward shows."""
        try:
            found: Problem = call(self.with_parameters, problem)
        except (ImplementationError, NoParametersError):
            return problem
        return found

    def with_parameters(self, problem: Problem) -> Problem:
        """Return a problem with the network's parameters; data has no gradient.

        Raises:
            NoParametersError: it has none.
        """
        given = {**problem.inputs, **(problem.parameters or {})}
        if not (self.maker or self.globals):
            return self._with_constants(problem)
        kept = {path: places[0].get() for path, places in self._used(given, problem).items()}
        dtype = _dtype_of(problem.inputs)
        arrays = {path: _redrawn(path, value, problem.draws or 0, dtype) for path, value in kept.items()}
        inputs = {f"{PARAMETERS}.{path}": value for path, value in arrays.items()}
        whole = replace(
            problem,
            inputs={**problem.inputs, **inputs},
            parameters={**(problem.parameters or {}), PARAMETERS: Container(path=PARAMETERS, template=nested(arrays))},
            axes={**problem.axes, **{name: anonymous(name, value.ndim) for name, value in inputs.items()}},
        )
        return self._with_constants(whole)

    def _with_constants(self, problem: Problem) -> Problem:
        """Say which inputs have no gradient: data, and beside parameters that are kept a state, if none is returned."""
        given, kept = self.split(problem.inputs, problem.parameters)
        _, gradients = self.evaluate(given, kept)
        optional = {name for name in given if kept or self.role(name)}
        return replace(problem, constants=tuple(name for name in optional if name not in gradients))

    def split(
        self, inputs: Mapping[str, Any], parameters: Mapping[str, Any] | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Split what a problem gives into the arguments, and what the network keeps by path."""
        prefix = f"{PARAMETERS}."
        given = {**inputs, **(parameters or {})}
        kept = {name.removeprefix(prefix): value for name, value in inputs.items() if name.startswith(prefix)}
        return {n: v for n, v in given.items() if n != PARAMETERS and not n.startswith(prefix)}, kept

    def _used(self, given: Mapping[str, object], problem: Problem) -> dict[str, list[Place]]:
        """Find the arrays on which the loss depends."""
        dtype = _dtype_of(problem.inputs)
        found = self.places(self.made(given, dtype), given)
        if not found:
            raise NoParametersError

        def loss(moved: str) -> float:
            values = {path: _redrawn(path, places[0].get(), 1, dtype) for path, places in found.items()}
            if moved:
                values[moved] = values[moved] * 1.25
            return float(self.evaluate(given, values)[0])

        at = loss("")
        return {path: places for path, places in found.items() if loss(path) != at}

    def _run(self, given: dict[str, Any]) -> object:
        """Return the loss and the gradients, under `params` those of what the network keeps."""
        kept = flat(given.pop(PARAMETERS, None) or {})
        number, gradients = self.evaluate(given, kept)
        tops: dict[str, Any] = {name: value for name, value in gradients.items() if name not in kept}
        return number, {**tops, PARAMETERS: nested({path: gradients[path] for path in kept if path in gradients})}

    def evaluate(self, given: Mapping[str, Any], kept: Mapping[str, Array]) -> tuple[Any, dict[str, object]]:
        """Return the loss and the gradients by path, for values of what the network keeps."""
        holder = self.made(given, _dtype_of(given))
        places = self.places(holder, given)
        before = [(place, place.get()) for path in kept for place in places[path]] if self.globals else []
        try:
            for path, value in kept.items():
                for place in places[path]:
                    place.set(np.array(value))
            return self._steps(holder, given, kept, places)
        finally:
            for place, value in before:
                place.set(value)

    def _steps(
        self, holder: Any, given: Mapping[str, Any], kept: Mapping[str, Array], places: Mapping[str, list[Place]]
    ) -> tuple[Any, dict[str, object]]:
        arrays = {n: v for n, v in given.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"}
        rates = [*rate_places(holder)]
        rate = LEARNING_RATE if rates or any(step.takes(Role.RATE) for step in self.steps.values()) else 1
        optional = {name for name in arrays if kept or self.role(name)}
        wanted = NamedGradients(holder, places, kept, arrays, optional, rate)
        values: dict[Role, Any] = {Role.RATE: LEARNING_RATE, Role.PARAMETERS: holder}
        values |= {role: given[name] for name in given if (role := self.role(name))}
        for place in rates:
            place.set(LEARNING_RATE)
        if step := self.steps.get("forward"):
            earlier = attributes(holder)
            returned = step.call(holder, values, given)
            several = returned if isinstance(returned, tuple) else (returned,)
            values[Role.OUTPUT] = stored_output(holder, earlier) if returned is None else several[0]
            if len(several) > 1:
                values[Role.CACHE] = several[1] if len(several) == 2 else several[1:]
        parts: Sequence[object]
        number, parts = _number_of(self.steps["loss"].call(holder, values, given), self.name)
        labels = self.steps["loss"].function
        if step := self.steps.get("backward"):
            returned = step.call(holder, values, given)
            parts, labels = list(returned) if isinstance(returned, tuple) else [returned], step.function
        return number, wanted.found(parts, labels)


def made_network(function: object) -> Network | None:
    """Return the network that was made a function; None for another."""
    return vars(function).get("network") if type(function) is FunctionType else None


def _number_of(returned: object, name: str) -> tuple[Any, list[object]]:
    """Split what was returned into a number and the rest, whichever comes first."""
    several = list(returned) if isinstance(returned, tuple | list) else [returned]
    for k, value in enumerate(several[:2]):
        number = np.asarray(value) if isinstance(value, float | np.floating | np.ndarray) else np.zeros(0)
        if number.dtype.kind == "f" and number.size == 1:
            return number.reshape(()), several[:k] + several[k + 1 :]
    raise ImplementationError(f"{name} returned {describe(returned)}, not a loss, or a loss and gradients")


def _as_wanted(parameter: inspect.Parameter, value: object) -> object:
    """Return sizes as a list, unless the default is a tuple; and words with numbers for how many words there are."""
    if word(parameter.name) in VOCABULARIES and isinstance(value, int):
        return {name: k for k, name in enumerate(["<NULL>", "<START>", "<END>", *map(str, range(3, value))][:value])}
    return list(value) if isinstance(value, tuple) and not isinstance(parameter.default, tuple) else value


#: What a dictionary from words to numbers is called.
VOCABULARIES = words("wordto{idx,ix,id,index} word2{idx,ix,id,index} vocab chartoix char2ix")


def _redrawn(path: str, value: Array, seed: int, dtype: np.dtype[Any]) -> Array:
    """Draw a parameter of half the usual size: gradients of some networks are clipped where they are large."""
    import random  # the module is imported by the numeric side anyway

    source: random.Random = random.Random(f"{seed} {path}")  # noqa: S311  # no secrets
    return np.asarray(drawn(source, value.shape) / 2).astype(dtype)


def _dtype_of(inputs: Mapping[str, Any]) -> np.dtype[Any]:
    real = (v.dtype for v in inputs.values() if isinstance(v, np.ndarray) and v.dtype.kind == "f")
    return next(real, np.dtype("float64"))
