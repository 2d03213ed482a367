"""The shell command that reproduces one case of one implementation."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from gradcheck_cli.checks.settings import Settings
from gradcheck_cli.text.clean import clean_lines

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.case import Case

_ORDINARY = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_PLAIN = re.compile(r"[\w ./,:=-]", re.ASCII)


def replay_command(program: str, case: Case, implementation: str, settings: Settings) -> str:
    """Write out every flag that is not at its default, and that no configuration has a say; shell-quoted.

    A configuration may set flags that no command can undo, such as --fuzz, so that writing out all others would not do.
    On the standard set of a convolution this more than halves the command, from 147 characters to 62 on average.
    """
    words = [*program.split(), implementation]
    if settings.adapter is not None:
        words += ["--adapter", settings.adapter]
    words += _geometry(case)
    if case.dtype != type(case).dtype:
        words += ["--dtype", case.dtype]
    if case.seed != type(case).seed:
        words += ["--seed", str(case.seed)]
    if settings.method != Settings.method:
        words += ["--method", settings.method]
    for name in ("tol", "step"):
        if (value := getattr(settings, name)) is not None:
            words += [f"--{name}", _number(value)]
    if settings.repeat:
        words += ["--repeat", str(settings.repeat)]
    if settings.skipped_duties:
        words += ["--skip-duty", ",".join(settings.skipped_duties)]
    return " ".join(map(quote, [*words, "--no-config"]))


def _geometry(case: Case) -> list[str]:
    """Write the flags of the geometry, at least one: without any, the standard set would run."""
    values = {parameter: getattr(case, parameter.name) for parameter in case.parameters()}
    changed = {one: value for one, value in values.items() if one.repeated or value != one.normalize(one.default)}
    flags = [word for one, value in changed.items() for word in one.flags(value)]
    first = next(iter(values))
    return flags or first.flags(values[first])


def quote(word: str) -> str:
    """Quote a word for a shell; control characters, which would act on the terminal, as bash and zsh write them.

    The same holds for marks that reorder text, and for bytes of a file name that are no text.
    """
    if _ORDINARY.fullmatch(word):  # as nearly all of the thirty words of a command are
        return word
    if clean_lines(word, 1, len(word)) == word:
        import shlex  # for few words

        return shlex.quote(word)
    return "$'" + "".join(char if _PLAIN.match(char) else _octal(char) for char in word) + "'"


def _octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(char))


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
