"""The calls of user code, in its process: arrays go in, and arrays and text come out. No verdict is made here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck_cli.engine.errors import describe_error
from gradcheck_cli.engine.wire import describe_value
from gradcheck_cli.guard.protocol import Answer
from gradcheck_cli.implementation.calling import Watch, watch_arguments
from gradcheck_cli.implementation.implementation import (
    NO_BACKWARD,
    ImplementationError,
    ImplementationNotFoundError,
    NotExpressibleError,
)
from gradcheck_cli.implementation.outputs import is_empty
from gradcheck_cli.results.encoding import encode

if TYPE_CHECKING:
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array

    Inputs = Mapping[str, Array]
    Parameters = Mapping[str, object] | None


class Manner(NamedTuple):
    """How calls are made."""

    seed: int | None = None  #: of the generators before each call; None to leave them
    quiet: bool = False  #: whether NumPy warns of nothing
    watched: bool = False  #: whether to see which arguments are written into
    dropped: tuple[int, ...] = ()  #: caches that are not needed any more


@dataclass
class Session:
    """The implementation in use, and what its calls have left."""

    implementation: Implementation | None = None
    caches: dict[int, object] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    state: ExitStack = field(default_factory=ExitStack)  #: restores what user code may have changed
    watched: dict[str, Array] = field(default_factory=dict)  #: what the calls that are watched are given
    around: tuple[Inputs, Parameters] = field(default_factory=lambda: ({}, None))  #: where outputs were asked for
    given: Problem | None = None  #: with arguments that only this process has
    latest: int = 0  #: the number of the latest cache

    @property
    def code(self) -> Implementation:
        """The implementation."""
        assert self.implementation is not None
        return self.implementation


session = Session()  # of this process, which has one


def answering(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Answer with an error, as text, where user code raised, or what it returned made the checker raise."""

    @functools.wraps(function)
    def answering(*arguments: Any) -> Answer:
        try:
            return function(*arguments)
        except BaseException as error:  # noqa: BLE001  # user code may raise anything, anywhere
            return Answer(describe_raised(error))

    return answering


def describe_raised(error: BaseException) -> dict[str, Any]:
    """Describe an exception as an answer. Call this while it is handled."""
    if isinstance(error, ImplementationError):
        return {"raised": [str(error), error.traceback, error.frame]}
    if isinstance(error, NotExpressibleError):
        return {"inexpressible": str(error)}
    if isinstance(error, ImplementationNotFoundError):
        return {"missing": [str(error), error.frame]}
    return {"error": encode(describe_error(error))}


def several(steps: Sequence[tuple[Any, ...]], manner: tuple[Any, ...]) -> Answer:
    """Make calls one after the other until one raises: (inputs, parameters) of forward, or what `backward` takes.

    A cache may be that of an earlier step, by its number counted from -1 downward. In a mode in which nothing is
    learned, backward is not called.
    """
    found: list[dict[str, Any]] = []
    arrays: list[Array] = []
    for step in steps:
        try:
            if len(step) == 2:
                found.append(_forward(*step, manner, arrays))
            else:
                cotangent, number, names = step
                number = number if number >= 0 else found[-1 - number]["cache"]
                found.append(_backward(cotangent, number, names, manner, arrays))
        except BaseException as error:  # noqa: BLE001  # as above
            found.append(describe_raised(error))
            break
        if found[-1].get("left") == "none":
            break
    return Answer(found, arrays)


@answering
def outputs_at(
    around: tuple[Inputs, Parameters] | None, points: Sequence[tuple[str, Array]], manner: tuple[Any, ...]
) -> Answer:
    """Call forward with one input replaced, at several points. Outputs of one form are one array.

    Args:
        around: all inputs, and parameters; None for those of the request before.
        points: names of inputs, each with an array of values for it.
        manner: how calls are made.
    """
    session.around = around or session.around
    code, (inputs, parameters) = session.code, session.around
    own = _own(parameters)
    found: list[Any] = []
    arrays: list[Array] = []
    with _calls(manner) as seed:
        for name, point in ((name, value) for name, values in points for value in values):
            try:
                seed()
                found.append(code.forward({**inputs, name: point}, own)[0])
            except ImplementationError as error:
                found.append(error)
    if _are_alike(found):
        return Answer({"stacked": len(found)}, [np.stack(found)])
    values = [
        describe_raised(one) if isinstance(one, ImplementationError) else {"out": describe_value(one, arrays)}
        for one in found
    ]
    return Answer({"values": values}, arrays)


def _forward(inputs: Inputs, parameters: Parameters, manner: tuple[Any, ...], arrays: list[Array]) -> dict[str, Any]:
    code = session.code
    if Manner(*manner).watched:
        session.watch, session.watched = Watch(), {**inputs}
    with _calls(manner) as seed:
        seed()
        out, cache = code.forward(inputs, _own(parameters))
    left = code.left_by_forward(cache)
    session.latest += 1
    session.caches[session.latest] = cache
    state = "none" if left is NO_BACKWARD else "empty" if is_empty(left) else "kept"
    return {"out": describe_value(out, arrays), "cache": session.latest, "left": state, "written": _written(manner)}


def _backward(
    cotangent: Array | tuple[Array, ...],
    number: int,
    names: tuple[str, ...],
    manner: tuple[Any, ...],
    arrays: list[Array],
) -> dict[str, Any]:
    if Manner(*manner).watched:
        session.watched |= cotangents(cotangent)
    with _calls(manner) as seed:
        seed()
        returned = session.code.backward(cotangent, session.caches[number], names)
    values = {name: describe_value(value, arrays) for name, value in returned.items() if name in names}
    return {"gradients": values, "written": _written(manner)}


def _written(manner: tuple[Any, ...]) -> list[str]:
    """Name the inputs and cotangents that were written into while calls were watched."""
    return list(session.watch.changed(session.watched)) if Manner(*manner).watched else []


@answering
def has_drawn(seed: int) -> Answer:
    """Tell whether numbers were drawn since the generators were seeded."""
    return Answer(session.code.has_drawn(seed))


def _own(parameters: Parameters) -> Parameters:
    """Return the parameters of a call, those that only this process has in place of their names."""
    return session.given.parameters if session.given else parameters


@contextmanager
def _calls(given: tuple[Any, ...]) -> Iterator[Callable[[], None]]:
    """Make calls in the block as the checks do, and yield what is to be done before each."""
    manner = Manner(*given)
    for number in manner.dropped:
        session.caches.pop(number, None)

    def seed() -> None:
        if manner.seed is not None:
            session.code.seed(manner.seed)

    with (
        watch_arguments(session.watch) if manner.watched else nullcontext(),
        np.errstate(all="ignore") if manner.quiet else nullcontext(),
    ):
        yield seed


def cotangents(given: Array | tuple[Array, ...]) -> dict[str, Array]:
    """Return the cotangents that backward is given, each under a name that no input has."""
    return {f"cotangent {k}": one for k, one in enumerate(given if isinstance(given, tuple) else (given,))}


def _are_alike(found: list[Any]) -> bool:
    """Tell whether several outputs are arrays of numbers of the same shape and dtype."""
    first = found[0]
    alike = all(type(one) is np.ndarray and one.shape == first.shape and one.dtype is first.dtype for one in found)
    return alike and len(found) > 1 and first.dtype.kind in "biufc"
