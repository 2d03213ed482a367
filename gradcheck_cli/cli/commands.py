"""The commands: a check and a step sweep for each layer, a check of all that files have, and the JSON Schema."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.cli.about import versions
from gradcheck_cli.cli.flags import CONFIGURATION, OUTPUT, Flag, geometry_flags, help_by_section, request_flags
from gradcheck_cli.cli.request import Request, make_request
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.report.formats import FORMATS, SWEEP_FORMATS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from gradcheck_cli.cli.defaults import Configured
    from gradcheck_cli.layers.framework.layer import Layer

#: Where the context of a command keeps its configuration.
_CONFIGURED = "gradcheck_cli.configured"

_SETTINGS: dict[str, Any] = {
    "epilog": "Exit codes: 0 passed, 1 wrong or raised, 2 usage, 3 undecided, 4 checker bug, 130 interrupted.",
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class CheckCommand(click.Command):
    """A command with a heading for each section of its flags."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags by section."""
        for section, records in help_by_section(self, ctx).items():
            with formatter.section(section):
                formatter.write_dl(records)


class _FilesCommand(CheckCommand):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; of a flag of one layer's say where it belongs."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            flag = error.option_name
            known = {name for layer in LAYERS for param in geometry_flags(LAYERS[layer]) for name in param.opts}
            if flag not in {*known, "--adapter"}:
                raise
            place = next(place for place, word in enumerate(given) if word.partition("=")[0] == flag)
            value = " ".join(given[place : place + (1 if "=" in given[place] else 2)])
            hint = f"{flag} is a flag of one layer's: name the layer, gradcheck LAYER FILE.py {value}"
            raise click.UsageError(hint, ctx) from error


def layer_command(name: str, layer_name: str) -> click.Command:
    """Make the command `name`, which checks a layer."""
    layer = LAYERS[layer_name]
    text = (
        f"Check the backward pass of {layer.title_with_article} against numerical derivatives of its forward pass."
        f"\n\n{_implementations(layer)}; several are checked one after the other.\n\n"
        "With no geometry flag a standard set of small geometries is tried; with any, the product of what the flags "
        "say; with --fuzz, random ones on top of what they say."
    )
    flags = [*geometry_flags(layer), *request_flags(Request, FORMATS)]
    return CheckCommand(name, callback=partial(_run, layer), params=_parameters(layer, flags), help=text, **_SETTINGS)


def sweep_command(name: str, layer_name: str) -> click.Command:
    """Make the command `name`, which sweeps the step of plain differences of a layer."""
    layer = LAYERS[layer_name]
    text = (
        f"Show the error of plain central differences of {layer.title_with_article} for each step h from 1 to 1e-12, "
        "and the h that the checker chooses. Nothing is checked.\n\n"
        f"{_implementations(layer)}.\n\nWith no geometry flag the default geometry alone is tried."
    )
    flags = [*geometry_flags(layer), *request_flags(Request, SWEEP_FORMATS, "sweep")]
    run = partial(_run, layer, sweep=True)
    return CheckCommand(name, callback=run, params=_parameters(layer, flags), help=text, **_SETTINGS)


def files_command(name: str) -> click.Command:
    """Make the command `name`, which checks all layers that files have."""
    text = (
        "Find every layer in files, in the files of folders or in modules, and check each on its standard set.\n\n"
        "Pairs of functions, classes and losses are found by their names, and where these leave open which layer it "
        "is, by trying which one's reference they reproduce. What is of no known layer is listed on stderr.\n\n"
        "FILE.py:forward,backward is that pair alone."
    )
    params = _parameters(None, request_flags(Request, FORMATS, "files"))
    return _FilesCommand(name, callback=partial(_run, None), params=params, help=text, **_SETTINGS)


