"""Parameters of a case that are not whole numbers, each of which parses its own text: numbers, words, shapes..."""

from __future__ import annotations

import math
import re
from typing import Any

from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers.framework.parameter import TextParameter, as_integer, declare_parameter

#: What an array may have in every version of NumPy.
_MOST_AXES = 32

#: What is given in position of a number of classes for rows that are 1 in the position of their label, and else 0.
ONE_HOT = "one-hot"


@frozen
class _WithOptions(TextParameter):
    """A parameter of which some values are worth a try, the default first."""

    metavar: str = ""
    options: tuple[Any, ...] = ()

    def weight(self, value: Any) -> int:
        """Return the position among these values."""
        return self.options.index(value) if value in self.options else len(self.options)


@frozen
class Real(_WithOptions):
    """A number in an interval, its ends included."""

    metavar: str = "NUMBER"
    low: float = 0.0
    high: float = math.inf

    def normalize(self, value: object) -> float:
        """Return a float."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError(f"{self.name} must be a number, not {value!r}")
        if not (self.low <= value <= self.high and math.isfinite(value)):
            within = f"from {self.low:g} to {self.high:g}" if self.high < math.inf else f"at least {self.low:g}"
            raise ValueError(f"{self.name} must be {within}, not {value:g}")
        return float(value)

    def read(self, word: str) -> float:
        """Read `0.9`."""
        try:
            return float(word)
        except ValueError:
            raise ValueError("give a number such as 0.9, or a list such as 0.5,0.9") from None


@frozen
class Choice(_WithOptions):
    """One of some words."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "metavar", "|".join(self.options))

    def normalize(self, value: object) -> str:
        """Return the word, if it is one of them."""
        if not isinstance(value, str):
            raise TypeError(f"{self.name} must be a word, not {value!r}")
        if value not in self.options:
            raise ValueError(f"{self.name} must be {' or '.join(self.options)}, not {value!r}")
        return value


@frozen
class Text(TextParameter):
    """Any words, or none."""

    def normalize(self, value: object) -> str:
        """Return a str."""
        if not isinstance(value, str):
            raise TypeError(f"{self.name} must be words, not {value!r}")
        return value

    def parse(self, text: str) -> tuple[str, ...]:
        """Return what is there."""
        return (text,)

    def format(self, value: Any) -> str:
        """Write it as it is."""
        return str(value) or "none"

    def flags(self, value: Any) -> list[str]:
        """Write the flag and the words, if there are any."""
        return super().flags(value) if value else []


@frozen
class Shape(TextParameter):
    """The shape of an array. One without axes, where it is allowed, is `scalar`."""

    metavar: str = "SHAPE"
    least: int = 1  #: axes

    def normalize(self, value: object) -> tuple[int, ...]:
        """Return a tuple of sizes of at least 1."""
        if not isinstance(value, tuple | list):
            raise TypeError(f"{self.name} must be a tuple of sizes, not {value!r}")
        shape = tuple(as_integer(self.name, size) for size in value)
        if len(shape) > _MOST_AXES:
            raise ValueError(f"{self.name} may have up to {_MOST_AXES} axes, not {len(shape)}")
        if len(shape) < self.least or min(shape, default=1) < 1:
            raise ValueError(f"{self.name} must be {self.least} or more sizes of at least 1, not {self.format(shape)}")
        return shape

    def parse(self, text: str) -> tuple[tuple[int, ...], ...]:
        """Parse one shape, `2,3` or `2x3`; or several, `2x3,4x5`."""
        if self.least == 0 and text == "scalar":
            return ((),)
        shapes = [text.split(",")] if "x" not in text else [word.split("x") for word in text.split(",")]
        if not all(size.strip().isdecimal() and len(size) < 9 for shape in shapes for size in shape):
            number = "" if self.least else ", or scalar for a number"
            raise ValueError(f"give a shape such as 2,3 or 2x3, or several as 2x3,4x5{number}")
        return tuple(self.normalize([int(size) for size in shape]) for shape in shapes)

    def format(self, value: Any) -> str:
        """Write `2x3`."""
        return "x".join(map(str, value)) or "scalar"

    def weight(self, value: Any) -> int:
        """Return the sum of the sizes and the number of axes."""
        return len(value) + int(sum(value))


