"""`gradcheck compare OLD.json NEW.json`: what is better and what is worse than in an earlier run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.cli.exit_codes import WRONG

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from gradcheck_cli.cli.recorded import Recorded
    from gradcheck_cli.results.changes import Change

#: Columns where stdout is no terminal.
_WIDTH = 100


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from gradcheck_cli.cli.completion import complete_files  # only a shell asks

    return complete_files(incomplete, (".json",))


@click.command("compare", short_help="Compare two JSON reports: exit code 1 if something is worse.")
@click.argument("old", type=click.Path(), metavar="OLD.json", shell_complete=_complete)
@click.argument("new", type=click.Path(), metavar="NEW.json", shell_complete=_complete)
@click.option(
    "--format", "format_", type=click.Choice(["table", "json"]), default="table", help="what stdout shows  [table]"
)
@click.option("-q", "--quiet", is_flag=True, help="only how many cases have changed, in one line")
@click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="colour on stdout  [auto]"
)
def compare_command(old: str, new: str, format_: str, quiet: bool, color: str) -> int:  # noqa: FBT001
    """Compare two reports that --json has written, case by case.

    A case is the same if implementation (as it was typed), layer, geometry, dtype and seed are. It is worse if its
    verdict is, or if something is wrong that was right; better the other way round; changed if its cause is another.

    Exit codes: 1 if a case is worse, or new and wrong; 0 if none is; 2 if a report cannot be read.
    """
    from gradcheck_cli.results.changes import compare  # all this needs NumPy, which --help does not

    before, after = _read(old), _read(new)
    changes = compare(before.results, after.results)
    _remark(old, before, new, after, changes)
    if format_ == "json":
        import json  # not for --help

        click.echo(json.dumps([_encoded(change) for change in changes], indent=1))
    else:
        from gradcheck_cli.cli.streams import terminal_width, wants_color
        from gradcheck_cli.report.changes import write_changes
        from gradcheck_cli.report.formats import DisplayOptions

        width = terminal_width(sys.stdout, _WIDTH)
        options = DisplayOptions(quiet=quiet, color=wants_color(color, sys.stdout), width=width)
        write_changes(changes, sys.stdout, options)
    return WRONG if any(change.is_regression for change in changes) else 0


def _read(path: str) -> Recorded:
    from gradcheck_cli.cli.recorded import UnreadableError, read_report

    try:
        return read_report(path)
    except UnreadableError as error:
        raise click.UsageError(f"{path!r} cannot be compared: {error}.") from error


def _remark(old: str, before: Recorded, new: str, after: Recorded, changes: list[Change]) -> None:
    """Say on stderr why cases may be missing."""
    for path, run in ((old, before), (new, after)):
        if not run.complete:
            click.echo(f"Warning: {path} is of a run that was cut short: cases may be missing.", err=True)
    if before.results and after.results and not any(change.old and change.new for change in changes):
        why = "implementations, geometries, dtypes or seeds are others"
        click.echo(f"Warning: {old} and {new} have no case in common: {why}.", err=True)


def _encoded(change: Change) -> dict[str, Any]:
    result = change.result
    return {
        "kind": change.kind,
        "regression": change.is_regression,
        "implementation": result.implementation,
        "layer": result.layer,
        "case": {**result.case.geometry, "dtype": result.case.dtype, "seed": result.case.seed},
        "old": _verdict(change.old),
        "new": _verdict(change.new),
        "command": result.command,
    }


def _verdict(result: Any) -> dict[str, Any] | None:
    return result and {"verdict": result.verdict, "cause": result.headline or None}
