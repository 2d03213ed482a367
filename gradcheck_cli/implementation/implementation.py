"""Whose code is checked: a forward and a backward under one convention, called so that they can spoil nothing."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.guard.clock import begin_call, end_call, in_guarded_process
from gradcheck_cli.text.clean import clean, object_name, text_of, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gradcheck_cli.numeric.arrays import Array

    #: forward(inputs, parameters) -> (out, cache)
    Forward = Callable[[Mapping[str, Array], Mapping[str, object] | None], tuple[object, object]]
    #: backward(cotangent, cache, names of the inputs) -> what was returned as gradient of each. Of a layer with several
    #: outputs, out is a tuple and the cotangents are one, until `packing` makes each an array.
    Backward = Callable[[Any, object, tuple[str, ...]], Mapping[str, object]]


class ImplementationError(Exception):
    """The implementation raised, or broke its convention.

    `traceback` holds its own frames, as Python prints them; None where it did not get as far as to have any.
    """

    def __init__(self, reason: str, traceback: str | None = None) -> None:
        super().__init__(reason)
        self.traceback = traceback


class ImplementationNotFoundError(Exception):
    """There is no such implementation, it cannot be loaded, or there are several; the message says what would do."""


class MissingImportError(ImportError):
    """Something was used of a module that could not be imported; the message says which, and where."""

    __module__ = "builtins"  # so that a traceback of the user's code names it without our modules


class NotExpressibleError(Exception):
    """The implementation's convention has no way to say this geometry; the message says what stands in the way."""


class Written(dict[str, object]):
    """A dictionary of our own making, handed out as it is, because what is written into it is to be seen."""


Written.__name__ = Written.__qualname__ = "dict"  # as errors of user code call it


@frozen
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
    cotangents: tuple[str, ...] = ()  #: what its backward calls the cotangent of each output, where that is known
    warnings: tuple[str, ...] = ()  #: what went wrong on the way and was got over, a sentence each


@dataclass(frozen=True)
class Misshapen:
    """An array that has not the shape that it must have in the user's code, and may have the one that it has here."""

    array: Array
    wanted: tuple[int, ...]  #: in the user's code


class Watch:
    """Keeps the copies that user code was given, to see whether it has written into them."""

    def __init__(self) -> None:
        self.copies: list[tuple[Array, Any]] = []  #: what was to be given, and the copy that was

    def changed(self, arrays: Mapping[str, Array]) -> tuple[str, ...]:
        """Name those of `arrays` of which a copy, or a copy of a view, is not what it was."""
        written = [given for given, copy in self.copies if not _is_same(given, copy)]
        return tuple(name for name, array in arrays.items() if any(np.may_share_memory(array, w) for w in written))


_WATCHES: list[Watch] = []

#: Characters of an argument in the report of an exception.
_LONGEST_SHOWN = 200

#: What our own code needs: user code may lower the limit.
_RECURSION_LIMIT = sys.getrecursionlimit()


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
        ImplementationError: it raised anything, `SystemExit` included.
        KeyboardInterrupt: Ctrl-C was pressed, where that can be.
    """
    # Called a hundred times in a case of 3 ms, of which the comparison spared for arrays is a twentieth.
    copies = [argument.copy() if isinstance(argument, np.ndarray) else _copy(argument) for argument in args]
    named = {name: _copy(argument) for name, argument in kwargs.items()} if kwargs else {}
    for watch in _WATCHES:
        given = zip((*args, *kwargs.values()), (*copies, *named.values()), strict=True)
        watch.copies += [(one, copy) for one, copy in given if isinstance(one, np.ndarray)]
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
    except MissingImportError as error:
        from gradcheck_cli.guard.frames import own_frames  # only where something was raised

        raise ImplementationError(text_of(error), own_frames(error)) from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and not in_guarded_process():
            raise
        from gradcheck_cli.guard.frames import own_frames, user_stack  # only where something was raised
        from gradcheck_cli.implementation.dated import remedy

        said = clean(text_of(error).strip().partition("\n")[0])
        reason = f"{name_of(function)} raised {type_name(error)}" + (f": {said}" if said else "")
        frames = own_frames(error)
        shown = [_shown(argument) for argument in args] + [f"{n}={_shown(value)}" for n, value in kwargs.items()]
        called = f"{name_of(function)}({', '.join(shown)})"
        raise ImplementationError(
            reason + remedy(error, user_stack(error)), frames and f"{frames}\nIt was called as {called}"
        ) from error
    finally:
        sys.stdout, sys.stderr = stdout, stderr
        if sys.getrecursionlimit() < _RECURSION_LIMIT:
            sys.setrecursionlimit(_RECURSION_LIMIT)


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function or class, or of the class of an object that can be called."""
    return object_name(function)


def described(value: object) -> str:
    """Say in a few words what a value is that should have been another."""
    if isinstance(value, tuple | list):
        return f"{len(value)} values"
    if isinstance(value, np.ndarray):
        return f"one array of shape {value.shape}"
    return f"a value of type {type_name(value)}"


def _is_same(one: Array, other: Any) -> bool:
    return (one.shape == other.shape and bool((one == other).all())) or np.array_equal(one, other, equal_nan=True)


def _copy(argument: object) -> object:
    if isinstance(argument, np.ndarray):
        return argument.copy()
    return dict(argument) if isinstance(argument, dict) and not isinstance(argument, Written) else argument


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
