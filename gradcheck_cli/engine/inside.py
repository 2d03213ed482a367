"""The work of a guarded process for the engine: load an implementation, name it, and check its cases."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine.errors import ErrorReport, describe_error
from gradcheck_cli.engine.sanitize import sanitize
from gradcheck_cli.engine.task import Names
from gradcheck_cli.guard.clock import timed
from gradcheck_cli.guard.state import preserve_basics, preserve_state
from gradcheck_cli.implementation.finding.find import find
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.implementation.loading.load import Loader
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.text.clean import MOST_CHARACTERS, clean_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.engine.task import Task
    from gradcheck_cli.implementation.implementation import Implementation
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult

#: Lines of a message that lists candidates to choose from.
_MOST_CHOICES = 60


class LoadingError(Exception):
    """An implementation could not be loaded or tried, other than because it is not there."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report)  # as it is pickled
        self.report = report


#: What `load` raises other than bugs.
LOADING_ERRORS = (ImplementationNotFoundError, LoadingError)


def load(spec: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that loads or tries user code.

    Raises:
        ImplementationNotFoundError: there is no implementation, or it cannot be imported.
        LoadingError: user code raised.
        Exception: there is a bug in the checker.
    """
    try:
        with timed(), preserve_basics():
            return function(*arguments)
    except BaseException as error:
        report = describe_error(error)
        if report.bug is not None:
            raise
        reason = clean_lines(report.reason, _MOST_CHOICES, MOST_CHARACTERS)
        if isinstance(error, ImplementationNotFoundError):
            raise ImplementationNotFoundError(reason, error.frame) from None  # its cause may not be picklable
        reason = f"{reason} when {spec} was loaded and tried"
        raise LoadingError(replace(report, reason=reason)) from None


def find_names(task: Task, case: Case) -> Names:
    """Load the implementation of a task, and return its names.

    Raises:
        ImplementationNotFoundError: there is none, or it has other inputs than the case.
    """
    implementation, layer = _load_implementation(task, case), LAYERS[case.layer]
    if not (layer.reference or case.impossible()):
        problem = layer.problem(case)
        problem = implementation.given(problem) if implementation.given else problem
        if why := implementation.refusal({**problem.inputs, **(problem.parameters or {})}):
            raise ImplementationNotFoundError(why)
    return Names(implementation.name, implementation.spec)


def check(task: Task, case: Case) -> CaseResult:
    """Check a case. Whatever user code raises, `SystemExit` included, ends the case only."""
    names = None
    try:
        with timed(), preserve_basics():  # it is loaded again after a crash
            implementation = _load_implementation(task, case)
        names = Names(implementation.name, implementation.spec)
        with preserve_state():
            return sanitize(task.check(case, implementation, task.settings))
    except BaseException as error:  # noqa: BLE001  # user code may raise anything, anywhere
        return task.error_result(case, describe_error(error), names)


@cache  # for the life of the process, as below
def loader() -> Loader:
    """Return what loads code in this process, from the folder that is the current one before any of it runs."""
    return Loader()


def _load_implementation(task: Task, case: Case) -> Implementation:
    """Load the implementation of a task; what is read by trying it on the shapes of the case is read for each case."""
    layer = LAYERS[case.layer]
    return _load(task.spec, layer.name, task.settings.adapter, None if layer.reference else case)


@cache
def _load(spec: str, layer: str, adapter: str | None, case: Case | None) -> Implementation:
    return find(spec, LAYERS[layer], adapter, loader(), case)
