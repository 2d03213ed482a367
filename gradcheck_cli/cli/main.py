"""The two programs: `convcheck`, and `gradcheck` with a command for each layer."""

from __future__ import annotations

from collections.abc import Callable

from gradcheck_cli.engine import interrupts

interrupts.install()  # before imports that take a while: a Ctrl-C within them prints no traceback

from gradcheck_cli.cli import streams  # noqa: E402

streams.settle()
streams.forget_odd_sizes()

import gc  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, NoReturn  # noqa: E402

import click  # noqa: E402

from gradcheck_cli.cli.compare import compare_command  # noqa: E402
from gradcheck_cli.cli.exit_codes import BUG, USAGE  # noqa: E402
from gradcheck_cli.cli.lazy import import_later  # noqa: E402

import_later("numpy")

from gradcheck_cli.cli.about import report_bug  # noqa: E402  # after NumPy was put off
from gradcheck_cli.cli.commands import (  # noqa: E402
    completion_command,
    files_command,
    layer_command,
    man_command,
    schema_command,
    sweep_command,
)
from gradcheck_cli.cli.explain import explain_command  # noqa: E402
from gradcheck_cli.cli.values import quoted  # noqa: E402
from gradcheck_cli.layers import TITLES  # noqa: E402
from gradcheck_cli.text.clean import clean_lines  # noqa: E402

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

#: Lines of an error: some list what there is to choose from.
_MOST_LINES = 100

#: The name of the command that checks files, as its usage shows it: nobody types it, but it can be typed.
_FILES = "FILE.py"

#: Characters of a line of an error: a value that is quoted may have thousands of digits.
_WIDEST = 1000


def convcheck() -> NoReturn:
    """Run `convcheck`."""
    sys.exit(_run(layer_command("convcheck", "conv")))


def gradcheck() -> NoReturn:
    """Run `gradcheck`."""
    text = (
        "Check hand-written backward passes against numerical derivatives: with LAYER those of one layer; without, of "
        "every layer that is found in files, folders or modules, such as\n\n    gradcheck submissions/*/layers.py"
    )
    group = _Gradcheck("gradcheck", layer_command, text, "LAYER|FILE.py [ARGS]...")
    group.context_settings["ignore_unknown_options"] = True  # they may be of the command that checks files
    group.add_command(
        _LayerGroup("sweep", sweep_command, "Show the error of plain differences for each step h.", "LAYER [ARGS]...")
    )
    group.add_command(compare_command)
    group.add_command(explain_command)
    group.add_command(schema_command)
    group.add_command(completion_command)
    group.add_command(man_command)
    sys.exit(_run(group))


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
        from gradcheck_cli.cli.completion import complete_commands  # only a shell asks

        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        others = {name: self.commands[name].get_short_help_str(limit=80) for name in super().list_commands(ctx)}
        return complete_commands(incomplete, {**TITLES, **others})

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


def _run(command: click.Command) -> int:
    """Run a command and return its exit code.

    click's own handling ends a crash and Ctrl-C with 1, which here means a wrong gradient.
    """
    gc.disable()  # until all is imported: what is made then stays, and looking through it takes a tenth of a short run
    sys.dont_write_bytecode = True  # no __pycache__ in the folders of those who are checked
    try:
        code = _exit_code(command)
        sys.stdout.flush()
    except streams.OutputError as error:
        code = _refuse(f"{error}.")
    except BrokenPipeError:  # a reader that has left
        sys.stdout = sys.stderr
    interrupts.ignore()
    signal = interrupts.received()
    return interrupts.exit_code(signal) if signal is not None and code not in (USAGE, BUG) else code


def _exit_code(command: click.Command) -> int:
    try:
        if "_GRADCHECK_COMPLETE" in os.environ:  # a shell asks what may come next
            from gradcheck_cli.cli.completion import answer

            click.echo(answer(command), nl=False)
            return 0
        return command.main(prog_name=command.name, standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except SystemExit:  # click's answer to a reader that has left, as in `convcheck --help | head -1`
        return 0
    except click.ClickException as error:
        hint = f"\nTry '{error.ctx.command_path} --help'." if isinstance(error, click.UsageError) and error.ctx else ""
        return _refuse(error.format_message() + hint)
    except (click.Abort, KeyboardInterrupt):
        return interrupts.exit_code(interrupts.received() or 2)
    except (MemoryError, OverflowError) as error:
        return _refuse(f"arrays of these sizes cannot be made ({error}); give smaller ones.")
    except OSError as error:  # of a file that was named, or of the machine: nothing that a report of a bug would mend
        what = f"{error.filename!r}: " if error.filename else ""
        return _refuse(f"{what}{error.strerror or error}.")
    except streams.OutputError:
        raise
    except Exception:  # noqa: BLE001  # the last resort
        report_bug(traceback.format_exc())
        return BUG


def _refuse(why: str) -> int:
    click.echo(clean_lines(f"Error: {why}", _MOST_LINES, _WIDEST), err=True)
    return USAGE
