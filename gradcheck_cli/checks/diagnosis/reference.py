"""What each code means, with a wrong and a right example: the causes of failures, the duties and the verdicts."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gradcheck_cli.data.frozen import frozen

#: Kinds of entries, as the file has them, by their titles, in the order of the documentation.
KINDS = {"cause": "Causes", "duty": "Duties of a backward pass", "verdict": "Verdicts"}

#: Codes that are suggested in place of one that does not exist.
_MOST_NEAR = 5


@frozen
class Entry:
    """The description of one code, or of several that say the same of different axes."""

    kind: str  #: of `KINDS`
    codes: tuple[str, ...]  #: the first is that of the example
    brief: str  #: one line
    meaning: str  #: what is wrong, and why
    shows: str = ""  #: in which cases it shows
    layer: str = ""  #: the layer from which the example is, if it is of a whole one
    wrong: str = ""  #: code with the fault; empty for what has no example
    right: str = ""  #: the same lines without it


@cache
def entries() -> tuple[Entry, ...]:
    """Read all entries, in the order of the documentation."""
    text = files("gradcheck_cli.checks.diagnosis").joinpath("causes.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)
    return tuple(_entry(kind, fields) for kind in KINDS for fields in data[kind])


def by_code() -> Mapping[str, Entry]:
    """Return the entry of each code."""
    return {code: entry for entry in entries() for code in entry.codes}


def near(code: str) -> list[str]:
    """Return codes like one that does not exist: those that contain it, or else those that are spelt alike."""
    every = list(by_code())
    containing = [other for other in every if code and code in other]
    return (containing or difflib.get_close_matches(code, every, n=_MOST_NEAR, cutoff=0.5))[:_MOST_NEAR]


def _entry(kind: str, fields: dict[str, str | list[str]]) -> Entry:
    texts = {name: str(text).strip("\n") for name, text in fields.items() if name != "codes"}
    for name in ("meaning", "shows"):
        texts[name] = " ".join(texts.get(name, "").split())
    return Entry(kind=kind, codes=tuple(fields["codes"]), **texts)
