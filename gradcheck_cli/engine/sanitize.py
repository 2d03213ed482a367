"""Results as they leave the process that computed them: plain arrays, and text that is safe to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.data.frozen import replace
from gradcheck_cli.numeric.arrays import DTYPES
from gradcheck_cli.text.clean import LONGEST_NAME, clean, clean_lines, escaped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gradcheck_cli.numeric.arrays import Array
    from gradcheck_cli.results.result import ArrayResult, CaseResult, Duty, Place

#: A path has up to 4096 bytes, and is the longest part of a name.
_LONGEST_PATH = 4096

#: Lines of a reason: most have one.
_LINES = 20


def sanitize(result: CaseResult) -> CaseResult:
    """Clean all text of a result that may come from user code, and drop all of its objects."""
    return replace(
        result,
        implementation=escaped(result.implementation, _LONGEST_PATH),
        reason=_sentence(result.reason),
        traceback=None if result.traceback is None else clean_lines(result.traceback, _LINES + 2),
        understood=None if result.understood is None else clean(result.understood),
        warnings=tuple(clean(warning) for warning in result.warnings),
        forward=result.forward and _array(result.forward),
        gradients={clean(name, LONGEST_NAME): _array(one) for name, one in result.gradients.items()},
        duties={name: _duty(duty) for name, duty in result.duties.items()},
        diagnosis=tuple(replace(cause, text=clean(cause.text)) for cause in result.diagnosis),
        place=result.place and _place(result.place),
        arrays=_plain(result.arrays),
    )


def _sentence(text: str | None) -> str | None:
    return None if text is None else clean_lines(text, _LINES, 2000)


def _duty(duty: Duty) -> Duty:
    return duty if duty.reason is None else replace(duty, reason=_sentence(duty.reason))


def _array(result: ArrayResult) -> ArrayResult:
    if result.reason is None and (result.dtype is None or result.dtype in DTYPES):
        return result  # no text is of user code, as on every pass
    return replace(
        result,
        reason=_sentence(result.reason),
        dtype=None if result.dtype is None else clean(result.dtype, LONGEST_NAME),
    )


def _place(place: Place) -> Place:
    return replace(
        place,
        file=escaped(place.file, _LONGEST_PATH),
        function=clean(place.function, LONGEST_NAME),
        statement=None if place.statement is None else clean(place.statement),
    )


def _plain(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Keep arrays of numbers, as arrays of NumPy's own class: other processes do not know another class."""
    return {name: np.array(array, subok=False) for name, array in arrays.items() if array.dtype.kind in "biufc"}
