"""How a missing package is installed."""

from __future__ import annotations

import shlex
import sys

#: Installs this program, which is on no package index.
INSTALL = "pip install git+https://github.com/convcheck/convcheck"


def install_command(package: str) -> str:
    """Return the command that installs a package where this program runs, whatever environment is active.

    It names the package and not the extra that has it: this program comes from a clone or a URL, and `pip` looks for
    `convcheck[plot]` in an index.
    """
    return f"{shlex.quote(sys.executable)} -m pip install {package}"
