"""The flags of a command that checks a layer: the layer's own numbers, and what all layers share."""

from __future__ import annotations

import itertools
import sys
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.arrays import DTYPES
from gradcheck_cli.checks.settings import DUTIES
from gradcheck_cli.cli.types import Jobs, Names, Part, PositiveNumber, Values, WholeNumber, Words
from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.named import ByName
from gradcheck_cli.layers.parameter import Whole, Word
from gradcheck_cli.numeric.method import METHODS
from gradcheck_cli.report.report import FORMATS

if TYPE_CHECKING:
    from gradcheck_cli.layers.layer import Layer
    from gradcheck_cli.layers.parameter import Parameter

#: More random cases than this take minutes to draw.
_MOST_RANDOM = 100_000

#: Flags that make sense for an implementation of a layer that is named.
_OF_ONE_LAYER = {"step_sweep", "adapter", "plot_path"}

_EPILOG = "Exit codes: 0 passed, 1 wrong or raised, 2 usage, 3 undecided, 4 checker bug, 130 interrupted."

#: With more cases than this, only those that did not pass are shown.
MANY_CASES = 20

_GEOMETRY = "Geometry (each takes one value, a list 1,2,5 or a range 5..9)"
_CASES = "Cases"
_SETTINGS = "Geometry (each takes one value or a list; of shapes, 2x3,4x5)"
_CHECK = "Check"
_BULK = "Many cases"
_OUTPUT = "Output"


class Flag(click.Option):
    """An option that knows under which heading of `--help` it stands."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


class LayerCommand(click.Command):
    """A command whose `--help` groups its flags."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, a heading for each section."""
        flags = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        for section, group in itertools.groupby(flags, lambda flag: getattr(flag, "section", _OUTPUT)):
            with formatter.section(section):
                formatter.write_dl([record for flag in group if (record := flag.get_help_record(ctx))])


