"""Whose code is checked: a forward and a backward under one convention, called so that they can spoil nothing."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import gradcheck_cli
from gradcheck_cli.implementation.dated import remedy
from gradcheck_cli.implementation.missing import MissingImportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gradcheck_cli.arrays import Array

    #: forward(inputs, parameters) -> (out, cache)
    Forward = Callable[[Mapping[str, Array], Mapping[str, object] | None], tuple[object, object]]
    #: backward(cotangent, cache, names of the inputs) -> what was returned as gradient of each. Of a layer with several
    #: outputs, out is a tuple and the cotangents are one, until `packing` makes each an array.
    Backward = Callable[[Any, object, tuple[str, ...]], Mapping[str, object]]

_OWN_CODE = str(Path(gradcheck_cli.__file__).parent) + os.sep
_REFERENCE_CODE = _OWN_CODE + "layers" + os.sep


class ImplementationError(Exception):
    """The implementation raised, or broke its convention.

    `traceback` holds its own frames, as Python prints them; None where it did not get as far as to have any.
    """

    def __init__(self, reason: str, traceback: str | None = None) -> None:
        super().__init__(reason)
        self.traceback = traceback


class NotExpressibleError(Exception):
    """The implementation's convention has no way to say this geometry; the message says what stands in the way."""


class Written(dict[str, object]):
    """A dictionary of our own making, handed out as it is, because what is written into it is to be seen."""


@dataclass(frozen=True, kw_only=True)
class Implementation:
    """Forward and backward of a layer, in the form that the checks call."""

    name: str  #: how reports call it
    spec: str | None  #: what to type to check it; None for functions that have no such name
    convention: str  #: how it was understood, in its own terms
    forward: Forward  #: raises ImplementationError, or NotExpressibleError for a geometry that it cannot be asked
    backward: Backward  #: raises ImplementationError
    #: Where the case names the inputs: the order in which it takes them itself, and why it has others, if it has.
    order: tuple[str, ...] = ()
    refusal: Callable[[Iterable[str]], str | None] = lambda _names: None
    warnings: tuple[str, ...] = ()  #: what went wrong on the way and was got over, a sentence each


class Watch:
    """Keeps the copies that user code was given, to see whether it has written into them."""

    def __init__(self) -> None:
        self.copies: list[tuple[Array, Any]] = []  #: what was to be given, and the copy that was

    def changed(self, arrays: Mapping[str, Array]) -> tuple[str, ...]:
        """Name those of `arrays` of which a copy, or a copy of a view, is not what it was."""
        written = [given for given, copy in self.copies if not np.array_equal(given, copy, equal_nan=True)]
        return tuple(name for name, array in arrays.items() if any(np.may_share_memory(array, w) for w in written))


_WATCHES: list[Watch] = []


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Watch all arrays that calls within the block are given."""
    watch = Watch()
    _WATCHES.append(watch)
    try:
        yield watch
    finally:
        _WATCHES.remove(watch)


def call(function: Callable[..., Any], *args: object, **kwargs: object) -> Any:
    """Call the user's code with copies of the arguments, and with its prints on stderr.

    Raises:
        ImplementationError: it raised anything, `SystemExit` included. Only Ctrl-C passes.
    """
    # Called a hundred times in a case of 3 ms, of which the comparison spared for arrays is a twentieth.
    copies = [argument.copy() if isinstance(argument, np.ndarray) else _copy(argument) for argument in args]
    named = {name: _copy(argument) for name, argument in kwargs.items()}
    for watch in _WATCHES:
        given = zip((*args, *kwargs.values()), (*copies, *named.values()), strict=True)
        watch.copies += [(one, copy) for one, copy in given if isinstance(one, np.ndarray)]
    stdout, sys.stdout = sys.stdout, sys.stderr
    try:
        with np.errstate():
            return function(*copies, **named)
    except (ImplementationError, KeyboardInterrupt):
        raise
    except MissingImportError as error:
        raise ImplementationError(str(error), own_frames(error)) from error
    except BaseException as error:
        said = re.sub(r"[^\S\n]|[\x00-\x08\x0b-\x1f\x7f]", " ", str(error)).strip()  # no escape codes in a report
        reason = f"{name_of(function)} raised {type(error).__name__}" + (f": {said.splitlines()[0]}" if said else "")
        frames = own_frames(error)
        shown = [_shown(argument) for argument in args] + [f"{n}={_shown(value)}" for n, value in kwargs.items()]
        called = f"{name_of(function)}({', '.join(shown)})"
        raise ImplementationError(
            reason + remedy(error, user_stack(error)), frames and f"{frames}\nIt was called as {called}"
        ) from error
    finally:
        sys.stdout = stdout


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function or class, or of the class of an object that can be called."""
    return getattr(function, "__name__", type(function).__name__)


def described(value: object) -> str:
    """Say in a few words what a value is that should have been another."""
    if isinstance(value, tuple | list):
        return f"{len(value)} values"
    if isinstance(value, np.ndarray):
        return f"one array of shape {value.shape}"
    return f"a value of type {type(value).__name__}"


def user_stack(error: BaseException) -> list[traceback.FrameSummary]:
    """List the frames of a traceback that are neither ours nor the import system's."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not _is_ours(frame.filename) and not frame.filename.startswith("<frozen")]


def own_frames(error: BaseException) -> str | None:
    """Format a traceback without our frames: from the first that is the user's to where it was raised."""
    theirs = user_stack(error)
    if not theirs:
        return None
    lines = traceback.format_list(theirs) + traceback.format_exception_only(error)
    return "Traceback (your code only):\n" + "".join(lines).rstrip()


def own_lines(stack: list[tuple[str, int, str]]) -> tuple[str | None, str | None]:
    """Format the user's part of a stack of (file, line, function), the innermost last; and name what we called."""
    ours = max((number for number, (file, _, _) in enumerate(stack) if _is_ours(file)), default=-1)
    theirs = [frame for frame in stack[ours + 1 :] if not frame[0].startswith("<frozen")]
    if not theirs:
        return None, None
    lines = traceback.format_list([traceback.FrameSummary(*frame) for frame in theirs])
    return "Where it was (your code only):\n" + "".join(lines).rstrip(), theirs[0][2]


def _is_ours(filename: str) -> bool:
    return filename.startswith(_OWN_CODE) and not filename.startswith(_REFERENCE_CODE)


def _copy(argument: object) -> object:
    if isinstance(argument, np.ndarray):
        return argument.copy()
    return dict(argument) if isinstance(argument, dict) and not isinstance(argument, Written) else argument


def _shown(argument: object) -> str:
    """Describe an argument in a few words: an array by its shape and dtype."""
    if isinstance(argument, np.ndarray):
        return f"{'x'.join(map(str, argument.shape)) or 'scalar'} {argument.dtype}"
    if isinstance(argument, tuple | list):
        return f"{type(argument).__name__} of {len(argument)}"
    return repr(argument) if isinstance(argument, dict | int | float | str) else type(argument).__name__


def listed(names: Iterable[str]) -> str:
    """Join names as a sentence does: `dx, dw and db`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
