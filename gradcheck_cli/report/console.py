"""The console that reports for people print to: what it is given, as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.console import Console

if TYPE_CHECKING:
    from gradcheck_cli.report.formats import DisplayOptions


def make_console(stream: TextIO, options: DisplayOptions) -> Console:
    """Make a console in which nothing is markup, and colour is what `options` say."""
    return Console(
        file=stream,
        width=options.width,
        force_terminal=options.color,
        no_color=not options.color,
        color_system="standard" if options.color else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
