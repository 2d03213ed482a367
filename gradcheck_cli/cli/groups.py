"""The program `gradcheck`: a command for each layer, one for files, and the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradcheck_cli.cli.commands import (
    completion_command,
    files_command,
    layer_command,
    schema_command,
    sweep_command,
)
from gradcheck_cli.cli.compare import compare_command
from gradcheck_cli.cli.explain import explain_command
from gradcheck_cli.cli.values import quoted
from gradcheck_cli.layers import TITLES

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: The name of the command that checks files, as its usage shows it: nobody types it, but it can be typed.
_FILES = "FILE.py"

#: The commands beside those of layers and files.
OTHER_COMMANDS = (compare_command, explain_command, schema_command, completion_command)


def gradcheck_group() -> click.Group:
    """Make the command `gradcheck`."""
    text = (
        "Check hand-written backward passes against numerical derivatives: with LAYER those of one layer; without, of "
        "every layer that is found in files, folders or modules, such as\n\n    gradcheck submissions/*/layers.py"
    )
    group = _Gradcheck("gradcheck", layer_command, text, "LAYER|FILE.py [ARGS]...")
    group.context_settings["ignore_unknown_options"] = True  # they may be of the command that checks files
    sweeps = "Show the error of plain differences for each step h."
    group.add_command(_LayerGroup("sweep", sweep_command, sweeps, "LAYER [ARGS]..."))
    for command in OTHER_COMMANDS:
        group.add_command(command)
    return group


class _LayerGroup(click.Group):
    """A command for each layer, made when it is asked for: its flags are in the layer's own module."""

    def __init__(self, name: str, make: Callable[[str, str], click.Command], text: str, usage: str) -> None:
        settings = {"help_option_names": ["-h", "--help"]}
        super().__init__(name, help=text, subcommand_metavar=usage, context_settings=settings)
        self._make = make

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the layers, in their order, and then the other commands."""
        return [*TITLES, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of a layer."""
        return self._make(cmd_name, cmd_name) if cmd_name in TITLES else super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; of a name that is mistyped say which ones are like it."""
        if ctx.resilient_parsing and args[0] not in self.list_commands(ctx):
            return None, None, []
        if (names := self.list_commands(ctx)) and args[0] not in names and not args[0].startswith("-"):
            import difflib  # only a mistyped name needs it

            near = difflib.get_close_matches(args[0], names, n=3)
            hint = f" Is it {' or '.join(near)}?" if near else ""
            if _may_be_code(args[0]):
                hint = f" Name the layer first: {ctx.command_path} LAYER {quoted(args[0])}"
            raise click.UsageError(f"No such layer or command {quoted(args[0])}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands, of which none is made for it."""
        from click.shell_completion import CompletionItem  # only a shell asks

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        others = {name: self.commands[name].get_short_help_str(limit=80) for name in super().list_commands(ctx)}
        known = {**TITLES, **others}
        return [CompletionItem(name, help=text) for name, text in known.items() if name.startswith(incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the layers by their titles."""
        with formatter.section("Layers"):
            formatter.write_dl(list(TITLES.items()))
        others = [(name, self.commands[name].get_short_help_str(limit=80)) for name in super().list_commands(ctx)]
        if others:
            with formatter.section("Other commands"):
                formatter.write_dl(others)


class _Gradcheck(_LayerGroup):
    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Take what looks like somebody's code, or is a flag, for arguments of the command that checks files."""
        if args[0] not in self.list_commands(ctx) and (_may_be_code(args[0]) or args[0].startswith("-")):
            return _FILES, files_command(_FILES), args
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer files and the flags of the command that checks files, too."""
        from gradcheck_cli.cli.completion import complete_code  # only a shell asks

        if incomplete.startswith("-"):
            return files_command(_FILES).shell_complete(ctx, incomplete)
        return [*super().shell_complete(ctx, incomplete), *complete_code(incomplete)]


def _may_be_code(word: str) -> bool:
    """Tell a file, a folder or a module from a layer's name that is mistyped."""
    home = word.partition(":")[0]
    try:
        exists = Path(home).exists() or Path(f"{home}.py").exists()
    except OSError:  # such as a name of 300 characters
        exists = False
    return exists or home != word or any(sign in word for sign in "./\\")
