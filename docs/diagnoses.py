"""The page of all codes, with their examples."""

from __future__ import annotations

import difflib

from gradcheck_cli.checks.diagnosis.reference import KINDS, Entry, entries

_HEAD = """\
# Diagnoses

<!-- Written by `python -m docs.write`; edit gradcheck_cli/checks/diagnosis/causes.toml instead. -->

Every cause that the program names has a code, in its reports as in JSON. `gradcheck explain CODE` shows one of the
entries below on the screen, and `gradcheck explain` lists all codes. In the examples, `-` is code with the fault, and
`+` the same lines without it.
"""


def markdown() -> str:
    """Return the page: a table for each kind, and then the descriptions."""
    parts = [_HEAD]
    for kind, title in KINDS.items():
        own = [entry for entry in entries() if entry.kind == kind]
        rows = [f"| {', '.join(f'`{code}`' for code in entry.codes)} | {_cell(entry.brief)} |" for entry in own]
        parts.append("\n".join([f"## {title}\n", "| code | meaning |", "|---|---|", *rows, ""]))
        parts += [_section(entry) for entry in own]
    return "\n".join(parts)


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
