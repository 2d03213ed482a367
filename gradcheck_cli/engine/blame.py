"""What an exception that ended a case was: the user's code, the user's sizes and limits, or a bug in the checker."""

from __future__ import annotations

import errno
import os
import re

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.guard.frames import bug_text, own_frames, raised_by_user
from gradcheck_cli.guard.originals import put_back
from gradcheck_cli.implementation.implementation import ImplementationError, ImplementationNotFoundError
from gradcheck_cli.text.clean import clean, text_of, type_name

#: What NumPy says of sizes that no array can have, as a ValueError.
_TOO_LARGE = re.compile("array is too big|Maximum allowed (dimension|size) exceeded|too large to (be )?allocate")

_NO_MEMORY = "there is not enough memory; give smaller sizes, or --memory more, up to what the machine has"


#: Of what a machine has no more: files that are open, processes, memory for one, space on a disk.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOSPC)


@frozen
class Blame:
    """Why a case ended without a verdict."""

    reason: str
    traceback: str | None = None  #: of user code: its own frames
    bug: str | None = None  #: of a bug in the checker: the whole traceback


def blame(error: BaseException) -> Blame:
    """Say what ended a case. To be called while the exception is handled.

    What user code has replaced of what the checker uses is put back, or there would be nothing to say it with.
    """
    replaced = put_back()
    said = clean(f"{type_name(error)}: {text_of(error)}".rstrip(": "))
    frames = own_frames(error)
    if isinstance(error, ImplementationNotFoundError):
        return Blame(reason=text_of(error))
    if isinstance(error, ImplementationError):
        return Blame(reason=text_of(error), traceback=error.traceback)
    if isinstance(error, MemoryError):
        return Blame(reason=_NO_MEMORY, traceback=frames)
    if isinstance(error, OverflowError) or (isinstance(error, ValueError) and _TOO_LARGE.search(said)):
        return Blame(reason=f"arrays of these sizes cannot be made ({said}); give smaller ones", traceback=frames)
    if isinstance(error, RecursionError):
        return Blame(reason="what the implementation returned is nested too deeply (RecursionError)", traceback=frames)
    if isinstance(error, OSError) and error.errno in _EXHAUSTED and not raised_by_user(error):
        return Blame(reason=f"the system refuses what the checker needs: {os.strerror(error.errno)}")
    if raised_by_user(error) or not isinstance(error, Exception):
        return Blame(reason=f"the implementation raised {said}", traceback=frames)
    if replaced:
        return Blame(reason=f"the implementation replaced {replaced}, which the checker uses ({said})")
    return bug(error)


def bug(error: BaseException) -> Blame:
    """Report a bug in the checker. To be called while the exception is handled."""
    said = clean(f"{type_name(error)}: {text_of(error)}".rstrip(": "))
    return Blame(reason=f"a bug in the checker: {said}", bug=bug_text())
