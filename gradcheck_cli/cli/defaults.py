"""The configuration as defaults of a command: which flags it sets, and what it may not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gradcheck_cli.cli.configuration import (
    PREFIX,
    ConfigurationError,
    Entry,
    File,
    shown_path,
    variables,
)
from gradcheck_cli.cli.flags import Flag, geometry_flags, request_flags
from gradcheck_cli.cli.request import Request
from gradcheck_cli.cli.values import FileName
from gradcheck_cli.data.frozen import frozen
from gradcheck_cli.layers import LAYERS, TITLES
from gradcheck_cli.report.formats import FORMATS, SWEEP_FORMATS

#: The strength of what was typed.
_TYPED = 9

#: Flags that ask for something other than a check, or are about the configuration itself.
_TYPED_ONLY = ("list-cases", "show-config", "no-config", "version", "help")

#: Fields of the request of which one excludes the other.
_EXCLUSIVE = (("quiet", "verbose"), ("jobs", "dask"))


@frozen
class Setting:
    """A value of the configuration that a command uses."""

    text: str | tuple[str, ...]  #: as it would be typed; several texts for a flag that is given several times
    flags: tuple[str, ...]
    where: str
    strength: int  #: a variable is stronger than a file, what is for one layer stronger than what is for all


@frozen
class Configured:
    """What the configuration sets."""

    settings: Mapping[str, Setting]  #: by the names of the command's parameters
    unused: tuple[str, ...]  #: where values stand that are for other commands
    file: str | None

    def strength(self, ctx: click.Context, name: str) -> int:
        """Return how strong the source of a parameter's value is: what was typed is strongest, a default weakest."""
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            return _TYPED
        return self.settings[name].strength if name in self.settings else 0

    def origins(self, ctx: click.Context, message: str) -> str:
        """Say of the flags that an error names where those come from that were not typed; empty if all were."""
        words = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", message))
        untyped = [one for name, one in self.settings.items() if self.strength(ctx, name) < _TYPED]
        named = [f"{one.flags[0]} is set by {one.where}" for one in untyped if words & {*one.flags}]
        return f"\n{', '.join(named)}." if named else ""


def configure(ctx: click.Context, layer: str | None, file: File | None) -> Configured:
    """Make the configuration the defaults of a command: what a file sets, and the variables.

    Raises:
        ConfigurationError: the configuration is wrong.
    """
    configured = _Reader(ctx, layer).read(file)
    ctx.default_map = {name: setting.text for name, setting in configured.settings.items()}
    return configured


def drop_overridden(ctx: click.Context, flags: dict[str, Any], configured: Configured) -> None:
    """Of values in `flags` that exclude each other, reset those that are from a weaker source than the strongest."""
    to_stdout = [one.name for one in (*FORMATS, *SWEEP_FORMATS) if flags.get(one.name) == "-"]
    for names in (*_EXCLUSIVE, ("format_", *dict.fromkeys(to_stdout))):
        given = [name for name in names if name in flags]
        strengths = {name: strength for name in given if (strength := configured.strength(ctx, name))}
        for name, strength in strengths.items():
            if strength < max(strengths.values()):
                field = Request.__dataclass_fields__.get(name)
                flags[name] = field.default if field else None
    if "adapter" in configured.settings and not flags["implementations"]:
        flags["adapter"] = None  # it is for what is named


