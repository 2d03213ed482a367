"""Tiles: every element once, and none larger than a cache."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck_cli.numeric.tiles import tiles


@pytest.mark.parametrize(
    "shape", [(), (0,), (3,), (100_000,), (7, 5), (300, 40_000), (2, 3, 70_000), (1, 64, 112, 112), (5, 0, 3)]
)
def test_tiles_cover_every_element_once_and_fit_a_cache(shape: tuple[int, ...]) -> None:
    seen = np.zeros(shape, int)
    for tile in tiles(shape):
        seen[tile] += 1
        assert seen[tile].size <= 2**15
    assert (seen == 1).all()
