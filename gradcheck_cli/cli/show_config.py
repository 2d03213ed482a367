"""`--show-config`: the value of every flag, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from gradcheck_cli.cli.configuration import shown_path
from gradcheck_cli.cli.flags import CONFIGURATION, Flag
from gradcheck_cli.text.clean import clean

if TYPE_CHECKING:
    from gradcheck_cli.cli.defaults import Configured

#: Characters of a value that are shown.
_LONGEST = 60


def show(ctx: click.Context, flags: Mapping[str, Any], configured: Configured | None) -> None:
    """Print a row for each flag, and what is set for other commands.

    Args:
        ctx: of the command.
        flags: the values that it would use.
        configured: what the configuration sets, if there is any.
    """
    rows = [("flag", "value", "from"), *_rows(ctx, flags, configured)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    file = configured.file if configured else None
    click.echo(f"configuration file: {clean(shown_path(file)) if file else 'none'}")
    for flag, value, origin in rows:
        click.echo(f"{flag:<{widths[0]}}  {value:<{widths[1]}}  {origin}".rstrip())
    for where in configured.unused if configured else ():
        click.echo(f"not for this command: {clean(where)}")


def _rows(
    ctx: click.Context, flags: Mapping[str, Any], configured: Configured | None
) -> Iterator[tuple[str, str, str]]:
    for param in ctx.command.params:
        if not isinstance(param, Flag) or not param.expose_value or param.section == CONFIGURATION or not param.name:
            continue
        setting = configured.settings.get(param.name) if configured else None
        value = flags[param.name]
        typed = ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
        if typed or setting is None:
            yield param.opts[-1], _shown(value), "command line" if typed else "default"
        elif value is None or value is False:
            yield param.opts[-1], _shown(value), f"default; {clean(setting.where)} is overridden"
        else:
            text = setting.text if isinstance(setting.text, str) else " ".join(setting.text)
            yield param.opts[-1], clean(text, _LONGEST), clean(setting.where)


def _shown(value: Any) -> str:
    """Write a value as it is typed, or nearly so."""
    match value:
        case None | ():
            return "-"
        case bool():
            return "on" if value else "off"
        case tuple():
            return clean(
                ",".join("x".join(map(str, one)) if isinstance(one, tuple) else str(one) for one in value), _LONGEST
            )
    return clean(f"{value:g}" if isinstance(value, float) else value, _LONGEST)
