"""The global random generators of Python and NumPy, from which code under test may draw."""

from __future__ import annotations

import random

import numpy as np

#: How many seeds NumPy's global generator has.
_SEEDS = 2**32


def seed_generators(seed: int) -> None:
    """Seed both."""
    random.seed(seed)
    np.random.seed(seed % _SEEDS)  # noqa: NPY002


def has_drawn(seed: int) -> bool:
    """Tell whether numbers were drawn since both were seeded so. They are left as they are after seeding."""
    drawn = _next_draws()
    seed_generators(seed)
    drawn_first = _next_draws()
    seed_generators(seed)
    return drawn != drawn_first


def _next_draws() -> tuple[float, float]:
    return random.random(), np.random.random()  # noqa: NPY002, S311  # to see whether something was drawn
