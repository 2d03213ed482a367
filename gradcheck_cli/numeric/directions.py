"""Random directions: structure-free views of a whole array."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from gradcheck_cli.arrays import signed_uniform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.arrays import Array


def random_directions(x: Array, count: int, *, seed: int = 0) -> Iterator[Array]:
    """Yield directions of x's shape and dtype: both signs, no component near zero, the same for everybody."""
    source = random.Random(seed)  # noqa: S311  # directions, not secrets
    for _ in range(count):
        yield signed_uniform(source, x.shape).astype(x.dtype)