class _Reader:
    """Reads the values for one command, and judges those for others too."""

    def __init__(self, ctx: click.Context, layer: str | None) -> None:
        self._ctx, self._layer = ctx, layer
        self._own = _by_key(ctx.command.params)
        self._common = _by_key(request_flags(Request, dict.fromkeys((*FORMATS, *SWEEP_FORMATS))))

    def read(self, file: File | None) -> Configured:
        entries = [(entry, 0) for entry in (file.entries if file else ())]
        entries += [(self._variable(name, value), 2) for name, value in variables().items()]
        settings: dict[str, Setting] = {}
        unused: list[str] = []
        for entry, source in sorted(entries, key=lambda one: one[1] + bool(one[0].layer)):
            flag = self._flag(entry)
            text = flag and self._text(entry, flag, Path(file.path).parent if file and not source else None)
            if flag and flag.name and flag is self._own.get(entry.key) and entry.layer in ("", self._layer):
                strength = 1 + source + bool(entry.layer)
                settings[flag.name] = Setting(
                    text=text or "", flags=tuple(flag.opts), where=entry.where, strength=strength
                )
            else:
                unused.append(entry.where)
        return Configured(settings=settings, unused=tuple(unused), file=file.path if file else None)

    def _flag(self, entry: Entry) -> Flag | None:
        """Find the flag of a key; None if it is one of other layers only, which may understand its value differently.

        Raises:
            ConfigurationError: there is none, or it can only be typed.
        """
        if entry.key in _TYPED_ONLY:
            raise ConfigurationError(f"{entry.where}: --{entry.key} can only be typed; remove it")
        flags = self._flags(entry.layer)
        if entry.key in flags or (not entry.layer and entry.key in _keys_of(TITLES)):
            return flags.get(entry.key)
        near = difflib.get_close_matches(entry.key, (*flags, *TITLES), n=3)
        which = f"{entry.layer} has" if entry.layer else "there is"
        hint = f" (is it {' or '.join(near)}?)" if near else ""
        raise ConfigurationError(f"{entry.where}: {which} no flag {entry.key!r}{hint}")

    def _flags(self, layer: str) -> dict[str, Flag]:
        """Return the flags of a layer, or else of the command, by their keys."""
        return self._common | (_layer_flags(layer) if layer not in ("", self._layer) else self._own)

    def _variable(self, name: str, value: str) -> Entry:
        """Find what a variable sets: GRADCHECK_SEED, GRADCHECK_STRIDE or GRADCHECK_CONV_STRIDE."""
        words = name.removeprefix(PREFIX)
        layers = [layer for layer in TITLES if words.startswith(_upper(f"{layer}-"))]
        keys = {_upper(key): ("", key) for key in (*_TYPED_ONLY, *self._flags(""))}
        keys |= {_upper(f"{layer}-{key}"): (layer, key) for layer in layers for key in self._flags(layer)}
        if words not in keys:
            keys |= {_upper(key): ("", key) for key in _keys_of(TITLES)}
        last = layers[-1] if layers else ""
        unknown = last, words.removeprefix(_upper(f"{last}-")).replace("_", "-").lower()
        layer, key = keys.get(words, unknown)
        return Entry(layer=layer, key=key, value=value, where=name)

    def _text(self, entry: Entry, flag: Flag, folder: Path | None) -> str | tuple[str, ...]:
        """Write a value as it would be typed.

        Raises:
            ConfigurationError: the flag does not take it.
        """
        text: str | tuple[str, ...] = ""
        try:
            text = _several(entry.value) if flag.multiple else _typed(entry.value)
            if isinstance(text, str) and isinstance(flag.type, FileName) and folder is not None:
                text = flag.type.moved(text, lambda path: shown_path(str(folder / path)))
            flag.process_value(self._ctx, text)
        except (ValueError, click.BadParameter) as error:
            why = error.message if isinstance(error, click.BadParameter) else str(error)
            why = f"{text!r} is neither true nor false" if flag.is_flag and text else why
            raise ConfigurationError(f"{entry.where}: {why.rstrip('.')}") from error
        return text


def _by_key(params: Iterable[click.Parameter]) -> dict[str, Flag]:
    flags = [one for one in params if isinstance(one, Flag) and one.expose_value]
    return {opt.removeprefix("--").replace("_", "-"): one for one in flags for opt in one.opts if opt.startswith("--")}


def _layer_flags(layer: str) -> dict[str, Flag]:
    return _by_key(geometry_flags(LAYERS[layer]))


def _keys_of(layers: Iterable[str]) -> list[str]:
    """List the keys of the layers' own flags."""
    return list(dict.fromkeys(key for layer in layers for key in _layer_flags(layer)))


def _upper(name: str) -> str:
    return name.replace("-", "_").upper()


def _typed(value: Any) -> str:
    """Write a value of TOML as it would be typed: lists with commas, and lists in them with `x`."""
    if isinstance(value, list):
        return ",".join("x".join(map(_word, one)) if isinstance(one, list) else _word(one) for one in value)
    return _word(value)


def _word(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
    kind = {"dict": "a table", "list": "a list in a list in a list"}.get(type(value).__name__, "a date or a time")
    raise ValueError(f"{kind} is no value here; give a string, a number, a boolean or a list of these")


def _several(value: Any) -> tuple[str, ...]:
    """Write the values of a flag that is given for each of several names: `x=2,3 w=3x4`, or a table."""
    match value:
        case dict():
            return tuple(f"{name}={_typed(one)}" for name, one in value.items())
        case str():
            return tuple(value.split())
        case list():
            return tuple(map(_typed, value))
    return (_word(value),)
