"""Checks user code in a guarded process, where it may hang, crash or print; and reports how that process died."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.engine import inside
from gradcheck_cli.engine.errors import ErrorReport
from gradcheck_cli.engine.inside import LOADING_ERRORS, LoadingError, find_names, load
from gradcheck_cli.guard.frames import format_user_stack, innermost_of_user
from gradcheck_cli.guard.process import BugError, ProcessDiedError
from gradcheck_cli.implementation.implementation import ImplementationNotFoundError
from gradcheck_cli.text.clean import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from gradcheck_cli.engine.task import Names, Task
    from gradcheck_cli.guard.crash import Frame
    from gradcheck_cli.guard.process import GuardedProcess
    from gradcheck_cli.layers.framework.case import Case
    from gradcheck_cli.results.result import CaseResult, Place

#: The phase in which an implementation crashed whose module could be imported.
WHEN_TRIED = " when it was tried on a small case"


class GuardedRunner:
    """Checks the cases of a task in a guarded process."""

    def __init__(self, task: Task, process: GuardedProcess) -> None:
        self._task, self._process = task, process
        self._names: Names | None = None
        self._missing: ErrorReport | None = None  # why it cannot be checked
        self._loading_output = ""  # of user code, until the first case reports it

    def find(self, case: Case) -> None:
        """Find the implementation. An error other than that it is not there is left to the first case."""
        if self._names or self._missing:
            return
        spec = self._task.spec
        try:
            self._names = call_loader(self._process, spec, find_names, self._task, case)
        except ImplementationNotFoundError as error:
            self._missing = ErrorReport(reason=str(error), place=error.frame and _place(error.frame, _sources(spec)))
            raise
        except LoadingError as error:
            self._missing = error.report
        except ProcessDiedError as death:
            if not death.imported:
                reason = f"{spec} cannot be imported: {describe_death(death, 'it', spec).reason}"
                self._missing = ErrorReport(reason=reason)
                raise ImplementationNotFoundError(reason) from death
            self._missing = describe_death(death, "the implementation", spec, WHEN_TRIED)
        finally:
            self._loading_output = self._process.output

    def check(self, case: Case) -> CaseResult:
        """Check one case."""
        started = time.perf_counter()
        with contextlib.suppress(ImplementationNotFoundError):  # reported below
            self.find(case)
        output, self._loading_output = self._loading_output, ""
        if self._missing is not None:
            result = self._task.error_result(case, self._missing)
        else:
            result = self._check_found(case)
            output += self._process.output
        return replace(result, output=output, seconds=time.perf_counter() - started)

    def _check_found(self, case: Case) -> CaseResult:
        try:
            result: CaseResult = self._process.call(inside.check, self._task, case)
        except ProcessDiedError as death:
            error = describe_death(death, "the implementation", self._task.spec)
        except BugError as bug:
            error = _describe_bug(bug)
        else:
            return result
        return self._task.error_result(case, error, self._names)


def call_loader(process: GuardedProcess, spec: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function that loads or tries user code in a guarded process.

    Raises:
        ImplementationNotFoundError: there is no implementation, or it cannot be imported.
        LoadingError: user code raised, or there is a bug in the checker.
        ProcessDiedError: the process died.
    """
    try:
        return process.call(load, spec, function, *arguments, expected=LOADING_ERRORS)
    except BugError as bug:
        raise LoadingError(_describe_bug(bug)) from bug


def _describe_bug(error: BugError) -> ErrorReport:
    """Report a bug in the checker that was met in a guarded process."""
    text = str(error)
    last_line = text.rpartition("\n")[2]
    return ErrorReport(reason=clean(f"a bug in the checker: {last_line}"), bug=text)


def describe_death(death: ProcessDiedError, subject: str, spec: str, when: str = "") -> ErrorReport:
    """Report how a process died: in which function of the user, and when; the subject stands in for that function."""
    sources = _sources(spec) if death.stack else set()
    lines, function = format_user_stack(death.stack, sources)
    frame = innermost_of_user(death.stack)
    hint = "; --timeout allows more" if death.late else ""
    called = subject if function in (None, "<module>") else function
    return ErrorReport(reason=f"{called} {death}{when}{hint}", traceback=lines, place=frame and _place(frame, sources))


def _place(frame: Frame, sources: set[str]) -> Place | None:
    from gradcheck_cli.checks.diagnosis.place.frame import place_of_frame  # only after an error

    return place_of_frame(frame, sources)


def _sources(spec: str) -> set[str]:
    """Return the files that an implementation is made of, none if that cannot be determined."""
    from gradcheck_cli.implementation.loading.source import sources  # only after a crash

    try:
        return {str(file) for file in sources(spec)}
    except (OSError, ValueError, RecursionError, MemoryError):  # files that are no source code
        return set()
