"""The description of codes, for a screen and as Markdown."""

from __future__ import annotations

import difflib
import textwrap

from rich.text import Text

from gradcheck_cli.checks.diagnosis.reference import KINDS, Entry, entries
from gradcheck_cli.text.names import join_names

#: Columns of text that are read with ease.
_WIDEST = 100

#: Colours of the examples.
_EXAMPLES = {"wrong": "red", "right": "green"}

_SHOWS = "Where it shows:"

_HEAD = """\
# Diagnoses

<!-- Written by `gradcheck explain --markdown`; edit gradcheck_cli/checks/diagnosis/causes.toml instead. -->

Every cause that the program names has a code, in its reports as in JSON. `gradcheck explain CODE` shows one of the
entries below on the screen, and `gradcheck explain` lists all codes. In the examples, `-` is code with the fault, and
`+` the same lines without it.
"""


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


def markdown() -> str:
    """Return all entries as a page of Markdown: a table for each kind, and then the descriptions."""
    parts = [_HEAD]
    for kind, title in KINDS.items():
        own = [entry for entry in entries() if entry.kind == kind]
        rows = [f"| {', '.join(f'`{code}`' for code in entry.codes)} | {_cell(entry.brief)} |" for entry in own]
        parts.append("\n".join([f"## {title}\n", "| code | meaning |", "|---|---|", *rows, ""]))
        parts += [_section(entry) for entry in own]
    return "\n".join(parts)


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


def _section(entry: Entry) -> str:
    lines = [f"### {', '.join(entry.codes)}\n", f"{_sentence(entry.brief)} {entry.meaning}\n"]
    if entry.shows:
        lines.append(f"Where it shows: {entry.shows}\n")
    if entry.wrong:
        lines.append(f"```diff\n{_difference(entry)}\n```\n")
    return "\n".join(lines)


def _difference(entry: Entry) -> str:
    """Return the example as a correction: lines of the wrong code after a minus, of the right code after a plus."""
    wrong, right = entry.wrong.split("\n"), entry.right.split("\n")
    return "\n".join(line.rstrip() for line in difflib.ndiff(wrong, right) if not line.startswith("?"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _sentence(text: str) -> str:
    return f"{text if text.startswith('`') else text[0].upper() + text[1:]}."
