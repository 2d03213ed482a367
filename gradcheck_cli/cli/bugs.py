"""A bug in the checker: what is said of it on stderr, once in a run."""

from __future__ import annotations

import click

from gradcheck_cli.cli.flags import versions

#: Where people are asked to report a bug in the checker.
REPORT_TO = "https://github.com/convcheck/convcheck/issues"


def report_bug(traceback: str) -> None:
    """Show the traceback, and say where to report it."""
    used = ", ".join(f"{name} {version}" for name, version in versions("convcheck").items())
    click.echo(traceback.rstrip(), err=True)
    click.echo(f"This is a bug in the checker ({used}). Please report it: {REPORT_TO}", err=True)
