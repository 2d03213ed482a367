"""The calls of user code, in its process: arrays go in, and arrays and text come out. No verdict is made here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.engine.errors import describe_error
from gradcheck_cli.engine.wire import describe_value
from gradcheck_cli.guard.clock import next_step, now
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


@dataclass
class Session:
    """The implementation in use, and what its calls have left."""

    implementation: Implementation | None = None
    caches: dict[int, object] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    state: ExitStack = field(default_factory=ExitStack)  #: restores what user code may have changed
    watched: dict[str, Array] = field(default_factory=dict)  #: what the calls that are watched are given
    given: Problem | None = None  #: with arguments that only this process has
    first: dict[str, list[bytes]] = field(default_factory=dict)  #: what the first call of each pass returned

    @property
    def code(self) -> Implementation:
        """The implementation."""
        assert self.implementation is not None
        return self.implementation


#: Seconds after which no other call is made before there is an answer: a thousand times what a small call takes; and
#: bytes of arrays that calls in one request are given, and return.
_SOON, MOST_BYTES = 0.05, 2**20

session = Session()  # of this process, which has one


def describe_raised(error: BaseException) -> dict[str, Any]:
    """Describe an exception as an answer. Call this while it is handled."""
    if isinstance(error, ImplementationError):
        return {"raised": [str(error), error.traceback, error.frame]}
    if isinstance(error, NotExpressibleError):
        return {"inexpressible": str(error)}
    if isinstance(error, ImplementationNotFoundError):
        return {"missing": [str(error), error.frame]}
    return {"error": encode(describe_error(error))}


def make_calls(steps: Sequence[tuple[Any, ...]], dropped: Sequence[int]) -> Answer:
    """Make calls one after the other, and return what they returned, and whether more can be made.

    The last is one that raised, learns nothing or does not repeat what it should, or by which it took long or much was
    returned.

    Args:
        steps: of each call whether NumPy warns of nothing, whether to see which arguments are written into, whether it
            should repeat the first call, and a seed or None; then the pass, the number of the cache, and what the pass
            takes.
        dropped: the numbers of caches that are not needed any more.
    """
    for number in dropped:
        session.caches.pop(number, None)
    found: list[dict[str, Any]] = []
    arrays: list[Array] = []
    deadline, size = now() + _SOON, 0
    for (quiet, watched, repeats, seed), make, number, *arguments in steps:
        next_step()
        before = len(arrays)
        try:
            with (
                watch_arguments(session.watch) if watched else nullcontext(),
                np.errstate(all="ignore") if quiet else nullcontext(),
            ):
                if seed is not None:
                    session.code.seed(seed)
                found.append(_PASSES[make](number, *arguments, arrays, watched=watched))
        except BaseException as error:  # noqa: BLE001  # user code may raise anything, anywhere
            return calls_made([*found, describe_raised(error)], arrays, goes_on=False)
        returned = [array.tobytes() for array in arrays[before:]] if repeats or make not in session.first else []
        if (session.first.setdefault(make, returned) != returned and repeats) or found[-1].get("left") == "none":
            return calls_made(found, arrays, goes_on=False)
        size += sum(array.nbytes for array in arrays[before:])
        if now() > deadline or size > MOST_BYTES:
            break
    return calls_made(found, arrays, goes_on=True)


def calls_made(calls: list[dict[str, Any]], arrays: Sequence[Array] = (), *, goes_on: bool) -> Answer:
    """Answer with what calls returned, of which the last may be an error, and whether more can be made."""
    return Answer({"calls": calls, "goes_on": goes_on}, arrays)


def _forward(
    number: int, inputs: Inputs, parameters: Parameters, arrays: list[Array], *, watched: bool
) -> dict[str, Any]:
    if watched:
        session.watch.copies.clear()
        session.watched = {**inputs}
    own = session.given.parameters if session.given else parameters  # that only this process has besides their names
    out, cache = session.code.forward(inputs, own)
    left = session.code.left_by_forward(cache)
    session.caches[number] = cache
    state = "none" if left is NO_BACKWARD else "empty" if is_empty(left) else "kept"
    return {"out": describe_value(out, arrays), "left": state, "written": _written(watched=watched)}


def _backward(
    number: int,
    cotangent: Array | tuple[Array, ...],
    names: tuple[str, ...],
    arrays: list[Array],
    *,
    watched: bool,
) -> dict[str, Any]:
    if watched:
        session.watched |= cotangents(cotangent)
    returned = session.code.backward(cotangent, session.caches[number], names)
    values = {name: describe_value(value, arrays) for name, value in returned.items() if name in names}
    return {"gradients": values, "written": _written(watched=watched)}


_PASSES: dict[str, Callable[..., dict[str, Any]]] = {"forward": _forward, "backward": _backward}


def _written(*, watched: bool) -> list[str]:
    """Name the inputs and cotangents that were written into while calls were watched."""
    return list(session.watch.changed(session.watched)) if watched else []


def cotangents(given: Array | tuple[Array, ...]) -> dict[str, Array]:
    """Return the cotangents that backward is given, each under a name that no input has."""
    return {f"cotangent {k}": one for k, one in enumerate(given if isinstance(given, tuple) else (given,))}
