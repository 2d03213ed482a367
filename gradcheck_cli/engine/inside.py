"""The work of the process of user code: find what there is, load it, say how it is understood, and call it.

Each public function answers a request. No verdict is made here: what is returned are arrays and text.
"""

from __future__ import annotations

import functools
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gradcheck_cli.checks.diagnosis.place.locate import with_place
from gradcheck_cli.engine.errors import describe_error
from gradcheck_cli.engine.wire import describe_value
from gradcheck_cli.guard.clock import timed
from gradcheck_cli.guard.protocol import Answer
from gradcheck_cli.guard.state import preserve_basics, preserve_state
from gradcheck_cli.implementation.calling import Watch, watch_arguments
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.finding.inventory import identify_layer, take_inventory, try_shapes
from gradcheck_cli.implementation.implementation import (
    NO_BACKWARD,
    ImplementationError,
    ImplementationNotFoundError,
    NotExpressibleError,
)
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.implementation.outputs import is_empty
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.encoding import encode
from gradcheck_cli.text.clean import MOST_CHARACTERS, clean_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.implementation.finding.inventory import Offer
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.layers.framework.problem import Problem
    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import CaseResult

    Inputs = Mapping[str, Array]
    Parameters = Mapping[str, object] | None

#: Lines of a message that lists candidates to choose from.
_MOST_CHOICES = 60

#: Attributes of an implementation that are text.
DESCRIBED = ("name", "spec", "convention", "absent", "order", "outputs", "cotangents", "warnings")


class Manner(NamedTuple):
    """How calls are made."""

    seed: int | None = None  #: of the generators before each call; None to leave them
    quiet: bool = False  #: whether NumPy warns of nothing
    watched: bool = False  #: whether to see which arguments are written into
    dropped: tuple[int, ...] = ()  #: caches that are not needed any more


@dataclass
class _Session:
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


_session = _Session()  # of this process, which has one


