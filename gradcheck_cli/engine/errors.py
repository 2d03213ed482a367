"""Why a case ended without a verdict: the user's code, the sizes or limits asked for, or a bug in the checker."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from gradcheck_cli.data.frozen import frozen, replace
from gradcheck_cli.guard.frames import format_bug, format_user_frames, innermost_frame, raised_by_user
from gradcheck_cli.implementation.implementation import ImplementationError, ImplementationNotFoundError
from gradcheck_cli.text.clean import clean, text_of, type_name

if TYPE_CHECKING:
    from gradcheck_cli.results.result import Place

#: NumPy's messages for sizes that no array can have, which are ValueErrors.
_TOO_LARGE = re.compile("array is too big|Maximum allowed (dimension|size) exceeded|too large to (be )?allocate")

_NO_MEMORY = "there is not enough memory; give smaller sizes, or --memory more, up to what the machine has"

#: Open files, processes, memory for a process, or space on a disk are exhausted.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOSPC)


@frozen
class ErrorReport:
    """Why a case ended without a verdict."""

    reason: str
    traceback: str | None = None  #: the user's frames
    bug: str | None = None  #: the whole traceback of a bug in the checker
    place: Place | None = None  #: of the innermost of the user's frames
    hung: bool = False  #: whether a call took longer than its time limit


def describe_error(error: BaseException) -> ErrorReport:
    """Report an exception that ended a case. Call this while the exception is handled."""
    report = _describe(error)
    known = error.frame if isinstance(error, ImplementationError | ImplementationNotFoundError) else None
    # Where no frame is shown, the user's code is not what raised: the innermost may be of the reference.
    frame = known or (innermost_frame(error) if report.traceback is not None else None)
    if frame is None:
        return report
    from gradcheck_cli.checks.diagnosis.place.frame import place_of_frame  # only after an error

    return replace(report, place=place_of_frame(frame))


def _describe(error: BaseException) -> ErrorReport:
    raised = _one_line(error)
    frames = format_user_frames(error)
    if isinstance(error, ImplementationNotFoundError):
        return ErrorReport(reason=text_of(error))
    if isinstance(error, ImplementationError):
        return ErrorReport(reason=text_of(error), traceback=error.traceback)
    if isinstance(error, MemoryError):
        return ErrorReport(reason=_NO_MEMORY, traceback=frames)
    if isinstance(error, OverflowError) or (isinstance(error, ValueError) and _TOO_LARGE.search(raised)):
        return ErrorReport(
            reason=f"arrays of these sizes cannot be made ({raised}); give smaller ones", traceback=frames
        )
    if isinstance(error, RecursionError):
        reason = "what the implementation returned is nested too deeply (RecursionError)"
        return ErrorReport(reason=reason, traceback=frames)
    if isinstance(error, OSError) and error.errno in _EXHAUSTED and not raised_by_user(error):
        return ErrorReport(reason=f"the system refuses what the checker needs: {os.strerror(error.errno)}")
    if raised_by_user(error) or not isinstance(error, Exception):
        return ErrorReport(reason=f"the implementation raised {raised}", traceback=frames)
    return describe_bug(error)


def describe_bug(error: BaseException) -> ErrorReport:
    """Report a bug in the checker. Call this while the exception is handled."""
    return ErrorReport(reason=f"a bug in the checker: {_one_line(error)}", bug=format_bug())


def _one_line(error: BaseException) -> str:
    return clean(f"{type_name(error)}: {text_of(error)}".rstrip(": "))
