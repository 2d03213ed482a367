"""Flags as click knows them: from the fields of the request, the parameters of a layer and the report formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import field, fields
from typing import TYPE_CHECKING, Any

import click

from gradcheck_cli.cli.values import FOLDER, Value, parameter_values, path
from gradcheck_cli.layers.framework.parameter import Integer, Parameter

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.layer import Layer
    from gradcheck_cli.report.formats import Format

_NUMBERS = "Geometry (each takes one value, a list 1,2,5 or a range 5..9)"
_SETTINGS = "Geometry (each takes one value or a list; of shapes, 2x3,4x5)"
OUTPUT = "Output"
CONFIGURATION = "Configuration (flags can be set in pyproject.toml or as GRADCHECK_*)"


class Flag(click.Option):
    """An option that knows its heading in `--help`."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


def help_by_section(command: click.Command, ctx: click.Context) -> dict[str, list[tuple[str, str]]]:
    """Return the flags of a command and their help by headings, in the order in which these first occur."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for param in command.get_params(ctx):
        if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
            sections.setdefault(getattr(param, "section", OUTPUT), []).append(record)
    return sections


def flag(
    section: str,
    name: str,
    type_: Any,
    help_: str,
    default: Any = None,
    *,
    not_for: str = "",
    decides: bool = False,
    **option: Any,
) -> Any:
    """Declare a field of the request that a flag sets.

    Args:
        section: the heading in help.
        name: the flag, and a short one before it if it has one.
        type_: of its value; None for a switch.
        help_: what it does.
        default: the value of the field if it is not given.
        not_for: the kind of command that it makes no sense for: "sweep" or "files".
        decides: whether the result of a case depends on it.
        option: further arguments of `click.Option`.
    """
    option |= {"is_flag": True} if type_ is None else {"type": type_}
    option |= {"section": section, "help": help_, "default": default}
    return field(
        default=default, metadata={"names": name.split(), "option": option, "not_for": not_for, "decides": decides}
    )


def request_flags(request: type, formats: Iterable[Format], command: str = "layer") -> list[Flag]:
    """Make the flags of a kind of command from the fields of the request; `paths` has one for each format."""
    flags = []
    for one in fields(request):
        if one.name == "paths":
            flags += [
                Flag([f"--{f.name}", f.name], type=_target(f), help=f.help, section=OUTPUT) for f in formats if f.help
            ]
        elif one.metadata and one.metadata["not_for"] != command:
            flags.append(Flag([*one.metadata["names"], one.name], **one.metadata["option"]))
    return flags


def _target(format_: Format) -> Value:
    return FOLDER if format_.folder else path(stdout=format_.stdout)


def geometry_flags(layer: Layer) -> list[Flag]:
    """Make the flags of a layer's own parameters."""
    parameters = layer.case.parameters()
    section = _NUMBERS if all(isinstance(parameter, Integer) for parameter in parameters) else _SETTINGS
    return [
        Flag(
            [f"--{parameter.name}", parameter.name],
            type=parameter_values(parameter),
            multiple=parameter.repeated,
            callback=_joining(parameter) if parameter.repeated else None,
            help=f"{parameter.help}  [{parameter.format(parameter.normalize(parameter.default))}]",
            section=section,
        )
        for parameter in parameters
    ]


def _joining(parameter: Parameter) -> Callable[[click.Context, click.Parameter, tuple[Any, ...]], Any]:
    """Make the function that joins the values of a flag that is given once for each of several names."""
    from gradcheck_cli.layers.framework.named import ByName  # of one layer only

    assert isinstance(parameter, ByName)

    def join(ctx: click.Context, param: click.Parameter, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
        try:
            return parameter.combine(given) if given else None
        except ValueError as error:
            raise click.BadParameter(f"{error}.", ctx, param) from error

    return join
