"""The description of codes, for a screen."""

from __future__ import annotations

import textwrap

from rich.text import Text

from gradcheck_cli.checks.diagnosis.reference import KINDS, Entry, entries
from gradcheck_cli.text.names import join_names

#: Columns of text that are read with ease.
_WIDEST = 100

#: Colours of the examples.
_EXAMPLES = {"wrong": "red", "right": "green"}

_SHOWS = "Where it shows:"


def describe(code: str, entry: Entry, width: int) -> Text:
    """Return the description of a code.

    Args:
        code: one of those of the entry.
        entry: what is said of it.
        width: of the screen, in columns.
    """
    width = min(width, _WIDEST)
    paragraphs = [_wrapped(f"{code}: {entry.brief}", width, bold=len(code)), _wrapped(entry.meaning, width)]
    if entry.shows:
        paragraphs.append(_wrapped(f"{_SHOWS} {entry.shows}", width, bold=len(_SHOWS)))
    for name, colour in _EXAMPLES.items() if entry.wrong else ():
        example = textwrap.indent(getattr(entry, name), "    ")  # as it is: wrapped, it would be another program
        paragraphs.append(Text(f"{name.capitalize()}\n\n", style="bold").append(example, style=f"not bold {colour}"))
    if others := [other for other in entry.codes if other != code]:
        paragraphs.append(_wrapped(f"The same holds for {join_names(others)}.", width))
    return Text("\n\n").join(paragraphs)


def list_codes(width: int) -> Text:
    """Return all codes with a line for each, by kind."""
    widest = max(len(code) for entry in entries() for code in entry.codes) + 2
    paragraphs = []
    for kind, title in KINDS.items():
        own = {code: entry.brief for entry in entries() for code in entry.codes if entry.kind == kind}
        lines = [
            _wrapped(f"{code:{widest}}{brief}", width, bold=len(code), indent=widest if width > 2 * widest else 4)
            for code, brief in own.items()
        ]
        paragraphs.append(Text("\n").join([Text(title, style="underline"), *lines]))
    paragraphs.append(_wrapped("gradcheck explain CODE describes one of them, with an example.", width))
    return Text("\n\n").join(paragraphs)


def _wrapped(text: str, width: int, *, bold: int = 0, indent: int = 0) -> Text:
    """Wrap a text at words; the first characters are bold, and lines after the first indented."""
    lines = textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )
    wrapped = Text("\n".join(lines))
    wrapped.stylize("bold", 0, bold)
    return wrapped
