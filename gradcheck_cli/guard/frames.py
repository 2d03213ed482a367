"""Whose code a frame of a stack is, that of the checker, a library or the user; and the user's part of a traceback."""

from __future__ import annotations

import linecache
import os
import sysconfig
import traceback
from collections.abc import Container, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from gradcheck_cli.text.clean import clean, clean_lines, type_name

if TYPE_CHECKING:
    from types import TracebackType

    from gradcheck_cli.guard.crash import Frame

_OWN_CODE = str(Path(__file__).parents[1]) + os.sep
_REFERENCE_CODE = _OWN_CODE + "layers" + os.sep
_STANDARD_LIBRARY = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")})
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_NUMPY = tuple(f"{folder}numpy{os.sep}" for folder in _INSTALLED)

#: Lines of the traceback of a bug, and their width.
_BUG = 60, 300

#: Bytes. A larger file is not source code, and is not read to quote a line.
_LARGEST_SOURCE = 2**23


def is_own(file: str) -> bool:
    """Tell whether a file is part of the checker, the built-in layers included."""
    return file.startswith(_OWN_CODE)


def is_basic(file: str) -> bool:
    """Tell whether a file is part of Python or NumPy."""
    if file.startswith("<frozen"):
        return True
    if any(folder in file for folder in _INSTALLED):
        return any(folder in file for folder in _NUMPY)
    return file.startswith(_STANDARD_LIBRARY)


def raised_by_user(error: BaseException) -> bool:
    """Tell whether user code raised an exception, perhaps through Python or NumPy, or an installed package did."""
    files = (frame.filename for frame in reversed(_summaries(error.__traceback__)))
    innermost = next((file for file in files if not is_basic(file)), None)
    return innermost is not None and not is_own(innermost)


def user_frames(error: BaseException) -> list[traceback.FrameSummary]:
    """Return the user's frames of a traceback, the innermost last, up to where user code called a library.

    Frames of built-in layers are included: they stand in for user code.
    """
    return [_without_odd_source(frame) for frame in _keep_user_frames(_summaries(error.__traceback__))]


def innermost_frame(error: BaseException) -> Frame | None:
    """Return the innermost of the user's frames of a traceback; None if there is none."""
    return _innermost(user_frames(error))


def format_user_frames(error: BaseException) -> str | None:
    """Format the user's part of a traceback, and what was raised; None if no frame is the user's."""
    frames = user_frames(error)
    if not frames:
        return None
    message = clean(error, 1000)
    raised = type_name(error) + (f": {message}" if message else "")
    return _format("Traceback (your code only):", frames, raised)


def describe_user_stack(
    stack: list[Frame], sources: Container[str] = ()
) -> tuple[str | None, str | None, Frame | None]:
    """Format the user's part of a stack, and return too the name of its outermost function, which we called.

    Args:
        stack: the innermost frame last, from the fault handler of a process in which user code ran: its file names
            may be anything.
        sources: the files of the implementation. Lines of other files are not quoted.

    Returns:
        The text, the name and the innermost of the user's frames; None where there are no such frames.
    """
    ours = max((number for number, (file, _, _) in enumerate(stack) if _is_checker(file)), default=-1)
    quoted = [
        traceback.FrameSummary(file, line, name, lookup_line=False, line=None if file in sources else "")
        for file, line, name in stack[ours + 1 :]
    ]
    frames = _keep_user_frames(quoted)
    if not frames:
        return None, None, None
    return _format("Where it was (your code only):", frames), clean(frames[0].name), _innermost(frames)


def _innermost(frames: list[traceback.FrameSummary]) -> Frame | None:
    return (frames[-1].filename, frames[-1].lineno or 1, frames[-1].name) if frames else None


def format_bug() -> str:
    """Format the exception that is handled, with the frames of the checker, for the report of a bug."""
    return clean_lines(traceback.format_exc().rstrip(), *_BUG)


def _is_checker(file: str) -> bool:
    return is_own(file) and not file.startswith(_REFERENCE_CODE)


def _summaries(tb: TracebackType | None) -> list[traceback.FrameSummary]:
    """Return the frames of a traceback without reading a file and without calling methods of the exception."""
    return traceback.TracebackException(Exception, Exception(), tb, lookup_lines=False, compact=True).stack


def _keep_user_frames(frames: Iterable[traceback.FrameSummary]) -> list[traceback.FrameSummary]:
    """Leave out the checker's frames and those of libraries, unless all that are left are of installed packages."""
    others = [frame for frame in frames if not (_is_checker(frame.filename) or is_basic(frame.filename))]
    return [frame for frame in others if not any(part in frame.filename for part in _INSTALLED)] or others


def _format(title: str, frames: list[traceback.FrameSummary], *more: str) -> str:
    return clean_lines("\n".join([title, "".join(traceback.format_list(frames)).rstrip(), *more]))


def _without_odd_source(frame: traceback.FrameSummary) -> traceback.FrameSummary:
    """Leave out the line if the file is not source code: compiled code can claim to come from any file, or a pipe."""
    file = Path(frame.filename)
    try:
        if file.suffix == ".py" and file.is_file() and file.stat().st_size <= _LARGEST_SOURCE:
            return frame
        if ".ipynb, cell " in file.name and frame.filename in linecache.cache:  # whose text is there already
            return frame
    except (OSError, ValueError):
        pass
    return traceback.FrameSummary(frame.filename, frame.lineno, frame.name, lookup_line=False, line="")
