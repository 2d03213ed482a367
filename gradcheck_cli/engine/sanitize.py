"""Results as they leave the process that computed them: plain arrays, and text that is safe to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.numeric.arrays import DTYPES
from gradcheck_cli.text.clean import LONGEST_NAME, clean, clean_lines, escaped

if TYPE_CHECKING:
    from gradcheck_cli.results.result import ArrayResult, CaseResult, Place

_Given = TypeVar("_Given")
_Made = TypeVar("_Made")

#: A path has up to 4096 bytes, and is the longest part of a name.
_LONGEST_PATH = 4096

#: Lines of a reason: most have one.
_LINES = 20


def sanitize(result: CaseResult) -> CaseResult:
    """Clean all text of a result that may come from user code, and drop all of its objects."""
    arrays = {name: array for name, array in result.arrays.items() if array.dtype.kind in "biufc"}
    return replace(
        result,
        implementation=escaped(result.implementation, _LONGEST_PATH),
        reason=_if_given(_sentence, result.reason),
        traceback=_if_given(lambda text: clean_lines(text, _LINES + 2), result.traceback),
        understood=_if_given(clean, result.understood),
        warnings=tuple(map(clean, result.warnings)),
        forward=_if_given(_array, result.forward),
        gradients={clean(name, LONGEST_NAME): _array(one) for name, one in result.gradients.items()},
        duties={
            name: replace(duty, reason=_sentence(duty.reason)) if duty.reason else duty
            for name, duty in result.duties.items()
        },
        diagnosis=tuple(replace(cause, text=clean(cause.text)) for cause in result.diagnosis),
        place=_if_given(_place, result.place),
        # Of NumPy's own class: other processes do not know another one.
        arrays={name: np.array(array, subok=False) for name, array in arrays.items()},
    )


def _if_given(function: Callable[[_Given], _Made], value: _Given | None) -> _Made | None:
    return None if value is None else function(value)


def _sentence(text: str) -> str:
    return clean_lines(text, _LINES, 2000)


def _array(result: ArrayResult) -> ArrayResult:
    if result.reason is None and (result.dtype is None or result.dtype in DTYPES):
        return result  # no text is of user code, as on every pass
    dtype = _if_given(lambda name: clean(name, LONGEST_NAME), result.dtype)
    return replace(result, reason=_if_given(_sentence, result.reason), dtype=dtype)


def _place(place: Place) -> Place:
    file, function = escaped(place.file, _LONGEST_PATH), clean(place.function, LONGEST_NAME)
    return replace(place, file=file, function=function, statement=_if_given(clean, place.statement))
