"""Parameter types: what may stand behind a flag, and what is said of what may not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.parameter import Whole, Word

#: More values than this for one flag are taken for a slip of the finger.
_MOST_VALUES = 1_000_000
_MOST_DIGITS = 18
_MOST_JOBS = 1000

#: Characters of a value that are quoted.
_QUOTED = 60


class Values(click.ParamType[tuple[Any, ...]]):
    """One or several values of one parameter of a geometry: `2`, `1,2,5`, `5..9`, and for pairs `2x1`."""

    def __init__(self, parameter: Whole) -> None:
        self.parameter = parameter
        self.name = "pairs" if parameter.pair else "numbers"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Say in `--help` what is expected."""
        return "INT|VxH" if self.parameter.pair else "INT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Parse a comma-separated list of numbers, ranges and pairs; a value given twice counts once."""
        if isinstance(value, tuple):
            return value
        found: dict[Any, None] = {}
        for word in value.split(","):
            for item in self._values(word.strip(), value, param, ctx):
                try:
                    found[self.parameter.normalize(item)] = None
                except ValueError as error:
                    self.fail(f"{quoted(value)}: {error}.", param, ctx)
        return tuple(found)

    def _values(self, word: str, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if ".." in word:
            first, _, last = word.partition("..")
            if not (_is_number(first) and _is_number(last)):
                self._reject(value, word, param, ctx)
            low, high = int(first), int(last)
            if low > high:
                self.fail(f"{quoted(value)}: the range {word} is empty; write {high}..{low}.", param, ctx)
            if high - low >= _MOST_VALUES:
                self.fail(f"{quoted(value)}: more than {_MOST_VALUES:,} values.", param, ctx)
            return range(low, high + 1)
        if self.parameter.pair and "x" in word:
            vertical, _, horizontal = word.partition("x")
            if _is_number(vertical) and _is_number(horizontal):
                return [(int(vertical), int(horizontal))]
        elif _is_number(word):
            return [int(word)]
        return self._reject(value, word, param, ctx)

    def _reject(self, value: str, word: str, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        forms = "such as 2, 1,2,5 or 5..9" + (", or a pair such as 2x1" if self.parameter.pair else "")
        what = f"{quoted(word)} in it is {_fault(word)}" if word else "a value is missing"
        self.fail(f"{quoted(value)}: {what}; give whole numbers {forms}.", param, ctx)


class Words(click.ParamType[tuple[Any, ...]]):
    """One or several values of a parameter that is no whole number, read as the parameter says."""

    name = "values"

    def __init__(self, parameter: Word) -> None:
        self.parameter = parameter

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Say in `--help` what is expected."""
        return self.parameter.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        """Parse values; one given twice counts once."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(dict.fromkeys(self.parameter.read(value)))
        except ValueError as error:
            self.fail(f"{quoted(value)}: {error}.", param, ctx)


class Names(click.ParamType[tuple[str, ...]]):
    """One or several of some names."""

    name = "names"

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Parse a comma-separated list of names; one given twice counts once."""
        if isinstance(value, tuple):
            return value
        words = [word.strip() for word in value.split(",")]
        for word in words:
            if word not in self.names:
                self.fail(f"{quoted(word)} is not one of {', '.join(self.names)}.", param, ctx)
        return tuple(dict.fromkeys(words))


class WholeNumber(click.ParamType[int]):
    """A number from `least` to `most`."""

    name = "int"

    def __init__(self, least: int = 0, most: int = 10**_MOST_DIGITS) -> None:
        self.least, self.most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the number."""
        if isinstance(value, int):
            return value
        if not value.isdecimal() or len(value) > _MOST_DIGITS or int(value) < self.least:
            self.fail(f"{quoted(value)} is not a whole number of {self.least} or more.", param, ctx)
        if int(value) > self.most:
            self.fail(f"{quoted(value)} is more than {self.most:,}; for others, give other seeds.", param, ctx)
        return int(value)


class Jobs(click.ParamType[int]):
    """A number of processes; 0 stands for `auto`."""

    name = "int|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the number."""
        if isinstance(value, int):
            return value
        if value == "auto":
            return 0
        if not _is_number(value) or not 0 < int(value) <= _MOST_JOBS:
            what = f"not a number of processes from 1 to {_MOST_JOBS}, nor `auto` for one for each core"
            self.fail(f"{quoted(value)} is {what}.", param, ctx)
        return int(value)


class Part(click.ParamType[tuple[int, int]]):
    """One of several parts: `2/5`."""

    name = "part"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Say in `--help` what is expected."""
        return "I/N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Parse the number of the part and that of all parts."""
        if isinstance(value, tuple):
            return value
        number, slash, of = value.partition("/")
        if not (slash and _is_number(number) and _is_number(of)):
            self.fail(f"{quoted(value)} is not a part of a number of parts; give it such as 2/5.", param, ctx)
        if not 1 <= int(number) <= int(of):
            why = (
                f"there is no part {int(number)} of {int(of)}; give 1/{of} to {of}/{of}"
                if int(of) > 0
                else ("there are no parts; give 1/1 or more")
            )
            self.fail(f"{quoted(value)}: {why}.", param, ctx)
        return int(number), int(of)


class FilePath(click.ParamType[str]):
    """The name of a file that is written; whether it can be is found out when it is opened."""

    name = "path"

    def __init__(self, *, dash: bool = False) -> None:
        """Take `-` for stdout, or refuse it."""
        self.dash = dash

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Refuse what names no file."""
        if not value:
            self.fail("'' cannot be written: the name is empty; give one.", param, ctx)
        if value.endswith("/"):
            self.fail(f"{quoted(value)} cannot be written: it is a directory; give a file.", param, ctx)
        if value == "-" and not self.dash:
            self.fail("'-' cannot be written: this does not go to stdout; give a file.", param, ctx)
        return str(value)


class PositiveNumber(click.ParamType[float]):
    """A number above zero, or from `least` to `most`; click's own would take nan and inf."""

    name = "number"

    def __init__(self, least: float = 0.0, most: float = math.inf, why: str = "") -> None:
        """Take the limits, and a sentence that says why there are any."""
        self.least, self.most, self.why = least, most, why

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse the number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            self.fail(f"{quoted(value)} is not a finite number above 0, such as 100 or 1e-3.", param, ctx)
        if not self.least <= number <= self.most:
            few, limit = ("less", self.least) if number < self.least else ("more", self.most)
            self.fail(f"{quoted(value)} is {few} than {limit:,g}: {self.why}.", param, ctx)
        return number


def _is_number(word: str) -> bool:
    return word.removeprefix("-").isdecimal() and len(word) < _MOST_DIGITS // 2


def quoted(value: str) -> str:
    """Quote what was typed, of which a part is enough to know it again."""
    left_out = len(value) - _QUOTED
    return repr(value) if left_out <= 0 else f"{value[:_QUOTED]!r}... ({left_out:,} characters left out)"


def _fault(word: str) -> str:
    return "too large" if word.isdecimal() else "no whole number"
