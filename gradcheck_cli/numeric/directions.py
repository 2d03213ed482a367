"""Random directions over a whole array, without the structure that a coupling or a fault has."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from gradcheck_cli.data.drawing import signed_uniform

if TYPE_CHECKING:
    import numpy as np

    from gradcheck_cli.numeric.arrays import Array


#: Elements of arrays whose directions are remembered: all together take 8 MB at most.
FEW = 2**12


class DirectionalDerivative(NamedTuple):
    """<cotangent, J direction>, in the working dtype: a Python float would lose digits of a long double."""

    direction: Array  #: of x's shape and dtype
    value: np.floating[Any]
    error_bound: np.floating[Any]


def random_directions(x: Array, count: int, *, seed: int = 0) -> tuple[Array, ...]:
    """Return directions of x's shape and dtype, the same on every machine.

    Components have random signs and magnitudes in [0.5, 1.5), so that none escapes notice.
    """
    draw = _drawn_before if x.size <= FEW else _draw
    return draw(x.shape, x.dtype, count, seed)


def _draw(shape: tuple[int, ...], dtype: np.dtype[Any], count: int, seed: int) -> tuple[Array, ...]:
    source = random.Random(seed)  # noqa: S311  # directions, not secrets
    directions = tuple(signed_uniform(source, shape).astype(dtype) for _ in range(count))
    for direction in directions:
        direction.setflags(write=False)
    return directions


_drawn_before = lru_cache(maxsize=64)(_draw)  # drawing them for each small case anew takes 2 % of its time
