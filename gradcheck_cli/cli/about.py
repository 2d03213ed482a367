"""The versions of what a result may depend on, and where to report a bug in the checker."""

from __future__ import annotations

import sys

import click

#: Where people are asked to report a bug in the checker.
REPORT_TO = "https://github.com/convcheck/convcheck/issues"


def versions(program: str) -> dict[str, str]:
    """Return the versions of the program, Python and NumPy."""
    import numpy as np  # not for --help

    from gradcheck_cli.engine.version import __version__

    return {program: __version__, "python": sys.version.split()[0], "numpy": np.__version__}


def report_bug(traceback: str) -> None:
    """Show the traceback of a bug on stderr, and say where to report it."""
    used = ", ".join(f"{name} {version}" for name, version in versions("convcheck").items())
    click.echo(traceback.rstrip(), err=True)
    click.echo(f"This is a bug in the checker ({used}). Please report it: {REPORT_TO}", err=True)
