"""The shell command that reproduces one case of one implementation."""

from __future__ import annotations

import os
import re
import shlex
import string
from typing import TYPE_CHECKING

from gradcheck_cli.text.clean import clean_lines

if TYPE_CHECKING:
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.framework.case import Case

_ORDINARY = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_PLAIN = frozenset(string.ascii_letters + string.digits + " _-./,:=")


def replay_command(program: str, case: Case, implementation: str, settings: Settings) -> str:
    """Write out every flag that decides the case, so that no default or configuration has a say; shell-quoted."""
    words = [*program.split(), implementation]
    if settings.adapter is not None:
        words += ["--adapter", settings.adapter]
    for parameter in case.parameters():
        words += parameter.flags(getattr(case, parameter.name))
    words += ["--dtype", case.dtype, "--seed", str(case.seed), "--method", settings.method]
    words += ["--tol", _number(settings.tolerance(case.dtype))]
    if settings.step is not None:
        words += ["--step", _number(settings.step)]
    if settings.skipped_duties:
        words += ["--skip-duty", ",".join(settings.skipped_duties)]
    return " ".join(map(quote, words))


def quote(word: str) -> str:
    """Quote a word for a shell; control characters, which would act on the terminal, as bash and zsh write them.

    The same holds for marks that reorder text, and for bytes of a file name that are no text.
    """
    if _ORDINARY.fullmatch(word):  # as nearly all of the thirty words of a command are
        return word
    if clean_lines(word, 1, len(word)) == word:
        return shlex.quote(word)
    return "$'" + "".join(char if char in _PLAIN else _octal(char) for char in word) + "'"


def _octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(char))


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
