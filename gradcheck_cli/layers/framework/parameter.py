"""The parameters of a case: which values each may have, and how they are written after its flag."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from dataclasses import field
from typing import Any, ClassVar

from gradcheck_cli.data.frozen import frozen


@frozen
class Parameter(ABC):
    """One number or word of a case's geometry: the flag that sets it and the values that it may have."""

    repeated: ClassVar[bool] = False  #: whether its flag is given for each of several names

    name: str
    default: Any
    help: str

    @abstractmethod
    def normalize(self, value: object) -> Any:
        """Return `value` as this parameter holds it.

        Raises:
            ValueError: the parameter cannot have this value.
            TypeError: the value is of another type.
        """

    @abstractmethod
    def format(self, value: Any) -> str:
        """Write a value as it is typed after the flag."""

    def weight(self, value: Any) -> int:  # noqa: ARG002
        """Return how much a value adds to the weight of a case: the simpler it is, the less."""
        return 0

    def flags(self, value: Any) -> list[str]:
        """Write the flag and the value, as they are typed."""
        return [f"--{self.name}", self.format(value)]


@frozen
class Integer(Parameter):
    """A whole number, or a pair of them."""

    minimum: int = 1
    pair: bool = False  #: two numbers, vertical and horizontal, of which one may stand for both

    def normalize(self, value: object) -> int | tuple[int, int]:
        """Return an int, or for a pair a tuple of two."""
        if not self.pair:
            return self._checked(value)
        vertical, horizontal = value if isinstance(value, tuple | list) else (value, value)
        return self._checked(vertical), self._checked(horizontal)

    def format(self, value: Any) -> str:
        """Write `2`, or for a pair of two different numbers `2x1`."""
        if not self.pair:
            return str(value)
        return str(value[0]) if value[0] == value[1] else f"{value[0]}x{value[1]}"

    def weight(self, value: Any) -> int:
        """Return the number, or the sum of two."""
        return int(sum(value)) if self.pair else int(value)

    def _checked(self, value: object) -> int:
        number = as_integer(self.name, value)
        if number < self.minimum:
            raise ValueError(f"{self.name} must be at least {self.minimum}, not {number}")
        return number


@frozen
class TextParameter(Parameter):
    """A parameter that parses the text after its flag: values separated by commas."""

    metavar: str

    def parse(self, text: str) -> tuple[Any, ...]:
        """Return the values in a text.

        Raises:
            ValueError: with the end of a sentence, if the text has none.
        """
        return tuple(self.normalize(self.read(word.strip())) for word in text.split(","))

    def read(self, word: str) -> Any:
        """Return what one word of the text stands for.

        Raises:
            ValueError: likewise.
        """
        return word

    def format(self, value: Any) -> str:
        """Write a value as it is typed after the flag."""
        return str(value)


def as_integer(name: str, value: object) -> int:
    """Return a whole number as an int.

    Raises:
        TypeError: it is none.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    return operator.index(value)


def size(default: int, help: str, *, minimum: int = 1) -> Any:  # noqa: A002  # a dataclass field takes its type from its annotation
    """Declare a dataclass field that holds a size."""
    return declare_parameter(default, Integer, help=help, minimum=minimum)


def pair(default: int, help: str, *, minimum: int = 1) -> Any:  # noqa: A002
    """Declare a dataclass field that holds a vertical and a horizontal number, or one for both."""
    return declare_parameter(default, Integer, help=help, minimum=minimum, pair=True)


def declare_parameter(default: object, kind: type[Parameter], **rest: Any) -> Any:
    """Declare a dataclass field that holds a parameter of some kind."""
    return field(default=default, metadata={"kind": kind, "rest": rest})
