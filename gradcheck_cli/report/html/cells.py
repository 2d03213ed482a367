"""What a heat map shows of an array: all of it if it is small, else its worst part, in cells."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.results.result import Arrays

#: Elements up to which all slices of an array are shown, side by side.
_ALL = 1024

#: Rows and columns of a slice beyond which a cell stands for several elements, and columns of all slices in a row.
_ROWS, _COLUMNS = 32, 48

#: Errors of at least this share of the largest one are of the level above: decades.
_DECADES = tuple(10.0**-k for k in range(6, 0, -1))

#: The levels: 0 of what is right, 1 to 7 by decades, and one for what is not a number.
LEVELS = len(_DECADES) + 1
NOT_FINITE = LEVELS + 1


class Cells(NamedTuple):
    """The cells of a map; the arrays have the shape (slices down, slices across, rows, columns)."""

    at: Array  #: the flat index of the element that a cell shows, the worst of its block; -1 where there is no cell
    level: Array  #: of its error
    block: tuple[int, int]  #: how many elements, down and across, a cell stands for
    slice: tuple[int, ...] | None  #: the index of the only slice that is shown; None if all are
    largest: float  #: the largest finite error that is shown of a wrong element; levels are shares of it


def make_cells(arrays: Arrays, worst: int) -> Cells | None:
    """Choose what to show of an array; None of a single number, of which the table of arrays says all.

    Args:
        arrays: the array, what it should be, and where it is wrong.
        worst: flat index of the worst element.
    """
    shape, size = arrays.wrong.shape, arrays.wrong.size
    if size < 2:
        return None
    with np.errstate(all="ignore"):
        error = np.abs(arrays.analytic - arrays.numeric).reshape(-1)
    severity = np.where(arrays.wrong.reshape(-1), np.where(np.isfinite(error), error, np.inf), -1.0)
    shown, only = _choose(shape, size, worst)
    block = math.ceil(shown.shape[-2] / _ROWS), math.ceil(shown.shape[-1] / _COLUMNS)
    at = _arrange(_worst_of_blocks(shown, severity, block), shape)
    found = severity[at]
    finite = found[(at >= 0) & (found >= 0) & np.isfinite(found)]
    largest = float(finite.max()) if finite.size else 0.0
    with np.errstate(all="ignore"):
        level = np.where(found >= 0, 1 + np.searchsorted(_DECADES, found / largest, side="right"), 0)
    level[np.isinf(found)] = NOT_FINITE
    return Cells(at=at, level=level, block=block, slice=only, largest=largest)


def _choose(shape: tuple[int, ...], size: int, worst: int) -> tuple[Array, tuple[int, ...] | None]:
    """Return the flat indices of what is shown, as slices of rows and columns, and which slice it is if only one."""
    if len(shape) == 1:
        start = worst // _ALL * _ALL if size > _ALL else 0
        shown = np.arange(start, min(start + _ALL, size))
        if shown.size > _COLUMNS:  # in several rows, of which the last may be shorter
            shown = np.pad(shown, (0, -shown.size % _COLUMNS), constant_values=-1)
        return shown.reshape(1, -1, min(shown.size, _COLUMNS)), None
    everything = np.arange(size).reshape(-1, *shape[-2:])
    if size <= _ALL or len(shape) == 2:
        return everything, None
    number = worst // math.prod(shape[-2:])
    return everything[number : number + 1], tuple(int(i) for i in np.unravel_index(number, shape[:-2]))


def _worst_of_blocks(shown: Array, severity: Array, block: tuple[int, int]) -> Array:
    """Return the flat index of the worst element of each block."""
    if block == (1, 1):
        return shown
    down, across = block
    count, rows, columns = shown.shape
    padded = np.pad(shown, [(0, 0), (0, -rows % down), (0, -columns % across)], constant_values=-1)
    blocks = padded.reshape(count, padded.shape[1] // down, down, -1, across).swapaxes(2, 3)
    flat = blocks.reshape(*blocks.shape[:3], down * across)
    ranked = np.where(flat < 0, -2.0, severity[flat])
    return np.take_along_axis(flat, ranked.argmax(axis=-1)[..., None], axis=-1)[..., 0]


def _arrange(slices: Array, shape: tuple[int, ...]) -> Array:
    """Put slices side by side: along the first two axes of an array of four, else in as many rows as it takes."""
    count, rows, columns = slices.shape
    across = max(1, _COLUMNS // (columns + 1))
    if len(shape) == 4 and count == shape[0] * shape[1] and shape[1] <= across:
        across = shape[1]
    across = min(across, count)
    padded = np.pad(slices, [(0, -count % across), (0, 0), (0, 0)], constant_values=-1)
    return padded.reshape(-1, across, rows, columns)
