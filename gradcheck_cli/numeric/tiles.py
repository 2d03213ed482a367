"""Cutting arrays into tiles that fit a processor's cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

Tile = tuple[slice, ...]

#: Elements of a tile, at most: a dozen float64 tiles of this size fit a second-level cache.
TILE_SIZE = 2**15

#: Elements of small arrays that are processed as one batch: forty outputs of a default case. A check at
#: (2, 3, 16, 16) * (8, 3, 3, 3) takes 29 ms with half as many, 20 to 25 with this and with more; more would also take
#: more memory than the arrays themselves.
_BATCH_SIZE = 2**13


def arrays_per_batch(size: int) -> int:
    """Return how many arrays of `size` elements make a batch of 8,192 elements, and at least 1."""
    return max(1, _BATCH_SIZE // max(1, size))


@cache  # asked for the same few shapes once per colour
def tiles(shape: tuple[int, ...]) -> tuple[Tile, ...]:
    """Cut an array of `shape` into tiles of at most 32,768 elements, along as few of its leading axes as possible.

    Returns:
        Index tuples, one slice per axis; together they cover every element once.
    """
    return tuple(_tiles(shape))


def _tiles(shape: tuple[int, ...]) -> Iterator[Tile]:
    if not shape:
        yield ()
        return
    first, *rest = shape
    inner = math.prod(rest)
    if inner > TILE_SIZE:
        for i in range(first):
            for tile in _tiles(tuple(rest)):
                yield slice(i, i + 1), *tile
    else:
        count = max(1, TILE_SIZE // max(1, inner))
        for start in range(0, first, count):
            yield slice(start, start + count), *(slice(None) for _ in rest)
