"""The command `gradcheck explain`: what a code means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from gradcheck_cli.cli.streams import terminal_width, wants_color
from gradcheck_cli.cli.values import quoted

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: Columns where stdout is no terminal: enough for a code and its line, so that `grep` finds both.
_WIDTH = 200


def _complete(_ctx: click.Context, _param: click.Parameter, start: str) -> list[CompletionItem]:
    from click.shell_completion import CompletionItem  # only in a shell that completes

    from gradcheck_cli.checks.diagnosis.reference import by_code

    return [CompletionItem(code, help=entry.brief) for code, entry in by_code().items() if code.startswith(start)]


@click.command(
    "explain",
    help=(
        "Describe the code of a cause, a duty or a verdict, with a wrong and a right example; without CODE, list all. "
        "The codes of convcheck are the same; it has no commands of its own."
    ),
    short_help="Describe the code of a cause, with an example.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("code", required=False, shell_complete=_complete)
def explain_command(code: str | None) -> None:
    """Describe a code, or list all."""
    from gradcheck_cli.checks.diagnosis.reference import by_code, near  # these are needed here alone
    from gradcheck_cli.report import reference
    from gradcheck_cli.report.formats import DisplayOptions
    from gradcheck_cli.report.style import make_console

    width = terminal_width(sys.stdout, _WIDTH)
    console = make_console(sys.stdout, DisplayOptions(color=wants_color("auto", sys.stdout), width=width))
    if code is None:
        console.print(reference.list_codes(console.width), soft_wrap=True)
        return
    known = code.strip("[]").lower()
    if known not in by_code():
        others = near(known)
        hint = f"Is it {' or '.join(others)}?" if others else "`gradcheck explain` lists all."
        raise click.UsageError(
            f"No cause, duty or verdict has the code {quoted(code)}. {hint}", click.get_current_context()
        )
    console.print(reference.describe(known, by_code()[known], console.width), soft_wrap=True)
