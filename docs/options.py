"""The page of all options, from the commands themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from docs.manual import EXIT_CODES, VARIABLES
from gradcheck_cli.cli.commands import files_command, layer_command, sweep_command
from gradcheck_cli.cli.flags import geometry_flags, help_by_section
from gradcheck_cli.cli.groups import OTHER_COMMANDS
from gradcheck_cli.layers import LAYERS, TITLES

if TYPE_CHECKING:
    import click

_HEAD = """\
# Options

<!-- Written by `python -m docs.write` from the commands' own flags. -->

`convcheck` is short for `gradcheck conv`. Every flag can also be set in `pyproject.toml` or as a variable
([configuration](configuration.md)). `--help` shows the same as this page, for one command.

Every geometry flag and `--dtype` takes a list (`1,2,5`) or a range (`5..9`); several make the product of cases, the
last in the table varying fastest, or with `--fuzz` are what is drawn from. With no geometry flag the standard set is
tried.
"""


def markdown() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    yield "## convcheck"
    yield from _sections(layer_command("convcheck", "conv"))
    yield "\n## gradcheck LAYER\n\nThe flags of `convcheck`, with the geometry of the layer:\n"
    rows = ((f"`{name}`", ", ".join(_geometry(name)), TITLES[name]) for name in LAYERS)
    yield from _table(("layer", "geometry", ""), rows)
    yield (
        "\n## gradcheck FILE.py\n\nThe flags of `convcheck`, without a geometry and "
        f"{_code(_missing(layer_command('convcheck', 'conv'), files_command('gradcheck')))}: these need the name of a "
        "layer."
    )
    yield "\n## gradcheck sweep LAYER\n\nThe geometry of the layer, and:"
    yield from _sections(sweep_command("conv", "conv"), without="Geometry")
    for command in OTHER_COMMANDS:
        usage = " ".join(command.collect_usage_pieces(_context(command))[1:])
        yield f"\n## gradcheck {command.name}{f' {usage}' if usage else ''}\n\n{_text(command.help or '')}"
        yield from _sections(command)
    yield "\n## Exit codes\n"
    yield from _table(("code", "meaning"), EXIT_CODES)
    yield "\n## Variables\n"
    yield from _table(("variable", "effect"), ((_code(name.split(", ")), text) for name, text in VARIABLES))


def _sections(command: click.Command, without: str = "nothing") -> Iterator[str]:
    for section, records in help_by_section(command, _context(command)).items():
        rows = [(_flags(flags), _text(text)) for flags, text in records if "--help" not in flags]
        title, _, remark = section.removesuffix(")").partition(" (")
        if rows and not section.startswith(without):
            yield f"\n### {title}\n" if len(command.params) > 5 else ""
            yield from [f"{_text(remark[0].upper() + remark[1:])}.\n"] if remark else []
            yield from _table(("flag", "meaning"), rows)


def _geometry(layer: str) -> list[str]:
    return [f"`{flag.opts[0]}`" for flag in geometry_flags(LAYERS[layer])]


def _missing(command: click.Command, other: click.Command) -> list[str]:
    """Return the flags that a command has and the other has not, but for those of the geometry."""
    kept = {name for param in other.params for name in param.opts}
    geometry = {name for flag in geometry_flags(LAYERS["conv"]) for name in flag.opts}
    return [name for param in command.params for name in param.opts if name[0] == "-" and name not in kept | geometry]


def _context(command: click.Command) -> click.Context:
    return command.make_context(command.name, [], resilient_parsing=True)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _flags(flags: str) -> str:
    """Write flags with their value so that a `|` ends no cell, neither on GitHub nor on the site."""
    return f"<code>{flags.replace('|', '&#124;')}</code>" if "|" in flags else f"`{flags}`"


def _text(text: str) -> str:
    return " ".join(re.sub(r"(?<![`\w])(--?[a-z][\w-]*|[A-Z]+_[A-Z*_]+)", r"`\1`", text).split())


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"