@click.command("completion", help="Print the script that completes arguments of both programs in a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the script."""
    from gradcheck_cli.cli.completion import script  # only wanted here

    click.echo(script(shell, ("convcheck", "gradcheck")), nl=False)


@click.command("schema", help="Print the JSON Schema of --json and --format json.")
def schema_command() -> None:
    """Print the JSON Schema."""
    from gradcheck_cli.report.json import schema  # only wanted here

    click.echo(schema(), nl=False)


def _parameters(layer: Layer | None, flags: list[Flag]) -> list[click.Parameter]:
    """Return the parameters of a command: implementations, which files must be given for, flags and --version."""
    metavar = "[IMPLEMENTATION]..." if layer else "[FILE.py]..."
    argument = click.Argument(["implementations"], nargs=-1, metavar=metavar, shell_complete=_completing(layer))
    version = _version_flag(layer.command.split()[0] if layer else "gradcheck")
    return [argument, *flags, version, *_configuration_flags(layer)]


def _completing(layer: Layer | None) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Make the function that offers implementations to a shell."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        from gradcheck_cli.cli.completion import complete_code  # only a shell asks

        return complete_code(incomplete, builtin=layer.builtin if layer else ())

    return complete


def _implementations(layer: Layer) -> str:
    """Say what can be given for IMPLEMENTATION."""
    default, *others = layer.builtin
    builtin = ", ".join([f"{default} (built in, the default)", *others])
    named = "FILE.py:forward,backward, FILE.py:Class"
    if layer.loss or not layer.reference:
        named = "FILE.py:loss" if layer.reference else "FILE.py:f,gradient"
    return f"IMPLEMENTATION is {builtin}, FILE.py, {named}, a package's folder, or package.module with such names"


def _version_flag(program: str) -> Flag:
    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001
        if value:
            click.echo(", ".join(f"{name} {version}" for name, version in versions(program).items()))
            ctx.exit()

    text = "shows the versions of this program, Python and NumPy"
    return Flag(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help=text, section=OUTPUT
    )


def _configuration_flags(layer: Layer | None) -> list[Flag]:
    def read(ctx: click.Context, param: click.Parameter, ignored: bool) -> None:  # noqa: ARG001, FBT001
        if ignored or ctx.resilient_parsing:
            return
        from gradcheck_cli.cli.configuration import ConfigurationError, find_file, variables  # not for --help

        try:
            file = find_file()
            if file or variables():
                from gradcheck_cli.cli.defaults import configure  # only where there is a configuration

                ctx.meta[_CONFIGURED] = configure(ctx, layer.name if layer else None, file)
        except ConfigurationError as error:
            raise click.ClickException(f"{error}.") from error

    shown = "shows the value of every flag and where it comes from, and checks nothing"
    ignored = "ignores [tool.gradcheck] of pyproject.toml, and the variables GRADCHECK_*"
    return [
        Flag(["--show-config"], is_flag=True, help=shown, section=CONFIGURATION),
        # Eager, so that the defaults of all other flags are known when these are read.
        Flag(
            ["--no-config"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=read,
            help=ignored,
            section=CONFIGURATION,
        ),
    ]


def _run(layer: Layer | None, /, *, show_config: bool, sweep: bool = False, **flags: Any) -> int:
    ctx = click.get_current_context()
    configured: Configured | None = ctx.meta.get(_CONFIGURED)
    if configured:
        from gradcheck_cli.cli.defaults import drop_overridden  # only where there is a configuration

        drop_overridden(ctx, flags, configured)
    if show_config:
        from gradcheck_cli.cli.show_config import show  # only where it is asked for

        show(ctx, flags, configured)
        return 0
    if layer is None and not flags["implementations"]:
        raise click.MissingParameter(ctx=ctx, param=ctx.command.params[0])
    from gradcheck_cli.cli.run import run  # it needs NumPy, which --help does not

    gc.freeze()
    gc.enable()  # `main` disabled it while all this was imported
    try:
        return run(make_request(layer, flags, sweep=sweep))
    except click.UsageError as error:
        message = error.format_message()
        if configured and (origins := configured.origins(ctx, message)):
            raise click.UsageError(message + origins, error.ctx) from error
        raise
