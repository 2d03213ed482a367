"""What may be typed after a flag: functions that read it, and say what is wrong with it in one sentence."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.layers.framework.parameter import Integer, Parameter, TextParameter

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: More values than this for one flag are taken for a typing error.
_MOST_VALUES = 1_000_000
_MOST_DIGITS = 18
_MOST_JOBS = 1000

#: Characters of a value that are quoted in an error.
_QUOTED = 60


if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:  # click 8.2 cannot subscript it
    _Type = click.ParamType


class Value(_Type):
    """A value that a function reads; what the function raises is the error."""

    def __init__(
        self, read: Callable[[str], Any], name: str, words: tuple[str, ...] = (), *, listed: bool = False
    ) -> None:
        """Take the function and what is said of the value.

        Args:
            read: raises ValueError for what it cannot read.
            name: stands for the value in help.
            words: a shell completes it from these.
            listed: whether it may be several of these words, separated by commas.
        """
        self.read, self.name, self.words, self.listed = read, name, words, listed

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Return what help shows after the flag."""
        return self.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the text; a default is a value already."""
        try:
            return self.read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Offer what may come next."""
        from gradcheck_cli.cli.completion import complete_words  # only a shell asks

        return complete_words(incomplete, self.words, listed=self.listed)


class FileName(Value):
    """The name of a file or folder. In a configuration file it is relative to that file."""

    def moved(self, text: str, move: Callable[[str], str]) -> str:
        """Apply a function to the file that a text names, if it names one by a relative path."""
        return text if text in ("", "-") or os.path.isabs(text) else move(text)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Offer files."""
        from gradcheck_cli.cli.completion import complete_files  # only a shell asks

        return complete_files(incomplete)


class FileOfFunction(FileName):
    """The name of a function in a file, `FILE.py:FUNCTION`, or in a module."""

    def moved(self, text: str, move: Callable[[str], str]) -> str:
        """Apply a function to the file, if it is one."""
        home, colon, name = text.rpartition(":")
        return f"{super().moved(home, move)}{colon}{name}" if home.endswith(".py") else text

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        """Offer Python files, and after the colon functions."""
        from gradcheck_cli.cli.completion import complete_code  # only a shell asks

        return complete_code(incomplete, pairs=False)


def parameter_values(parameter: Parameter) -> Value:
    """Read the values of a parameter of a layer: `2`, `1,2,5`, `5..9`; a value given twice counts once."""

    def read(text: str) -> tuple[Any, ...]:
        try:
            if isinstance(parameter, TextParameter):
                return tuple(dict.fromkeys(parameter.parse(text)))
            return tuple(dict.fromkeys(map(parameter.normalize, _whole_values(parameter, text))))
        except ValueError as error:
            raise ValueError(f"{quoted(text)}: {error}") from error

    if isinstance(parameter, TextParameter):
        words = tuple(map(str, getattr(parameter, "options", ())))
        return Value(read, parameter.metavar, words, listed=True)
    assert isinstance(parameter, Integer), parameter
    return Value(read, "INT|VxH" if parameter.pair else "INT")


def _whole_values(parameter: Parameter, text: str) -> Iterator[Any]:
    """Read whole numbers, ranges of them and pairs, separated by commas."""
    assert isinstance(parameter, Integer)
    for word in map(str.strip, text.split(",")):
        first, range_, last = word.partition("..")
        vertical, by, horizontal = word.partition("x") if parameter.pair else (word, "", "")
        if range_ and _is_number(first) and _is_number(last):
            if int(first) > int(last):
                raise ValueError(f"the range {word} is empty; write {last}..{first}")
            if int(last) - int(first) >= _MOST_VALUES:
                raise ValueError(f"more than {_MOST_VALUES:,} values")
            yield from range(int(first), int(last) + 1)
        elif by and _is_number(vertical) and _is_number(horizontal):
            yield int(vertical), int(horizontal)
        elif _is_number(word):
            yield int(word)
        else:
            forms = "such as 2, 1,2,5 or 5..9" + (", or a pair such as 2x1" if parameter.pair else "")
            problem = "too large" if word.isdecimal() else "no whole number"
            where = f"{quoted(word)} in it" if word != text.strip() else "it"
            what = f"{where} is {problem}" if word else "a value is missing"
            raise ValueError(f"{what}; give whole numbers {forms}")


def names(known: tuple[str, ...]) -> Value:
    """Read some of the known names, separated by commas; one given twice counts once."""

    def read(text: str) -> tuple[str, ...]:
        words = [word.strip() for word in text.split(",")]
        for word in words:
            if word not in known:
                raise ValueError(f"{quoted(word)} is not one of {', '.join(known)}")
        return tuple(dict.fromkeys(words))

    return Value(read, "NAMES", known, listed=True)


def whole_number(least: int = 0, most: int = 10**_MOST_DIGITS, metavar: str = "INT") -> Value:
    """Read a number from `least` to `most`."""

    def read(text: str) -> int:
        if not text.isdecimal() or len(text) > _MOST_DIGITS or int(text) < least:
            raise ValueError(f"{quoted(text)} is not a whole number of {least} or more")
        if int(text) > most:
            raise ValueError(f"{quoted(text)} is more than {most:,}; for others, give other seeds")
        return int(text)

    return Value(read, metavar)


def positive_number(least: float = 0.0, most: float = math.inf, why: str = "") -> Value:
    """Read a finite number above 0, or from `least` to `most`, and say `why` there are such limits."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            raise ValueError(f"{quoted(text)} is not a finite number above 0, such as 100 or 1e-3")
        if not least <= number <= most:
            comparison, limit = ("less", least) if number < least else ("more", most)
            raise ValueError(f"{quoted(text)} is {comparison} than {limit:,g}: {why}")
        return number

    return Value(read, "NUMBER")


