"""A picture of where an array is wrong, small enough for a terminal."""

from __future__ import annotations

import math

import numpy as np

from gradcheck_cli.numeric.arrays import Array
from gradcheck_cli.results.result import Picture

#: Rows and columns of a picture. In a terminal of 80 columns two of them fit side by side.
LARGEST = (16, 32)

#: Errors of at least this share of the largest one are of the level above: tenths, so that a shifted row (as wrong as
#: its neighbours) differs from what leaks past it.
_LEVELS = (1e-3, 1e-2, 1e-1)


def draw(wrong: Array, error: Array, worst: int) -> Picture | None:
    """Draw the slice that holds the worst element; return None where a picture says nothing: all of it is wrong.

    Args:
        wrong: which elements are wrong, bool.
        error: how wrong they are, of the same shape.
        worst: flat index of the worst element.
    """
    shape = wrong.shape
    if not wrong.any() or not shape:
        return None
    plane = shape[-2:] if len(shape) > 1 else (1, *shape)
    at = worst // math.prod(plane)
    mask, size = wrong.reshape(-1, *plane)[at], error.reshape(-1, *plane)[at]
    if mask.all():
        return None
    levels = np.where(mask, 1 + np.searchsorted(_LEVELS, size / size[mask].max(), side="right"), 0)
    block = tuple(-(-count // largest) for count, largest in zip(plane, LARGEST, strict=True))
    padded = np.pad(levels, [(0, -count % step) for count, step in zip(plane, block, strict=True)])
    coarse = padded.reshape(padded.shape[0] // block[0], block[0], -1, block[1]).max(axis=(1, 3))
    return Picture(
        index=tuple(int(i) for i in np.unravel_index(at, shape[:-2])) if len(shape) > 2 else (),
        levels=tuple(tuple(int(level) for level in row) for row in coarse),
        block=(block[0], block[1]),
    )
