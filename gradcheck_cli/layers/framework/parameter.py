"""The numbers of a case: what each may be, how it is typed after its flag, and how it is written."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from dataclasses import field
from typing import Any, ClassVar

from gradcheck_cli.data.frozen import frozen


@frozen
class Parameter(ABC):
    """One number of a case's geometry: the flag that sets it and the values that it may take."""

    repeated: ClassVar[bool] = False  #: whether its flag is given for each of several names

    name: str
    default: Any
    help: str

    @abstractmethod
    def normalize(self, value: object) -> Any:
        """Return `value` as this parameter holds it.

        Raises:
            ValueError: it is none that the parameter can have.
            TypeError: it is not of its kind.
        """

    @abstractmethod
    def written(self, value: Any) -> str:
        """Write a value as it is typed after the flag."""

    def flags(self, value: Any) -> list[str]:
        """Write the flag and the value, as they are typed."""
        return [f"--{self.name}", self.written(value)]


@frozen
class Whole(Parameter):
    """A whole number, or a pair of two."""

    minimum: int = 1
    pair: bool = False  #: two numbers, vertical and horizontal, of which one may stand for both

    def normalize(self, value: object) -> int | tuple[int, int]:
        """Return `value` as an int, or for a pair as a tuple of two."""
        if not self.pair:
            return self._whole(value)
        vertical, horizontal = value if isinstance(value, tuple | list) else (value, value)
        return self._whole(vertical), self._whole(horizontal)

    def written(self, value: Any) -> str:
        """Write `2`, or for a pair of two different numbers `2x1`."""
        if not self.pair:
            return str(value)
        return str(value[0]) if value[0] == value[1] else f"{value[0]}x{value[1]}"

    def _whole(self, value: object) -> int:
        number = index(self.name, value)
        if number < self.minimum:
            raise ValueError(f"{self.name} must be at least {self.minimum}, not {number}")
        return number


@frozen
class Word(Parameter):
    """A parameter of which several values are separated by commas, and each is a word."""

    metavar: str

    @abstractmethod
    def read(self, text: str) -> tuple[Any, ...]:
        """Read what stands after the flag.

        Raises:
            ValueError: it is not of this kind; the message is the end of a sentence.
        """


def index(name: str, value: object) -> int:
    """Return a whole number.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    return operator.index(value)


def size(default: int, help: str, *, minimum: int = 1) -> Any:  # noqa: A002  # a dataclass field takes its type from its annotation
    """Declare a dataclass field that holds a size."""
    return declared(default, Whole, help=help, minimum=minimum)


def pair(default: int, help: str, *, minimum: int = 1) -> Any:  # noqa: A002
    """Declare a dataclass field that holds a vertical and a horizontal number, or one for both."""
    return declared(default, Whole, help=help, minimum=minimum, pair=True)


def declared(default: object, kind: type[Parameter], **rest: Any) -> Any:
    """Declare a dataclass field that holds a parameter of some kind."""
    return field(default=default, metadata={"kind": kind, "rest": rest})
