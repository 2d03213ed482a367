"""The console that reports for people print to: what it is given, as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rich.console import Console

if TYPE_CHECKING:
    from gradcheck_cli.report.report import Look


def make_console(stream: TextIO, look: Look) -> Console:
    """Make a console in which nothing is markup, and colour is what `look` says."""
    return Console(
        file=stream,
        width=look.width,
        force_terminal=look.color,
        no_color=not look.color,
        color_system="standard" if look.color else None,
        highlight=False,
        markup=False,
        emoji=False,
    )
