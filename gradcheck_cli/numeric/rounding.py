"""What can be the rounding of a value, and what cannot."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.arrays import epsilon, working_dtype

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.arrays import Array

#: Roundings that a value may be off, in eps of its size. Sums of 100,000 terms, one after the other, come to about 40.
#: A nonlinearity that hides below it changes a derivative by less than this many roundings.
ROUNDINGS = 64.0

#: So many elements of an array are looked at at once: a dozen such pieces fit into a processor's second level of cache.
BLOCK = 2**15

#: Of small arrays, so many elements are looked at together: forty outputs of a default case. More is hardly faster
#: (a check at (2, 3, 16, 16) * (8, 3, 3, 3): 29 ms with half of it, 20 to 25 with this and with more), and takes more
#: memory than the arrays themselves.
_TOGETHER = 2**13


def is_rounding(residue: Array, size: Array, epsilon: float) -> Array:
    """Tell for each output whether a residue can be the rounding of values that are, or came from, such a size.

    Cancellation inside a function leaves values smaller than what they were summed from, and their rounding does not
    shrink with them: so a residue may also be measured against the company of the other outputs, if by its own size
    it is at least small, a quarter of the digits down. (Against the company alone, one huge output would hide what all
    others do.)
    """
    by_size = residue <= (ROUNDINGS * epsilon) * size
    if by_size.all():
        return np.asarray(by_size)
    involved = size[size > 0]
    company = ROUNDINGS * epsilon * typical(involved)
    return np.asarray(by_size | ((residue <= company) & (residue <= epsilon**0.25 * size)))


def seen_epsilon(values: Array) -> float:
    """The epsilon of float32 where values, whatever their dtype, all are of float32, else 0.

    Sums in float32 that are stored in an array of float64 round as float32 does. Where all are of float16 too they are
    round numbers or zeros, and say nothing. That is asked where x is no number of float32 itself.
    """
    for some in (values[:64], values):  # most have one that is none among the first
        if not (some.astype(np.float32) == some).all():
            return 0.0
    return 0.0 if (values.astype(np.float16) == values).all() else epsilon(np.float32)


def typical(values: Array) -> float:
    """The root mean square of an array, NaN if it is not finite."""
    flat = values.reshape(-1).astype(working_dtype(values.dtype), copy=False)
    if not flat.size:
        return 0.0
    with np.errstate(all="ignore"):
        square = float(np.square(flat).mean())
        if 1e-200 < square < 1e200:
            return math.sqrt(square)
        largest = float(abs(flat).max())  # whose square may be beyond what a float can hold
        return largest * math.sqrt(float(np.square(flat / largest).mean())) if largest > 0 else largest


def blocks(size: int) -> Iterator[slice]:
    """Cut a flat array into pieces of 32,768."""
    return (slice(start, start + BLOCK) for start in range(0, size, BLOCK))


def looked_at_together(size: int) -> int:
    """How many arrays of that size are looked at together: 8,192 elements, and one array at least."""
    return max(1, _TOGETHER // max(1, size))


@cache  # of the same few shapes, for each colour
def tiles(shape: tuple[int, ...]) -> tuple[tuple[slice, ...], ...]:
    """Cut an array of that shape into pieces of about 32,768 elements, along as few of its first axes as need be."""
    return tuple(_tiles(shape))


def _tiles(shape: tuple[int, ...]) -> Iterator[tuple[slice, ...]]:
    if not shape:
        yield ()
        return
    first, *rest = shape
    inner = math.prod(rest)
    if inner > BLOCK:
        for i in range(first):
            for tile in _tiles(tuple(rest)):
                yield slice(i, i + 1), *tile
    else:
        count = max(1, BLOCK // max(1, inner))
        for start in range(0, first, count):
            yield slice(start, start + count), *(slice(None) for _ in rest)
