"""The shell command that reproduces one case of one implementation."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck_cli.checks.settings import Settings
    from gradcheck_cli.layers.layer import Case


def replay_command(program: str, case: Case, implementation: str, settings: Settings) -> str:
    """Write out every flag that decides the case, so that no default or configuration has a say; shell-quoted."""
    words = [*program.split(), implementation]
    if settings.adapter is not None:
        words += ["--adapter", settings.adapter]
    for parameter in case.parameters():
        words += parameter.flags(getattr(case, parameter.name))
    words += ["--dtype", case.dtype, "--seed", str(case.seed), "--method", settings.method]
    words += ["--tol", _number(settings.tolerance(case.dtype))]
    if settings.step is not None:
        words += ["--step", _number(settings.step)]
    if settings.skipped_duties:
        words += ["--skip-duty", ",".join(settings.skipped_duties)]
    return shlex.join(words)


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")
