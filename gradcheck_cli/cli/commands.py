"""The commands that check: one for each layer, and one for all layers that files have."""

from __future__ import annotations

import gc
import itertools
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.cli.flags import OUTPUT, geometry_flags, shared_flags
from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer

#: Flags that make sense for an implementation of a layer that is named.
_OF_ONE_LAYER = {"step_sweep", "adapter", "plot_path"}

_EPILOG = "Exit codes: 0 passed, 1 wrong or raised, 2 usage, 3 undecided, 4 checker bug, 130 interrupted."


def _run_checks(layer: Layer | None, flags: dict[str, Any]) -> int:
    from gradcheck_cli.cli.run import run_checks  # it needs NumPy, which --help does not

    gc.freeze()
    gc.enable()  # `main` disabled it while all this was imported
    return run_checks(layer, **flags)


class LayerCommand(click.Command):
    """A command whose `--help` groups its flags."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, a heading for each section."""
        flags = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        for section, group in itertools.groupby(flags, lambda flag: getattr(flag, "section", OUTPUT)):
            with formatter.section(section):
                formatter.write_dl([record for flag in group if (record := flag.get_help_record(ctx))])


def layer_command(layer: Layer, name: str) -> LayerCommand:
    """Make the command that checks `layer`, called `name`."""

    def callback(**flags: Any) -> int:
        return _run_checks(layer, flags)

    pair, function = ("FILE.py:loss", "") if layer.loss else ("FILE.py:forward,backward", "FILE.py:Class, ")
    pair, function = (pair, function) if layer.reference else ("FILE.py:f,gradient", "")
    default, *others = layer.builtin
    builtin = ", ".join([f"{default} (built in, the default)", *others])
    return LayerCommand(
        name,
        callback=callback,
        params=[
            click.Argument(["implementation"], nargs=-1),
            *geometry_flags(layer),
            *shared_flags(layer.command.split()[0]),
        ],
        help=(
            f"Check the backward pass of {layer.title_with_article} against numerical derivatives of its forward "
            "pass.\n\n"
            f"IMPLEMENTATION is {builtin}, FILE.py, {pair}, {function}a package's folder, or package.module with such "
            "names; several are checked one after the other.\n\n"
            "With no geometry flag a standard set of small geometries is tried; with any, the product of what the "
            "flags say; with --fuzz, random ones on top of what they say."
        ),
        epilog=_EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


class _FilesCommand(LayerCommand):
    """A command that says of the flags of one layer's where they belong."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the flags."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            known = {
                flag for name in LAYERS for param in layer_command(LAYERS[name], name).params for flag in param.opts
            }
            if error.option_name not in known:
                raise
            place = next(i for i, word in enumerate(given) if word.partition("=")[0] == error.option_name)
            flag = " ".join(given[place : place + 2]) if "=" not in given[place] else given[place]
            why = f"{error.option_name} is a flag of one layer's: name the layer, gradcheck LAYER FILE.py {flag}"
            raise click.UsageError(why, ctx) from error


def files_command(name: str) -> LayerCommand:
    """Make the command that checks all layers that files have, called `name`."""

    def callback(**flags: Any) -> int:
        return _run_checks(None, flags)

    return _FilesCommand(
        name,
        callback=callback,
        params=[
            click.Argument(["implementation"], nargs=-1, required=True, metavar="[FILE.py]..."),
            *(flag for flag in shared_flags("gradcheck") if flag.name not in _OF_ONE_LAYER),
        ],
        help=(
            "Find every layer in files, in the files of folders or in modules, and check each on its standard set.\n\n"
            "Pairs of functions, classes and losses are found by their names, and where these leave open which layer "
            "it is, by trying which one's reference they reproduce. What is of no known layer is listed on stderr.\n\n"
            "FILE.py:forward,backward is that pair alone."
        ),
        epilog=_EPILOG,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
