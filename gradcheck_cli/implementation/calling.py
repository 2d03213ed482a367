"""Calls user code so that it can spoil nothing: with copies of its arguments, and with its prints on stderr."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np

from gradcheck_cli.data.memory_layout import copy_as_is
from gradcheck_cli.guard.clock import begin_call, end_call, in_guarded_process
from gradcheck_cli.guard.state import preserve_state
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.text.clean import clean, object_name, text_of, type_name

#: Characters of an argument in the report of an exception.
_LONGEST_SHOWN = 200

#: What the checker itself needs: user code may lower the limit.
_RECURSION_LIMIT = sys.getrecursionlimit()


class MissingImportError(ImportError):
    """Something was used of a module that could not be imported; the message says which, and where."""

    __module__ = "builtins"  # so that a traceback of the user's code names it without our modules


class WrittenDict(dict[str, object]):
    """A dictionary that is passed as it is, not as a copy, because what is written into it is read afterwards."""


WrittenDict.__name__ = WrittenDict.__qualname__ = "dict"  # as errors of user code call it


class WrittenArray(np.ndarray[Any, Any]):
    """An array that is passed as it is, because it is filled."""


WrittenArray.__name__ = WrittenArray.__qualname__ = "ndarray"


class Watch:
    """Keeps the copies that user code was given, to see whether it has written into them."""

    def __init__(self) -> None:
        self.copies: list[tuple[Array, Any]] = []  #: the array to pass, and the copy that was passed
        self.written: list[Array] = []  #: arrays that code in another process has written into

    def changed(self, arrays: Mapping[str, Array]) -> tuple[str, ...]:
        """Name those of `arrays` of which a copy, or a copy of a view, was written into."""
        written = self.written + [array for array, copy in self.copies if _differ(array, copy)]
        return tuple(name for name, array in arrays.items() if any(np.may_share_memory(array, w) for w in written))


def _differ(array: Array, copy: Array) -> bool:
    """Compare by methods of arrays alone, which user code cannot replace as it can functions of NumPy."""
    if array.shape != copy.shape or array.tobytes() == copy.tobytes():
        return array.shape != copy.shape
    same = (array == copy) | ((array != array) & (copy != copy))  # noqa: PLR0124  # a NaN
    return b"\0" in same.tobytes()


_WATCH: ContextVar[Watch | None] = ContextVar("watch", default=None)


def current_watch() -> Watch | None:
    """Return what watches the arrays of calls now."""
    return _WATCH.get()


@contextlib.contextmanager
def watch_arguments(watch: Watch | None = None) -> Iterator[Watch]:
    """Watch all arrays that calls within the block are given."""
    watch = watch or Watch()
    token = _WATCH.set(watch)
    try:
        yield watch
    finally:
        _WATCH.reset(token)


def call(function: Callable[..., Any], *args: object, **kwargs: object) -> Any:
    """Call user code.

    Raises:
        ImplementationError: it raised anything, `SystemExit` included.
        KeyboardInterrupt: Ctrl-C was pressed, unless in the guarded process.
    """
    # Called a hundred times in a case of 3 ms, of which the comparison spared for arrays is a twentieth.
    copies = [_copy(argument) for argument in args]
    named = {name: _copy(argument) for name, argument in kwargs.items()}
    if watch := _WATCH.get():
        passed = zip((*args, *kwargs.values()), (*copies, *named.values()), strict=True)
        watch.copies += [(argument, copy) for argument, copy in passed if isinstance(argument, np.ndarray)]
    stdout, stderr = sys.stdout, sys.stderr
    sys.stdout = stderr
    begin_call()
    try:
        try:
            with np.errstate():
                return function(*copies, **named)
        finally:
            end_call()
    except ImplementationError:
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not in_guarded_process():
            raise
        raise _as_result(error, name_of(function), args, kwargs) from error
    finally:
        sys.stdout, sys.stderr = stdout, stderr
        if sys.getrecursionlimit() < _RECURSION_LIMIT:
            sys.setrecursionlimit(_RECURSION_LIMIT)


#: Whether no error is described in full, because code is only tried: that takes ten times as long as a call.
_BRIEF: ContextVar[bool] = ContextVar("brief", default=False)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let nothing be heard of what is tried, which is not what the user asked for, and change nothing."""
    with preserve_state():
        warnings.simplefilter("ignore")
        np.seterr(all="ignore")
        sys.stderr = io.StringIO()
        token = _BRIEF.set(True)
        try:
            yield
        finally:
            _BRIEF.reset(token)


def _as_result(
    error: BaseException, name: str, args: Sequence[object], kwargs: Mapping[str, object]
) -> ImplementationError:
    if _BRIEF.get():
        return ImplementationError(f"{name} raised {type_name(error)}")
    # only where something was raised
    from gradcheck_cli.guard.frames import format_user_frames, innermost_frame, user_frames
    from gradcheck_cli.implementation.loading.legacy_hints import legacy_hint

    frames, innermost = format_user_frames(error), innermost_frame(error)
    if isinstance(error, MissingImportError):
        return ImplementationError(text_of(error), frames, innermost)
    message = clean(text_of(error).strip().partition("\n")[0])
    reason = f"{name} raised {type_name(error)}" + (f": {message}" if message else "")
    shown = [_shown(argument) for argument in args] + [f"{n}={_shown(value)}" for n, value in kwargs.items()]
    called = frames and f"{frames}\nIt was called as {name}({', '.join(shown)})"
    return ImplementationError(reason + legacy_hint(error, user_frames(error)), called, innermost)


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function or class, or of the class of an object that can be called."""
    return object_name(function)


def describe(value: object) -> str:
    """Describe a returned value in a few words, to say that another was expected."""
    if isinstance(value, tuple | list):
        return f"{len(value)} values"
    if isinstance(value, np.ndarray):
        return f"one array of shape {value.shape}"
    return f"a value of type {type_name(value)}"


def _copy(argument: object) -> object:
    if isinstance(argument, np.ndarray):
        return argument if isinstance(argument, WrittenArray) else copy_as_is(argument)
    return dict(argument) if isinstance(argument, dict) and not isinstance(argument, WrittenDict) else argument


def _shown(argument: object) -> str:
    """Describe an argument in a few words: an array by its shape and dtype. It may be a cache, hence any object."""
    try:
        if isinstance(argument, np.ndarray):
            return f"{'x'.join(map(str, argument.shape)) or 'scalar'} {argument.dtype}"
        if isinstance(argument, tuple | list):
            return f"{type_name(argument)} of {len(argument)}"
        if isinstance(argument, dict | int | float | str):
            return clean(repr(argument), _LONGEST_SHOWN)
    except BaseException:  # noqa: BLE001, S110  # its class is the user's, and the error to report is another
        pass
    return type_name(argument)