def layer_command(layer: Layer, name: str) -> LayerCommand:
    """Make the command that checks `layer`, called `name`."""

    def callback(**flags: Any) -> int:
        from gradcheck_cli.cli.run import run_checks  # it needs NumPy, which --help does not

        return run_checks(layer, **flags)

    pair, function = ("FILE.py:loss", "") if layer.loss else ("FILE.py:forward,backward", "FILE.py:Class, ")
    pair, function = (pair, function) if layer.reference else ("FILE.py:f,gradient", "")
    default, *others = layer.builtin
    builtin = ", ".join([f"{default} (built in, the default)", *others])
    return LayerCommand(
        name,
        callback=callback,
        params=[
            click.Argument(["implementation"], nargs=-1),
            *_geometry_flags(layer),
            *_case_flags(),
            *_check_flags(),
            *_bulk_flags(),
            *_output_flags(layer.command.split()[0]),
        ],
        help=(
            f"Check the backward pass of {layer.indefinite} against numerical derivatives of its forward pass.\n\n"
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
        from gradcheck_cli.cli.run import run_checks  # it needs NumPy, which --help does not

        return run_checks(None, **flags)

    return _FilesCommand(
        name,
        callback=callback,
        params=[
            click.Argument(["implementation"], nargs=-1, required=True, metavar="[FILE.py]..."),
            *_case_flags(),
            *(flag for flag in _check_flags() if flag.name not in _OF_ONE_LAYER),
            *_bulk_flags(),
            *(flag for flag in _output_flags("gradcheck") if flag.name not in _OF_ONE_LAYER),
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


def _geometry_flags(layer: Layer) -> list[click.Parameter]:
    whole = all(isinstance(p, Whole) for p in layer.case.parameters())
    section = _GEOMETRY if whole else _SETTINGS
    return [
        Flag(
            [f"--{p.name}", p.name],
            type=_type(p),
            multiple=isinstance(p, ByName),
            callback=_joined if isinstance(p, ByName) else None,
            help=f"{p.help}  [{_default(p)}]",
            section=section,
        )
        for p in layer.case.parameters()
    ]


def _joined(ctx: click.Context, param: click.Parameter, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Bring together what stands after a flag that was given for several names."""
    assert isinstance(param.type, Words)
    assert isinstance(param.type.parameter, ByName)
    try:
        return param.type.parameter.joined(given) if given else None
    except ValueError as error:
        raise click.BadParameter(f"{error}.", ctx, param) from error


def _case_flags() -> list[click.Parameter]:
    return [
        Flag(
            ["--fuzz"],
            type=WholeNumber(least=1, most=_MOST_RANDOM),
            metavar="K",
            help="K random geometries, and the smallest that fail; needs the extra convcheck[fuzz]",
            section=_CASES,
        ),
        Flag(
            ["--shard"],
            type=Part(),
            help="the part I of N of the cases, the same on every machine",
            section=_CASES,
        ),
        Flag(
            ["--max-failures"],
            type=WholeNumber(least=1),
            metavar="K",
            help="stops when K cases have failed",
            section=_CASES,
        ),
    ]


def _type(parameter: Parameter) -> click.ParamType[tuple[Any, ...]]:
    match parameter:
        case Whole():
            return Values(parameter)
        case Word():
            return Words(parameter)
    raise AssertionError(parameter)


def _default(parameter: Parameter) -> str:
    return parameter.written(parameter.normalise(parameter.default))


def _check_flags() -> list[click.Parameter]:
    return [
        Flag(
            ["--dtype"],
            type=Names(DTYPES),
            help="float16, float32, float64, longdouble, or a list  [float64; of --fuzz float64,float32]",
            section=_CHECK,
        ),
        Flag(
            ["--seed"],
            type=WholeNumber(),
            default=0,
            help="fixes inputs and cotangent, and what --fuzz draws  [0]",
            section=_CHECK,
        ),
        Flag(
            ["--method"],
            type=click.Choice(METHODS),
            default="auto",
            help="how derivatives are computed  [auto]",
            section=_CHECK,
        ),
        Flag(
            ["--tol"],
            type=PositiveNumber(),
            help="tolerance in roundings (eps of the dtype)  [100, but at most 1/256 of the scale]",
            section=_CHECK,
        ),
        Flag(
            ["--step"],
            type=PositiveNumber(),
            help="fixes the step h of the differences  [chosen and bounded]",
            section=_CHECK,
        ),
        Flag(
            ["--skip-duty", "skipped_duties"],
            type=Names(DUTIES),
            default=(),
            metavar="DUTY",
            help=f"duties beside the right numbers that are not tried: {', '.join(DUTIES)}",
            section=_CHECK,
        ),
        Flag(
            ["--step-sweep"],
            is_flag=True,
            help="checks nothing, and shows what plain differences reach with h from 1 to 1e-12",
            section=_CHECK,
        ),
        Flag(
            ["--adapter"],
            metavar="FILE.py:FUNCTION",
            help="makes (forward, backward) of what IMPLEMENTATION names, for code that no convention fits",
            section=_CHECK,
        ),
        Flag(
            ["--timeout"],
            type=PositiveNumber(),
            default=60.0,
            help="seconds for one case of one implementation  [60]",
            section=_CHECK,
        ),
        Flag(
            ["--memory"],
            type=PositiveNumber(),
            help="GiB that one implementation may hold  [half of the machine's]",
            section=_CHECK,
        ),
    ]


def _bulk_flags() -> list[click.Parameter]:
    return [
        Flag(
            ["--jobs"],
            type=Jobs(),
            default=1,
            metavar="INT|auto",
            help="worker processes; auto is one for each core  [1]",
            section=_BULK,
        ),
        Flag(
            ["--dask"],
            metavar="ADDRESS",
            help="sends the cases to a Dask cluster instead; needs the extra convcheck[dask]",
            section=_BULK,
        ),
        Flag(
            ["--resume"],
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="writes each result to a file as it comes, and goes on from there after the run was cut",
            section=_BULK,
        ),
    ]


def _output_flags(program: str) -> list[click.Parameter]:
    def version(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001, FBT001
        if value:
            click.echo(", ".join(f"{name} {version}" for name, version in versions(program).items()))
            ctx.exit()

    return [
        Flag(
            ["--format", "format_"],
            type=click.Choice(list(FORMATS)),
            help="what stdout shows  [table]",
            section=_OUTPUT,
        ),
        Flag(
            ["--json", "json_path"],
            type=click.Path(dir_okay=False, allow_dash=True),
            metavar="PATH",
            help="writes the JSON report to a file besides; - is stdout",
            section=_OUTPUT,
        ),
        Flag(
            ["--plot", "plot_path"],
            type=click.Path(dir_okay=False),
            metavar="PATH",
            help="draws --step-sweep, as .png or .svg; needs the extra convcheck[plot]",
            section=_OUTPUT,
        ),
        Flag(
            ["--debug", "debug_path"],
            type=click.Path(dir_okay=False),
            metavar="PATH",
            help="writes the arrays of the first case that did not pass, as .npz",
            section=_OUTPUT,
        ),
        Flag(
            ["--show"],
            type=click.Choice(["all", "failed", "worst", "grades"]),
            help="which cases, or only a row for each implementation  "
            f"[all; of more than {MANY_CASES} cases failed; of several implementations grades]",
            section=_OUTPUT,
        ),
        Flag(["-q", "--quiet"], is_flag=True, help="one line", section=_OUTPUT),
        Flag(["-v", "--verbose"], is_flag=True, help="everything, arrays included", section=_OUTPUT),
        Flag(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="colour on stdout  [auto: on a terminal; NO_COLOR and FORCE_COLOR are honoured]",
            section=_OUTPUT,
        ),
        Flag(["--list-cases"], is_flag=True, help="shows the cases and checks nothing", section=_OUTPUT),
        Flag(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=version,
            help="shows the versions of this program, Python and NumPy",
            section=_OUTPUT,
        ),
    ]


def versions(program: str) -> dict[str, str]:
    """Name what a result may depend on, with versions."""
    import numpy as np  # not for --help

    from gradcheck_cli import __version__

    return {program: __version__, "python": sys.version.split()[0], "numpy": np.__version__}
