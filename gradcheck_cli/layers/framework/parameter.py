"""The numbers of a case: what each may be, how it is typed after its flag, and how it is written."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

#: What an array may have in every version of NumPy.
_MOST_AXES = 32


@dataclass(frozen=True, kw_only=True)
class Parameter(ABC):
    """One number of a case's geometry: the flag that sets it and the values that it may take."""

    name: str
    default: Any
    help: str

    @abstractmethod
    def normalise(self, value: object) -> Any:
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


@dataclass(frozen=True, kw_only=True)
class Whole(Parameter):
    """A whole number, or a pair of two."""

    minimum: int = 1
    pair: bool = False  #: two numbers, vertical and horizontal, of which one may stand for both

    def normalise(self, value: object) -> int | tuple[int, int]:
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
        number = _index(self.name, value)
        if number < self.minimum:
            raise ValueError(f"{self.name} must be at least {self.minimum}, not {number}")
        return number


@dataclass(frozen=True, kw_only=True)
class Word(Parameter):
    """A parameter of which several values are separated by commas, and each is a word."""

    metavar: str

    @abstractmethod
    def read(self, text: str) -> tuple[Any, ...]:
        """Read what stands after the flag.

        Raises:
            ValueError: it is not of this kind; the message is the end of a sentence.
        """


@dataclass(frozen=True, kw_only=True)
class Real(Word):
    """A number in an interval, its ends included."""

    metavar: str = "NUMBER"
    low: float = 0.0
    high: float = math.inf
    others: tuple[float, ...] = ()  #: beside the default, that make a difference

    @property
    def options(self) -> tuple[float, ...]:
        """The values that are worth a try, the default first."""
        return self.default, *self.others

    def normalise(self, value: object) -> float:
        """Return `value` as a float."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{self.name} must be a number, not {value!r}")
        if not (self.low <= value <= self.high and math.isfinite(value)):
            within = f"from {self.low:g} to {self.high:g}" if self.high < math.inf else f"at least {self.low:g}"
            raise ValueError(f"{self.name} must be {within}, not {value:g}")
        return float(value)

    def read(self, text: str) -> tuple[float, ...]:
        """Read `0.9`, or `0.5,0.9`."""
        try:
            return tuple(self.normalise(float(word)) for word in text.split(","))
        except ValueError as error:
            if "must be" in str(error):
                raise
            raise ValueError("give a number such as 0.9, or a list such as 0.5,0.9") from error

    def written(self, value: Any) -> str:
        """Write all the digits that it takes."""
        return repr(value)


@dataclass(frozen=True, kw_only=True)
class Choice(Word):
    """One of some words."""

    metavar: str = field(default="", init=False)
    options: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "metavar", "|".join(self.options))

    def normalise(self, value: object) -> str:
        """Return `value`, if it is one of the words."""
        if not isinstance(value, str):
            raise TypeError(f"{self.name} must be a word, not {value!r}")
        if value not in self.options:
            raise ValueError(f"{self.name} must be {' or '.join(self.options)}, not {value!r}")
        return value

    def read(self, text: str) -> tuple[str, ...]:
        """Read `train`, or `train,test`."""
        return tuple(self.normalise(word.strip()) for word in text.split(","))

    def written(self, value: Any) -> str:
        """Write the word."""
        return str(value)


@dataclass(frozen=True, kw_only=True)
class Shape(Word):
    """The shape of an array. One without axes, where it is allowed, is `scalar`."""

    metavar: str = "SHAPE"
    least: int = 1  #: axes

    def normalise(self, value: object) -> tuple[int, ...]:
        """Return `value` as a tuple of sizes of at least 1."""
        if not isinstance(value, tuple | list):
            raise TypeError(f"{self.name} must be a tuple of sizes, not {value!r}")
        shape = tuple(_index(self.name, size) for size in value)
        if len(shape) > _MOST_AXES:
            raise ValueError(f"{self.name} may have up to {_MOST_AXES} axes, not {len(shape)}")
        if len(shape) < self.least or min(shape, default=1) < 1:
            raise ValueError(f"{self.name} must be {self.least} or more sizes of at least 1, not {self.written(shape)}")
        return shape

    def read(self, text: str) -> tuple[tuple[int, ...], ...]:
        """Read one shape, `2,3` or `2x3`; or several, `2x3,4x5`."""
        if self.least == 0 and text == "scalar":
            return ((),)
        shapes = [text.split(",")] if "x" not in text else [word.split("x") for word in text.split(",")]
        if not all(size.strip().isdecimal() and len(size) < 9 for shape in shapes for size in shape):
            number = "" if self.least else ", or scalar for a number"
            raise ValueError(f"give a shape such as 2,3 or 2x3, or several as 2x3,4x5{number}")
        return tuple(self.normalise([int(size) for size in shape]) for shape in shapes)

    def written(self, value: Any) -> str:
        """Write `2x3`."""
        return "x".join(map(str, value)) or "scalar"


@dataclass(frozen=True, kw_only=True)
class Interval(Word):
    """Two numbers, the smaller one first, between which others lie."""

    metavar: str = "LOW..HIGH"

    def normalise(self, value: object) -> tuple[float, float]:
        """Return `value` as two floats."""
        ends = tuple(value) if isinstance(value, tuple | list) else ()
        if len(ends) != 2 or not all(isinstance(end, int | float) for end in ends):
            raise TypeError(f"{self.name} must be two numbers, not {value!r}")
        low, high = map(float, ends)
        if not -math.inf < low < high < math.inf:
            raise ValueError(f"{self.name} must be from a number to a larger one, not {self.written((low, high))}")
        return low, high

    def read(self, text: str) -> tuple[tuple[float, float], ...]:
        """Read `0.5..2`, or several, `0.5..2,10..20`."""
        try:
            ends = [[float(end) for end in word.split("..")] for word in text.split(",")]
        except ValueError:
            ends = [[]]
        if any(len(pair) != 2 for pair in ends):
            raise ValueError("give two numbers such as 0.5..2")
        return tuple(self.normalise(pair) for pair in ends)

    def written(self, value: Any) -> str:
        """Write all the digits that it takes."""
        return "..".join(repr(end).removesuffix(".0") for end in value)


def _index(name: str, value: object) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    return operator.index(value)


def size(default: int, help: str, *, minimum: int = 1) -> Any:  # noqa: A002  # a dataclass field takes its type from its annotation
    """Declare a dataclass field that holds a size."""
    return declared(default, Whole, help=help, minimum=minimum)


def pair(default: int, help: str, *, minimum: int = 1) -> Any:  # noqa: A002
    """Declare a dataclass field that holds a vertical and a horizontal number, or one for both."""
    return declared(default, Whole, help=help, minimum=minimum, pair=True)


def real(default: float, help: str, *others: float, low: float = 0.0, high: float = math.inf) -> Any:  # noqa: A002
    """Declare a dataclass field that holds a number in an interval, of which some others make a difference."""
    return declared(default, Real, help=help, low=low, high=high, others=others)


def choice(default: str, help: str, *others: str) -> Any:  # noqa: A002
    """Declare a dataclass field that holds one of some words."""
    return declared(default, Choice, help=help, options=(default, *others))


def shape(default: tuple[int, ...], help: str, *, least: int = 1) -> Any:  # noqa: A002
    """Declare a dataclass field that holds the shape of an array."""
    return declared(default, Shape, help=help, least=least)


def declared(default: object, kind: type[Parameter], **rest: Any) -> Any:
    """Declare a dataclass field that holds a parameter of some kind."""
    return field(default=default, metadata={"kind": kind, "rest": rest})
