"""Code under test: its passes as they are given, and what was found by trying in instances of a class.

Small numbers that code adds inside of a logarithm, as in `log(p + 1e-7)`, are its guards. A right gradient may leave
them out. Whether it does is found out by making them large, or taking them away.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from types import FunctionType, MethodType
from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.attributes import Path
from gradcheck_cli.implementation.conventions.tensors import with_tensors
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.text.clean import type_name

_LARGEST = 1e-4  #: of a number that is a guard
_LOGARITHMS = {"log", "log2", "log10"}

#: What guards are made, to see whether a gradient knows of them, and what they are made to take them away.
LARGE, NONE = 0.3, 1e-300


def guards_in(function: object) -> frozenset[float]:
    """Return the guards of the logarithms in the file of a function or class."""
    found: list[object] = []
    for group in _groups(function):
        for one in group if any(_LOGARITHMS & {*one.__code__.co_names} for one in group) else ():
            found += [*_floats(one), *(one.__globals__.get(name) for name in one.__code__.co_names)]
    return frozenset(one for one in found if isinstance(one, float) and 0 < one <= _LARGEST)


@contextlib.contextmanager
def guards_made(function: object, guards: frozenset[float], value: float) -> Iterator[None]:
    """Put another number in the place of guards for a block, wherever the file has them."""

    def replaced(numbers: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(value if isinstance(one, float) and one in guards else one for one in numbers)

    functions = [one for group in _groups(function) for one in group]
    before = [(one, one.__code__, one.__defaults__) for one in functions if guards & {*_floats(one)}]
    for one, code, defaults in before:
        one.__code__ = code.replace(co_consts=replaced(code.co_consts))
        one.__defaults__ = replaced(defaults) if defaults else None
    space = _space(function)
    named = {name: one for name, one in space.items() if isinstance(one, float) and one in guards}
    space.update(dict.fromkeys(named, value))
    try:
        yield
    finally:
        space.update(named)
        for one, code, defaults in before:
            one.__code__, one.__defaults__ = code, defaults


def _groups(function: object) -> list[list[FunctionType]]:
    """List the functions of a file and those that it imports, the methods of one class together."""
    values = list({id(value): value for value in _space(function).values()}.values())
    groups = [[*vars(value).values()] if inspect.isclass(value) else [value] for value in values]
    plain = [[getattr(one, "__func__", one) for one in group] for group in groups]
    functions = [[one for one in group if inspect.isfunction(one)] for group in plain]
    libraries = ("site-packages", "dist-packages")
    return [
        [one for one in group if not any(folder in one.__code__.co_filename for folder in libraries)]
        for group in functions
    ]


def _space(function: Any) -> dict[str, Any]:
    """Return the module in which a function or class is written."""
    written = list(vars(function).values()) if inspect.isclass(function) else [inspect.unwrap(function)]
    found = (getattr(one, "__func__", one) for one in written)
    return next((one.__globals__ for one in found if inspect.isfunction(one)), {})


def _floats(function: FunctionType) -> Iterator[float]:
    numbers = (*function.__code__.co_consts, *(function.__defaults__ or ()))
    return (one for one in numbers if isinstance(one, float))


@frozen
class Code:
    """The passes: functions, or names of methods of a class. Without a backward pass, forward returns the gradients.

    Those of a network are functions of what its `cls` makes, which may be a function too.
    """

    forward: Callable[..., Any] | str
    backward: Callable[..., Any] | str | None = None
    cls: Callable[..., Any] | None = None
    made: object = None  #: an instance that is there already, of which each call gets a copy
    title: str = ""  #: of a network, what the header calls it
    taken_for: str = ""  #: of a network without a loss that runs, that of which its backward pass may be the gradient
    tensors: bool = False  #: whether they compute with tensors of PyTorch
    unguarded: frozenset[float] = frozenset()  #: numbers in their logarithms that are taken away when they are called

    def function(self, which: str, instance: object) -> Callable[..., Any]:
        """Return the forward or backward pass, of an instance if it is a method.

        Raises:
            ImplementationError: it cannot be looked up.
        """
        function = getattr(self, which)
        try:
            if self.cls is not None:
                function = getattr(instance, function) if isinstance(function, str) else MethodType(function, instance)
            function = self._without_guards(function) if self.unguarded else function
            return with_tensors(function) if self.tensors else function
        except Exception as error:
            reason = f"{type_name(instance)}.{function} cannot be looked up: it raised {type_name(error)}"
            raise ImplementationError(reason) from error

    @property
    def guards(self) -> frozenset[float]:
        """The numbers that guard logarithms in its file."""
        return guards_in(self._in_file)

    def with_guards(self, value: float) -> contextlib.AbstractContextManager[None]:
        """Put another number in the place of the guards for a block."""
        return guards_made(self._in_file, self.unguarded or self.guards, value)

    @property
    def _in_file(self) -> object:
        return self.cls if isinstance(self.forward, str) else self.forward

    def _without_guards(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            with self.with_guards(NONE):
                return function(*args, **kwargs)

        return functools.update_wrapper(called, function)

    def written(self, which: str) -> object:
        """Return a pass as its author wrote it, of a class the function that is its method; None if there is none."""
        function = getattr(self, which)
        if isinstance(function, str):
            return inspect.getattr_static(self.cls, function, None)
        return inspect.unwrap(function) if function else None

    def name(self, which: str) -> str:
        """Return what messages call the forward or backward pass."""
        function = getattr(self, which)
        return f"{name_of(self.cls)}.{function}" if self.cls and isinstance(function, str) else name_of(function)


@frozen
class Found:
    """What was found by trying in an instance of a class of no known layer."""

    kept: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)  #: by parameter, where it is kept
    gradient_at: Mapping[str, Path] = field(default_factory=dict)  #: where backward leaves gradients
    within: tuple[float, float] | None = None  #: where parameters lie, if forward is not defined anywhere else
    without: tuple[str, ...] = ()  #: inputs and parameters of which there is no gradient
    overwritten: tuple[str, ...] = ()  #: those of them of which there is that of the last of several calls
    studied: bool = False  #: whether it was looked for
