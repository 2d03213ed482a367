"""The global random generators of Python, NumPy and PyTorch, from which code under test may draw."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

#: How many seeds NumPy's global generator has.
_SEEDS = 2**32


def seed_generators(seed: int) -> None:
    """Seed all of them."""
    random.seed(seed)
    np.random.seed(seed % _SEEDS)  # noqa: NPY002
    if torch := _torch():
        torch.manual_seed(seed % _SEEDS)


def keep_generators() -> Callable[[], None]:
    """Return what puts all of them back to where they are now."""
    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002  # theirs, not ours
    torch = _torch()
    torch_state = torch.get_rng_state() if torch else None

    def put_back() -> None:
        random.setstate(state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        if torch:
            torch.set_rng_state(torch_state)

    return put_back


def has_drawn(seed: int) -> bool:
    """Tell whether numbers were drawn since all were seeded so. They are left as they are after seeding."""
    drawn = _next_draws()
    seed_generators(seed)
    drawn_first = _next_draws()
    seed_generators(seed)
    return drawn != drawn_first


def _next_draws() -> tuple[float, ...]:
    torch = _torch()
    draws = random.random(), np.random.random()  # noqa: NPY002, S311  # to see whether something was drawn
    return (*draws, float(torch.rand(()))) if torch else draws


def _torch() -> Any:
    """Return PyTorch where it is loaded completely; None otherwise."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "manual_seed") else None