def _answering(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """Answer with an error, as text, where user code raised, or what it returned made the checker raise."""

    @functools.wraps(function)
    def answering(*arguments: Any) -> Answer:
        try:
            return function(*arguments)
        except ImplementationError as error:
            return Answer({"raised": [str(error), error.traceback, error.frame]})
        except NotExpressibleError as error:
            return Answer({"inexpressible": str(error)})
        except BaseException as error:  # noqa: BLE001  # user code may raise anything, anywhere
            return Answer({"error": encode(describe_error(error))})

    return answering


def _loading(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """The same for a function that loads or tries user code; its first argument says which, or has a `spec` that does.

    What is not there is answered as such.
    """

    @functools.wraps(function)
    def loading(*arguments: Any) -> Answer:
        try:
            with timed(), preserve_basics():
                return function(*arguments)
        except BaseException as error:  # noqa: BLE001
            report = describe_error(error)
            reason = clean_lines(report.reason, _MOST_CHOICES, MOST_CHARACTERS)
            if isinstance(error, ImplementationNotFoundError):
                return Answer({"missing": [reason, error.frame]})
            written = encode(report)
            if report.bug is None:
                spec = getattr(arguments[0], "spec", arguments[0])
                written["reason"] = f"{reason} when {spec} was loaded and tried"
            return Answer({"error": written})

    return loading


@_loading
def inventory(spec: str) -> Answer:
    """List what a file has."""
    return Answer(encode(take_inventory(spec, _loader())))


@_loading
def identify(offer: Offer) -> Answer:
    """Say which layer an offer is."""
    with preserve_state():
        found = identify_layer(offer, _loader())
    return Answer(found and encode(found))


@_loading
def shapes(offer: Offer) -> Answer:
    """Find shapes for what is of no known layer."""
    with preserve_state():
        found = try_shapes(offer, _loader())
    return Answer(found and encode(found))


@_loading
def find_names(task: Task, case: Case) -> Answer:
    """Load the implementation of a task, and return its names; with other inputs than the case has, it is missing."""
    implementation, layer = _implementation_of(task, case), LAYERS[case.layer]
    if not (layer.reference or case.impossible()):
        problem = layer.problem(case)
        problem = implementation.given(problem) if implementation.given else problem
        if why := implementation.refusal({**problem.inputs, **(problem.parameters or {})}):
            raise ImplementationNotFoundError(why)
    return Answer([implementation.name, implementation.spec])


@_loading
def begin(task: Task, case: Case) -> Answer:
    """Have the implementation of a task called from now on, as if nothing had been called, and describe it."""
    _session.state.close()
    code = _session.implementation = _implementation_of(task, case)
    _session.caches.clear()
    _session.given = code.given(LAYERS[case.layer].problem(case)) if code.given else None
    _session.state.enter_context(preserve_state())
    description: dict[str, Any] = {name: getattr(code, name) for name in DESCRIBED}
    given = _session.given
    description["given"] = given and [list(given.inputs), list(given.parameters or {})]
    return Answer(description, [*given.inputs.values()] if given else [])


@_answering
def forward(inputs: Inputs, parameters: Parameters, manner: tuple[Any, ...]) -> Answer:
    """Call forward, and keep its cache under a number."""
    arrays: list[Array] = []
    return Answer(_forward(inputs, parameters, manner, arrays), arrays)


def _forward(inputs: Inputs, parameters: Parameters, manner: tuple[Any, ...], arrays: list[Array]) -> dict[str, Any]:
    code = _session.code
    if Manner(*manner).watched:
        _session.watch, _session.watched = Watch(), {**inputs}
    with _calls(manner) as seed:
        seed()
        out, cache = code.forward(inputs, _own(parameters))
    left = code.left_by_forward(cache)
    _session.latest += 1
    _session.caches[_session.latest] = cache
    state = "none" if left is NO_BACKWARD else "empty" if is_empty(left) else "kept"
    return {"out": describe_value(out, arrays), "cache": _session.latest, "left": state, "written": _written(manner)}


@_answering
def outputs_at(
    around: tuple[Inputs, Parameters] | None, name: str, points: Sequence[Array], manner: tuple[Any, ...]
) -> Answer:
    """Call forward at several values of one input. Outputs of one form are one array.

    Args:
        around: inputs, among them any value of this one, and parameters; None for those of the request before.
        name: of the input.
        points: its values.
        manner: how calls are made.
    """
    _session.around = around or _session.around
    code, (inputs, parameters) = _session.code, _session.around
    own = _own(parameters)
    found: list[Any] = []
    arrays: list[Array] = []
    with _calls(manner) as seed:
        for point in points:
            try:
                seed()
                found.append(code.forward({**inputs, name: point}, own)[0])
            except ImplementationError as error:
                found.append(error)
    if _are_alike(found):
        return Answer({"stacked": len(found)}, [np.stack(found)])
    values = [
        {"raised": [str(one), one.traceback, one.frame]}
        if isinstance(one, ImplementationError)
        else {"out": describe_value(one, arrays)}
        for one in found
    ]
    return Answer({"values": values}, arrays)


@_answering
def backward(
    cotangent: Array | tuple[Array, ...], number: int, names: tuple[str, ...], manner: tuple[Any, ...]
) -> Answer:
    """Call backward with the cache of a forward."""
    arrays: list[Array] = []
    return Answer(_backward(cotangent, number, names, manner, arrays), arrays)


def _backward(
    cotangent: Array | tuple[Array, ...],
    number: int,
    names: tuple[str, ...],
    manner: tuple[Any, ...],
    arrays: list[Array],
) -> dict[str, Any]:
    if Manner(*manner).watched:
        _session.watched |= cotangents(cotangent)
    with _calls(manner) as seed:
        seed()
        returned = _session.code.backward(cotangent, _session.caches[number], names)
    values = {name: describe_value(value, arrays) for name, value in returned.items() if name in names}
    return {"gradients": values, "written": _written(manner)}


def _written(manner: tuple[Any, ...]) -> list[str]:
    """Name the inputs and cotangents that were written into while calls were watched."""
    return list(_session.watch.changed(_session.watched)) if Manner(*manner).watched else []


def several(steps: Sequence[tuple[Any, ...]], manner: tuple[Any, ...]) -> Answer:
    """Make calls one after the other until one raises: (inputs, parameters) of forward, or what `backward` takes.

    A cache may be that of an earlier step, by its number counted from -1 downward.
    """
    found: list[dict[str, Any]] = []
    arrays: list[Array] = []

    def make(step: tuple[Any, ...]) -> Answer:
        if len(step) == 2:
            return Answer(_forward(*step, manner, arrays))
        cotangent, number, names = step
        number = number if number >= 0 else found[-1 - number]["cache"]
        return Answer(_backward(cotangent, number, names, manner, arrays))

    for step in steps:
        found.append(_answering(make)(step).value)
        if "written" not in found[-1]:
            break
    return Answer(found, arrays)


@_answering
def has_drawn(seed: int) -> Answer:
    """Tell whether numbers were drawn since the generators were seeded."""
    return Answer(_session.code.has_drawn(seed))


@_answering
def place(result: CaseResult, folder: str | None) -> Answer:
    """Say where in the user's code the cause of a failure is."""
    found = with_place(result, _session.code, folder).place
    return Answer(found and encode(found))


@cache  # for the life of the process, as below
def _loader() -> Loader:
    """Return what loads code in this process, from the folder that is the current one before any of it runs."""
    return Loader()


def _implementation_of(task: Task, case: Case) -> Implementation:
    """Load the implementation of a task; what is read by trying it on the shapes of the case is read for each case."""
    layer = LAYERS[case.layer]
    return _find(task.spec, layer.name, task.settings.adapter, None if layer.reference else case)


@cache
def _find(spec: str, layer: str, adapter: str | None, case: Case | None) -> Implementation:
    return find(spec, LAYERS[layer], adapter, _loader(), case)


def _own(parameters: Parameters) -> Parameters:
    """Return the parameters of a call, those that only this process has in place of their names."""
    return _session.given.parameters if _session.given else parameters


@contextmanager
def _calls(given: tuple[Any, ...]) -> Iterator[Callable[[], None]]:
    """Make calls in the block as the checks do, and yield what is to be done before each."""
    manner = Manner(*given)
    for number in manner.dropped:
        _session.caches.pop(number, None)

    def seed() -> None:
        if manner.seed is not None:
            _session.code.seed(manner.seed)

    with (
        watch_arguments(_session.watch) if manner.watched else nullcontext(),
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
