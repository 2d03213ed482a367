"""The process of user code, and what it can be asked.

What it answers is text and arrays, read by the type that is expected. What it says of a bug in the checker may be its
own doing, and is an error of the case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from gradcheck_cli.engine.errors import ErrorReport
from gradcheck_cli.guard.frames import describe_user_stack
from gradcheck_cli.guard.process import Process, ProcessDiedError, RequestFailedError
from gradcheck_cli.guard.protocol import ProtocolError
from gradcheck_cli.implementation.implementation import (
    ImplementationError,
    ImplementationNotFoundError,
    NotExpressibleError,
)
from gradcheck_cli.implementation.loading.paths import shown_home, split_spec
from gradcheck_cli.results.encoding import read
from gradcheck_cli.text.clean import MOST_CHARACTERS, clean, clean_lines

if TYPE_CHECKING:
    from gradcheck_cli.guard.crash import Frame
    from gradcheck_cli.guard.protocol import Answer
    from gradcheck_cli.results.result import Place

    _Class = TypeVar("_Class")

#: The phase in which an implementation crashed whose module could be imported.
WHEN_TRIED = " when it was tried on a small case"

#: Lines of a message that lists candidates to choose from.
_MOST_LINES = 60

#: What reading raises where an answer is not what it should be.
_NO_ANSWER = (ProtocolError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


class ReportedError(RequestFailedError):
    """User code could not be loaded, tried or called, other than because it is not there."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(report.reason)
        self.report = report


#: How a request that loads or tries user code fails.
FAILURES = (ProcessDiedError, ReportedError, ImplementationNotFoundError)


class UserCode(Process):
    """The process of user code, and what it can be asked."""

    def ask(self, function: Callable[..., Answer], *arguments: Any) -> Answer:
        """Have a function of `inside` called.

        Raises:
            ImplementationNotFoundError: as the function does.
            ReportedError: user code raised, or there may be a bug in the checker.
            ProcessDiedError: the process died, or its answer made no sense.
        """
        self.send(function, *arguments)
        answer = self.receive()
        with self.reading():
            if isinstance(error := error_in(answer.value), ImplementationError | NotExpressibleError):
                raise ProtocolError("an error of a call where there was none")
        if error is not None:
            raise error
        return answer

    def receive(self) -> Answer:
        """Wait for the next answer, which may be an error."""
        try:
            return super().receive()
        except RequestFailedError as error:
            raise ReportedError(_doubtful_bug(str(error))) from error

    def read(self, cls: type[_Class], function: Callable[..., Answer], *arguments: Any) -> _Class | None:
        """Ask for an instance of a class of dataclasses, or none. It raises what `ask` does."""
        answer = self.ask(function, *arguments)
        with self.reading():
            return None if answer.value is None else read(cls, answer.value)

    def reading(self) -> _Reading:
        """Read an answer in a block: if it is not what it should be, the process is ended."""
        return _Reading(self)


class _Reading(NamedTuple):  # as a generator it would take 10 us of each call
    """Ends a process whose answer is not what it should be."""

    code: UserCode

    def __enter__(self) -> None:
        """Begin to read an answer."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """End the process if its answer made no sense."""
        if isinstance(error, _NO_ANSWER):
            raise self.code.distrusted() from error


def error_in(value: Any) -> Exception | None:
    """Return the error that a request or a call was answered with, if it was."""
    match value:
        case {"raised": [reason, traceback, frame]}:
            return ImplementationError(str(reason), None if traceback is None else str(traceback), _frame(frame))
        case {"inexpressible": reason}:
            return NotExpressibleError(str(reason))
        case {"missing": [reason, frame]}:
            return ImplementationNotFoundError(clean_lines(str(reason), _MOST_LINES, MOST_CHARACTERS), _frame(frame))
        case {"error": written}:
            report = read(ErrorReport, written)
            return ReportedError(_doubtful_bug(report.bug) if report.bug else report)
    return None


def require_home(spec: str, *names: str | None) -> None:
    """Require that names begin with the file of a task as the user typed it, or a folder and what is in it.

    Raises:
        ProtocolError: one is that of another file.
    """
    home = shown_home(split_spec(spec)[0])
    for name in names:
        if name is not None and (not f"{name}:".startswith((f"{home}:", f"{home}/")) or ".." in name[len(home) :]):
            raise ProtocolError("the name of another file")


def _frame(written: Any) -> Frame | None:
    if written is None:
        return None
    file, line, name = written
    return str(file), int(line), str(name)


def report_failure(error: BaseException, subject: str, spec: str, when: str = "") -> ErrorReport:
    """Report one of the `FAILURES`; the subject stands in for the function in which a process died, and when."""
    if isinstance(error, ProcessDiedError):
        return describe_death(error, subject, spec, when)
    if isinstance(error, ReportedError):
        return error.report
    frame = error.frame if isinstance(error, ImplementationNotFoundError) else None
    return ErrorReport(reason=str(error), place=frame and place_of(frame, spec))


def describe_death(death: ProcessDiedError, subject: str, spec: str, when: str = "") -> ErrorReport:
    """Report how a process died: in which function of the user, and when; the subject stands in for that function.

    Checks add as notes to the error what it was called with.
    """
    sources = _sources(spec) if death.stack else set()
    lines, function, frame = describe_user_stack(death.stack, sources)
    hint = "; --timeout allows more" if death.late else ""
    called = subject if function in (None, "<module>") else function
    when = "".join(getattr(death, "__notes__", [])) or when
    place = frame and place_of(frame, spec, sources)
    return ErrorReport(reason=f"{called} {death}{when}{hint}", traceback=lines, place=place, hung=death.late)


def place_of(frame: Frame, spec: str, sources: set[str] | None = None) -> Place | None:
    """Return the place of a frame that the process of user code names."""
    from gradcheck_cli.checks.diagnosis.place.frame import place_of_frame  # only after an error

    return place_of_frame(frame, _sources(spec) if sources is None else sources)


def _sources(spec: str) -> set[str]:
    """Return the files that an implementation is made of, none if that cannot be determined."""
    from gradcheck_cli.implementation.loading.imports import sources  # only after a crash

    try:
        return {str(file) for file in sources(spec)}
    except (OSError, ValueError, RecursionError, MemoryError):  # files that are no source code
        return set()


def _doubtful_bug(text: str) -> ErrorReport:
    """Report that the checker's part of the process of user code failed, which that code may have brought about."""
    raised = text.rstrip().rpartition("\n")[2]
    reason = f"the checker failed beside this code, which may have changed what both use ({raised})"
    return ErrorReport(reason=clean(reason), traceback=text)
