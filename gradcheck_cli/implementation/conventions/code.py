"""Code under test: its passes as they are given, and what was found by trying in instances of a class."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import field
from types import MethodType
from typing import TYPE_CHECKING, Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.implementation.calling import name_of
from gradcheck_cli.implementation.conventions.guards import NONE, guards_in, guards_made
from gradcheck_cli.implementation.conventions.inside import Path
from gradcheck_cli.implementation.conventions.tensors import with_tensors
from gradcheck_cli.implementation.implementation import ImplementationError
from gradcheck_cli.text.clean import type_name

if TYPE_CHECKING:
    import contextlib


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
    studied: bool = False  #: whether it was looked for
