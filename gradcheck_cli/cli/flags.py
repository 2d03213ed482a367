"""The flags: the numbers of a layer, and what all layers share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.checks.settings import DUTIES
from gradcheck_cli.cli.types import FilePath, Jobs, Names, Part, PositiveNumber, Values, WholeNumber, Words
from gradcheck_cli.guard.limits import LEAST_MEMORY, LONGEST, MOST_MEMORY, SHORTEST
from gradcheck_cli.layers.framework.parameter import Whole, Word
from gradcheck_cli.numeric.arrays import DTYPES
from gradcheck_cli.numeric.method import METHODS
from gradcheck_cli.report.report import FORMATS

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.layers.framework.parameter import Parameter

#: More random cases than this take minutes to draw.
_MOST_RANDOM = 100_000

#: With more cases than this, only those that did not pass are shown.
MANY_CASES = 20

_GEOMETRY = "Geometry (each takes one value, a list 1,2,5 or a range 5..9)"
_CASES = "Cases"
_SETTINGS = "Geometry (each takes one value or a list; of shapes, 2x3,4x5)"
_CHECK = "Check"
_BULK = "Many cases"
OUTPUT = "Output"


class Flag(click.Option):
    """An option that knows under which heading of `--help` it stands."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


def geometry_flags(layer: Layer) -> list[click.Parameter]:
    """Make the flags of a layer's own numbers."""
    whole = all(isinstance(p, Whole) for p in layer.case.parameters())
    section = _GEOMETRY if whole else _SETTINGS
    return [
        Flag(
            [f"--{p.name}", p.name],
            type=_type(p),
            multiple=p.repeated,
            callback=_joined if p.repeated else None,
            help=f"{p.help}  [{_default(p)}]",
            section=section,
        )
        for p in layer.case.parameters()
    ]


def shared_flags(program: str) -> list[click.Parameter]:
    """Make the flags that all layers share, of the program of that name."""
    return [*_case_flags(), *_check_flags(), *_bulk_flags(), *_output_flags(program)]


def _joined(ctx: click.Context, param: click.Parameter, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Bring together what stands after a flag that was given for several names."""
    from gradcheck_cli.layers.framework.named import ByName  # of one layer only

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
            help="K random geometries, and the smallest that fail",
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
    return parameter.written(parameter.normalize(parameter.default))


def _check_flags() -> list[click.Parameter]:
    return [
        Flag(
            ["--dtype"],
            type=Names(DTYPES),
            default="float64",
            help="float16, float32, float64, longdouble, or a list  [float64]",
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
            type=PositiveNumber(SHORTEST, LONGEST, "give the seconds that one call of your code may take"),
            default=60.0,
            help="seconds for one call of your code  [60]",
            section=_CHECK,
        ),
        Flag(
            ["--memory"],
            type=PositiveNumber(LEAST_MEMORY, MOST_MEMORY, "give GiB; Python and NumPy alone hold an eighth of one"),
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
            type=FilePath(),
            metavar="FILE",
            help="writes each result to a file as it comes, and resumes an interrupted run from there",
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
            section=OUTPUT,
        ),
        Flag(
            ["--json", "json_path"],
            type=FilePath(dash=True),
            metavar="PATH",
            help="writes the JSON report to a file besides; - is stdout",
            section=OUTPUT,
        ),
        Flag(
            ["--plot", "plot_path"],
            type=FilePath(),
            metavar="PATH",
            help="draws --step-sweep, as .png or .svg; needs the extra convcheck[plot]",
            section=OUTPUT,
        ),
        Flag(
            ["--debug", "debug_path"],
            type=FilePath(),
            metavar="PATH",
            help="writes the arrays of the first case that did not pass, as .npz",
            section=OUTPUT,
        ),
        Flag(
            ["--show"],
            type=click.Choice(["all", "failed", "worst", "grades"]),
            help="which cases, or only a row for each implementation  "
            f"[all; of more than {MANY_CASES} cases failed; of several implementations grades]",
            section=OUTPUT,
        ),
        Flag(["-q", "--quiet"], is_flag=True, help="one line for each implementation, with the cause", section=OUTPUT),
        Flag(["-v", "--verbose"], is_flag=True, help="everything, arrays included", section=OUTPUT),
        Flag(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="colour on stdout  [auto: on a terminal; NO_COLOR and FORCE_COLOR are honoured]",
            section=OUTPUT,
        ),
        Flag(["--list-cases"], is_flag=True, help="shows the cases and checks nothing", section=OUTPUT),
        Flag(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=version,
            help="shows the versions of this program, Python and NumPy",
            section=OUTPUT,
        ),
    ]


def versions(program: str) -> dict[str, str]:
    """Name what a result may depend on, with versions."""
    import numpy as np  # not for --help

    from gradcheck_cli.engine.version import __version__

    return {program: __version__, "python": sys.version.split()[0], "numpy": np.__version__}