def _read_jobs(text: str) -> int:
    """Read a number of processes; 0 stands for `auto`."""
    if text == "auto":
        return 0
    if not _is_number(text) or not 0 < int(text) <= _MOST_JOBS:
        kinds = f"a number of processes from 1 to {_MOST_JOBS}, nor `auto` for one for each core"
        raise ValueError(f"{quoted(text)} is not {kinds}")
    return int(text)


def _read_shard(text: str) -> tuple[int, int]:
    """Read one of several parts: `2/5`."""
    number, slash, of = text.partition("/")
    if not (slash and _is_number(number) and _is_number(of)):
        raise ValueError(f"{quoted(text)} is not a part of a number of parts; give it such as 2/5")
    if int(of) < 1:
        raise ValueError(f"{quoted(text)}: there are no parts; give 1/1 or more")
    if not 1 <= int(number) <= int(of):
        raise ValueError(f"{quoted(text)}: there is no part {int(number)} of {int(of)}; give 1/{of} to {of}/{of}")
    return int(number), int(of)


JOBS, SHARD = Value(_read_jobs, "INT|auto", ("auto",)), Value(_read_shard, "I/N")


def path(*, stdout: bool = False) -> Value:
    """Read the name of a file that is written, or `-` for stdout; whether it can be is seen when it is opened."""

    def read(text: str) -> str:
        if not text:
            raise ValueError("'' cannot be written: the name is empty; give one")
        if text.endswith("/"):
            raise ValueError(f"{quoted(text)} cannot be written: it is a directory; give a file")
        if text == "-" and not stdout:
            raise ValueError("'-' cannot be written: this does not go to stdout; give a file")
        return text

    return FileName(read, "PATH")


ADAPTER = FileOfFunction(str, "FILE.py:FUNCTION")


def _read_folder(text: str) -> str:
    if text in ("", "-"):
        raise ValueError(f"{text!r} is no folder; give one, which is made if it is not there")
    return text


FOLDER = FileName(_read_folder, "FOLDER")


def _is_number(word: str) -> bool:
    return word.removeprefix("-").isdecimal() and len(word) < _MOST_DIGITS // 2


def quoted(value: str) -> str:
    """Quote what was typed, or enough of it to recognize it."""
    left_out = len(value) - _QUOTED
    return repr(value) if left_out <= 0 else f"{value[:_QUOTED]!r}... ({left_out:,} characters left out)"
