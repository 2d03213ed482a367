"""Results as JSON and back, nothing lost: for runs that are continued. `report/json.py` is for other programs.

A result is a tree of frozen dataclasses, and their type hints say how to read it back: a new field needs nothing here.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import math
import types
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

from gradcheck_cli.layers import LAYERS
from gradcheck_cli.layers.framework.case import Case, NoCase
from gradcheck_cli.results.result import CaseResult, Place
from gradcheck_cli.results.step_sweep import Sweep

_Class = TypeVar("_Class")


def encode(value: object) -> dict[str, Any]:
    """Turn a result, a case or another tree of dataclasses into what strict JSON can hold."""
    return cast("dict[str, Any]", plain(value))


def decode(data: dict[str, Any]) -> CaseResult:
    """Make the result again that `encode` was given.

    Raises:
        ValueError, KeyError, TypeError: it did not come from there.
    """
    return read(CaseResult, data)


def read(cls: type[_Class], data: Any) -> _Class:
    """Make an instance of a class again of what `encode` made of it.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it did not come from there.
    """
    return cast("_Class", _read(cls, data))


def plain(value: Any, *, complete: bool = False) -> Any:
    """Turn a tree of dataclasses, mappings and tuples into what strict JSON can hold.

    Args:
        value: the tree. Numbers that JSON does not have become their names.
        complete: whether fields that are at their defaults are there, too.
    """
    match value:
        case Case():
            return {"layer": value.layer, **{f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}}
        case StrEnum():
            return str(value)
        case np.ndarray():
            written = io.BytesIO()
            np.save(written, value, allow_pickle=False)
            return base64.b64encode(written.getvalue()).decode()
        case Mapping():
            return {key: plain(item, complete=complete) for key, item in value.items()}
        case tuple() | list():
            return [plain(item, complete=complete) for item in value]
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
    given = ((f, getattr(value, f.name)) for f in dataclasses.fields(value))
    kept = ((f, item) for f, item in given if complete or f.default is dataclasses.MISSING or item != f.default)
    return {f.name: plain(item, complete=complete) for f, item in kept}


def _read(hint: Any, data: Any) -> Any:
    """Make of `data` what a type hint says."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return None if data is None else _read(inner, data)
    if origin is tuple:
        inner = arguments[:1] * len(data) if arguments[-1] is ... else arguments
        return tuple(_read(part, item) for part, item in zip(inner, data, strict=True))
    if origin is Mapping:
        return {key: _read(arguments[1], item) for key, item in data.items()}
    if hint is np.ndarray:
        return np.load(io.BytesIO(base64.b64decode(data)), allow_pickle=False)
    if hint is Case:
        return _case(**data)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return hint(**{name: _read(_hints(hint)[name], item) for name, item in data.items()})
    return hint(data)


def _case(*, layer: str, **numbers: Any) -> Case:
    return LAYERS[layer].case(**numbers) if layer else NoCase(**numbers)


@functools.cache
def _hints(hint: type) -> dict[str, Any]:
    hinted = {"Array": np.ndarray, "Case": Case, "Mapping": Mapping, "Place": Place, "Sweep": Sweep}
    return get_type_hints(hint, localns=hinted)
