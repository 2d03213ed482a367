"""What can be rounding, and how arrays are cut into pieces that fit a cache."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck_cli.numeric.rounding import blocks, tiles


@pytest.mark.parametrize(
    "shape", [(), (0,), (3,), (100_000,), (7, 5), (300, 40_000), (2, 3, 70_000), (1, 64, 112, 112), (5, 0, 3)]
)
def test_tiles_cover_every_element_once_and_fit_a_cache(shape: tuple[int, ...]) -> None:
    seen = np.zeros(shape, int)
    for tile in tiles(shape):
        seen[tile] += 1
        assert seen[tile].size <= 2**15
    assert (seen == 1).all()


def test_blocks_cover_every_element_once() -> None:
    seen = np.zeros(100_001, int)
    for block in blocks(seen.size):
        seen[block] += 1
    assert (seen == 1).all()