@frozen
class Constant(TextParameter):
    """Any number, True or False; or several whole numbers, as of a shape that a constructor is given."""

    metavar: str = "NUMBER"

    def normalize(self, value: object) -> bool | float | tuple[int, ...]:
        """Return a bool, an int or a float, or a tuple of ints."""
        if isinstance(value, tuple | list) and value and all(isinstance(one, int) for one in value):
            return tuple(value)  # of a case that was read from JSON it is a list
        if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return value
        raise TypeError(f"{self.name} must be a finite number, True or False, not {value!r}")

    def format(self, value: Any) -> str:
        """Write `2`, `0.5`, `True` or `3x8x8`."""
        return "x".join(map(str, value)) + ("x" if len(value) == 1 else "") if isinstance(value, tuple) else repr(value)

    def read(self, word: str) -> bool | float | tuple[int, ...]:
        """Read `2`, `0.5`, `True` or `3x8x8`."""
        if re.fullmatch(r"\d{1,8}x(\d{1,8}(x\d{1,8})*)?", word):
            return tuple(int(size) for size in word.split("x") if size)
        if word in ("True", "False"):
            return word == "True"
        try:
            return int(word) if word.removeprefix("-").isdecimal() else self.normalize(float(word))
        except (ValueError, TypeError):
            raise ValueError("give a number such as 2 or 0.5, True or False") from None


@frozen
class Labels(TextParameter):
    """The shape of an array of whole numbers from 0, and how many there are to choose from; or of one-hot rows."""

    metavar: str = "SHAPE:CLASSES"

    def normalize(self, value: object) -> tuple[tuple[int, ...], int]:
        """Return a shape and a number."""
        parts = tuple(value) if isinstance(value, tuple | list) else ()
        if len(parts) != 2:
            raise TypeError(f"{self.name} must be a shape and a number of classes, not {value!r}")
        classes = as_integer(self.name, parts[1])
        shape = self._shape.normalize(parts[0])
        if classes < (0 if shape else 1):
            raise ValueError(f"{self.name} must be of at least 1 class, not {classes}")
        return shape, classes

    def parse(self, text: str) -> tuple[tuple[tuple[int, ...], int], ...]:
        """Parse `6:10`, `2x3:10`, `scalar:10` for one whole number, or `6x10:one-hot`."""
        shape, colon, classes = text.rpartition(":")
        if classes.strip() == ONE_HOT:
            return tuple(self.normalize((one, 0)) for one in self._shape.parse(shape))
        if not colon or not classes.strip().isdecimal() or len(classes) > 9:
            raise ValueError("give a shape and a number of classes such as 6:10, or scalar:10 for one label")
        if int(classes) < 1:
            raise ValueError(f"{self.name} must be of at least 1 class, not {classes}")
        return tuple(self.normalize((one, int(classes))) for one in self._shape.parse(shape))

    def format(self, value: Any) -> str:
        """Write `6:10`, or `6x10:one-hot`."""
        return f"{self._shape.format(value[0])}:{value[1] or ONE_HOT}"

    def weight(self, value: Any) -> int:
        """Return the weight of the shape, and the number of classes."""
        return self._shape.weight(value[0]) + int(value[1])

    @property
    def _shape(self) -> Shape:
        return Shape(name=self.name, default=(), help="", least=0)


@frozen
class Interval(TextParameter):
    """Two numbers, the smaller one first."""

    metavar: str = "LOW..HIGH"

    def normalize(self, value: object) -> tuple[float, float]:
        """Return two floats."""
        ends = tuple(value) if isinstance(value, tuple | list) else ()
        if len(ends) != 2 or not all(isinstance(end, int | float) for end in ends):
            raise TypeError(f"{self.name} must be two numbers, not {value!r}")
        low, high = map(float, ends)
        if not -math.inf < low < high < math.inf:
            raise ValueError(f"{self.name} must be from a number to a larger one, not {self.format((low, high))}")
        return low, high

    def read(self, word: str) -> tuple[float, float]:
        """Read `0.5..2`."""
        try:
            low, high = map(float, word.split(".."))
        except ValueError:
            raise ValueError("give two numbers such as 0.5..2") from None
        return low, high

    def format(self, value: Any) -> str:
        """Write all the digits that it takes."""
        return "..".join(repr(end).removesuffix(".0") for end in value)


def real(default: float, help: str, *others: float, low: float = 0.0, high: float = math.inf) -> Any:  # noqa: A002
    """Declare a dataclass field that holds a number in an interval, of which some others make a difference."""
    return declare_parameter(default, Real, help=help, low=low, high=high, options=(default, *others))


def choice(default: str, help: str, *others: str) -> Any:  # noqa: A002
    """Declare a dataclass field that holds one of some words."""
    return declare_parameter(default, Choice, help=help, options=(default, *others))


def shape(default: tuple[int, ...], help: str, *, least: int = 1) -> Any:  # noqa: A002
    """Declare a dataclass field that holds the shape of an array."""
    return declare_parameter(default, Shape, help=help, least=least)


def text(help: str, metavar: str) -> Any:  # noqa: A002
    """Declare a dataclass field that holds any words, or none."""
    return declare_parameter("", Text, help=help, metavar=metavar)
