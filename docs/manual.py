"""The manual pages, from the commands and their flags."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from gradcheck_cli.cli.commands import files_command, layer_command
from gradcheck_cli.cli.flags import geometry_flags, help_by_section
from gradcheck_cli.cli.groups import gradcheck_group
from gradcheck_cli.engine.version import __version__
from gradcheck_cli.layers import LAYERS, TITLES

if TYPE_CHECKING:
    import click

    Rows = Iterable[tuple[str, str]]

#: What the exit codes mean.
EXIT_CODES = (
    ("0", "every case that ran passed, and at least one ran"),
    ("1", "a gradient or the forward pass is wrong, or the implementation raised, hung or crashed"),
    (
        "2",
        "usage: a bad flag, an implementation that cannot be found, an output that cannot be written, no case to run",
    ),
    ("3", "nothing is wrong, but something could not be decided"),
    ("4", "a bug in the checker"),
    ("130", "interrupted by Ctrl-C; what was finished is reported. 143 by SIGTERM, 129 by SIGHUP, likewise"),
)

#: Variables of the environment that matter, with their effect.
VARIABLES = (
    ("COLUMNS", "the width of what is written to stdout, if it is no terminal"),
    ("NO_COLOR, FORCE_COLOR", "no colour, or colour even where stdout is no terminal"),
    ("GRADCHECK_*", "defaults of flags: GRADCHECK_SEED=7, or GRADCHECK_CONV_STRIDE=2 for one layer"),
)


def page(program: str) -> str:
    """Write the page of a program: of `gradcheck` with its commands, and the flags that all layers share."""
    if program == "convcheck":
        command = layer_command("convcheck", "conv")
        return _page(command, [*_options(command)])
    group = gradcheck_group()
    layers = [(name, f"{title}: {_geometry(name)}") for name, title in TITLES.items()]
    others = [(name, command.get_short_help_str(limit=100)) for name, command in group.commands.items()]
    return _page(group, [("Layers", layers), ("Other commands", others), *_options(files_command("gradcheck"))])


def _page(command: click.Command, sections: Iterable[tuple[str, Rows]]) -> str:
    name = str(command.name)
    other = "convcheck" if name == "gradcheck" else "gradcheck"
    usage = " ".join(command.collect_usage_pieces(_context(command)))
    lines = [f'.TH {name.upper()} 1 "" "convcheck {__version__}" "User Commands"', ".SH NAME"]
    lines += [rf"{name} \- check hand-written backward passes against numerical derivatives"]
    lines += [".SH SYNOPSIS", f".B {name}", _escape(usage), ".SH DESCRIPTION"]
    for number, paragraph in enumerate((command.help or "").split("\n\n")):
        before, after = ([".nf"], [".fi"]) if paragraph.startswith("    ") else ([], [])
        lines += [*([".PP"] if number else []), *before, _escape(paragraph.strip()), *after]
    for title, rows in (*sections, ("Exit status", EXIT_CODES), ("Environment", VARIABLES)):
        lines += [f".SH {_escape(title.upper())}", *_definitions(rows)]
    return "\n".join([*lines, ".SH SEE ALSO", f".BR {other} (1)", ""])


def _options(command: click.Command) -> Iterator[tuple[str, Rows]]:
    for section, records in help_by_section(command, _context(command)).items():
        title, _, remark = section.partition(" (")
        yield title, [("", remark.removesuffix(")")), *records] if remark else records


def _context(command: click.Command) -> click.Context:
    return command.make_context(command.name, [], resilient_parsing=True)


def _geometry(layer: str) -> str:
    return " ".join(flag.opts[0] for flag in geometry_flags(LAYERS[layer]))


def _definitions(rows: Rows) -> Iterator[str]:
    for term, text in rows:
        yield from (".TP", f".B {_escape(term)}", _escape(text)) if term else (_escape(text),)


def _escape(text: str) -> str:
    """Escape text for roff, in which a line that begins with a full stop or a quote is a request."""
    return re.sub(r"^([.'])", r"\\&\1", text.replace("\\", r"\e").replace("-", r"\-"), flags=re.MULTILINE)
