"""The work of the process of user code: find what there is, load it, and say how it is understood.

Each public function answers a request.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from gradcheck_cli.checks.diagnosis.place.locate import with_place
from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine.errors import describe_error
from gradcheck_cli.engine.inside_calls import calls_made, describe_raised, make_calls, session
from gradcheck_cli.guard.clock import timed
from gradcheck_cli.guard.protocol import Answer
from gradcheck_cli.guard.state import preserve_basics, preserve_state
from gradcheck_cli.implementation.finding.examine import examine
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.finding.inventory import take_inventory
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.results.encoding import encode

if TYPE_CHECKING:
    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.implementation.finding.inventory import Offer
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult

#: Attributes of an implementation that are text.
DESCRIBED = ("name", "spec", "convention", "absent", "order", "outputs", "cotangents", "warnings")


def _loading(function: Callable[..., Answer]) -> Callable[..., Answer]:
    """The same for a function that loads or tries user code; its first argument says which, or has a `spec` that does.

    What is not there is answered as such.
    """

    @functools.wraps(function)
    def loading(*arguments: Any) -> Answer:
        try:
            with timed(), preserve_basics():
                return function(*arguments)
        except ImplementationNotFoundError as error:
            return Answer(describe_raised(error))
        except BaseException as error:  # noqa: BLE001  # whatever it does
            report = describe_error(error)
            spec = getattr(arguments[0], "spec", arguments[0])
            reason = report.reason if report.bug else f"{report.reason} when {spec} was loaded and tried"
            return Answer({"error": encode(replace(report, reason=reason))})

    return loading


@_loading
def inventory(spec: str) -> Answer:
    """List what a file has."""
    return Answer(encode(take_inventory(spec, _loader())))


@_loading
def examined(offer: Offer) -> Answer:
    """Say how an offer is checked."""
    with preserve_state():
        found = examine(offer, _loader())
    return Answer(found and encode(found))


@_loading
def describe(task: Task, case: Case, is_first: bool) -> Answer:  # noqa: FBT001  # a request has no names
    """Describe the implementation of a task, and what it is given that is not of the case.

    One that is given other inputs than the first case has is missing.
    """
    code, layer = _implementation_of(task, case), LAYERS[case.layer]
    description: dict[str, Any] = {name: getattr(code, name) for name in DESCRIBED} | {"given": None}
    if layer.reference or case.impossible():
        return Answer(description)
    problem = layer.problem(case)
    given = code.given(problem) if code.given else problem
    if is_first and (why := code.refusal({**given.inputs, **(given.parameters or {})})):
        raise ImplementationNotFoundError(why)
    if given is problem:
        return Answer(description)
    names = [list(given.inputs), list(given.parameters or {}), list(given.constants)]
    return Answer(description | {"given": names}, [*given.inputs.values()])


@_loading
def _begin(task: Task, case: Case) -> Answer:
    """Have the implementation of a task called from now on, as if nothing had been called."""
    session.state.close()
    code = session.implementation = _implementation_of(task, case)
    session.caches.clear()
    session.first.clear()
    session.given = code.given(LAYERS[case.layer].problem(case)) if code.given else None
    session.state.enter_context(preserve_state())
    return Answer(None)


def call_passes(begins: tuple[Task, Case] | None, steps: Sequence[tuple[Any, ...]], dropped: Sequence[int]) -> Answer:
    """Make calls of an implementation, as `make_calls` does; the first of a case say which implementation."""
    begun = _begin(*begins) if begins else Answer(None)
    return make_calls(steps, dropped) if begun.value is None else calls_made([begun.value], goes_on=False)


def has_drawn(seed: int) -> Answer:
    """Tell whether numbers were drawn since the generators were seeded."""
    return Answer(session.code.has_drawn(seed))


@_loading
def place(result: CaseResult, folder: str | None) -> Answer:
    """Say where in the user's code the cause of a failure is."""
    found = with_place(result, session.code, folder).place
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
