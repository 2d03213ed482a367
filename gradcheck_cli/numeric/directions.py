"""Random directions over a whole array, without the structure that a coupling or a fault has."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from gradcheck_cli.numeric.arrays import signed_uniform

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from gradcheck_cli.numeric.arrays import Array


class DirectionalDerivative(NamedTuple):
    """<cotangent, J direction>, in the working dtype: a Python float would lose digits of a long double."""

    direction: Array  #: of x's shape and dtype
    value: np.floating[Any]
    error_bound: np.floating[Any]


def random_directions(x: Array, count: int, *, seed: int = 0) -> Iterator[Array]:
    """Yield directions of x's shape and dtype, the same on every machine.

    Components have random signs and magnitudes in [0.5, 1.5), so that none escapes notice.
    """
    source = random.Random(seed)  # noqa: S311  # directions, not secrets
    for _ in range(count):
        yield signed_uniform(source, x.shape).astype(x.dtype)
