"""What user code returned, described in its own process, and made again for the checks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.guard.protocol import ProtocolError
from gradcheck_cli.implementation.implementation import Misshapen
from gradcheck_cli.text.clean import type_name

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array

#: Dtypes of arrays of which the form alone is described, because they hold no numbers.
_NO_NUMBERS = re.compile(r"[<>|=][OSUVMm]\d{0,4}")

#: What is described of nested tuples and lists: how deep, and items; and characters of a string.
_DEEPEST, _MOST_ITEMS, _LONGEST = 4, 1000, 10_000


class Foreign:
    """Stands in for an object of the other process; its class has the name of that object's class."""


def describe_value(value: object, arrays: list[Array], depth: int = 0) -> Any:
    """Describe what user code returned, in the process of user code; its arrays of numbers are appended to `arrays`."""
    if isinstance(value, Misshapen):
        return {"wanted": list(value.wanted), "of": describe_value(value.array, arrays, depth)}
    if isinstance(value, np.ndarray | np.generic):
        array = np.array(value, copy=None, subok=False)
        if array.dtype.kind not in "biufc":
            return {"dtype": array.dtype.str if array.dtype.names is None else "|O", "shape": list(array.shape)}
        arrays.append(array.copy())  # the next call may write into it
        return {"array": len(arrays) - 1, "scalar": isinstance(value, np.generic)}
    if value is None or value is True or value is False or (type(value) is str and len(value) < _LONGEST):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int) and abs(value) < 2**63:
        return int(value)
    if type(value) in (tuple, list) and len(value) < _MOST_ITEMS and depth < _DEEPEST:  # type: ignore[arg-type]
        several = [describe_value(each, arrays, depth + 1) for each in value]  # type: ignore[attr-defined]
        return {"tuple" if type(value) is tuple else "list": several}
    return {"type": type_name(value)}


def value_of(described: Any, arrays: Sequence[Array]) -> Any:
    """Make of a description what the checks look at.

    Raises:
        ProtocolError: it is no description.
    """
    if not isinstance(described, dict):
        return described
    try:
        match described:
            case {"array": number, "scalar": scalar}:
                return arrays[number][()] if scalar else arrays[number]
            case {"wanted": wanted, "of": of}:
                return Misshapen(value_of(of, arrays), tuple(map(int, wanted)))
            case {"tuple": several}:
                return tuple(value_of(each, arrays) for each in several)
            case {"list": several}:
                return [value_of(each, arrays) for each in several]
            case {"dtype": written, "shape": shape}:
                dtype = np.dtype(written if _NO_NUMBERS.fullmatch(written) else "O")
                return np.broadcast_to(np.zeros((), dtype), tuple(map(int, shape)))
            case {"type": name}:
                return type(name.replace("\0", "") or "object", (Foreign,), {})()
    except (ValueError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise ProtocolError(str(error)) from error
    raise ProtocolError("no description of a value")
