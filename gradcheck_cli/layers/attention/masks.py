"""Which keys each query may see: all, those up to its own step, or some that are drawn."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck_cli.layers.framework.words import choice

if TYPE_CHECKING:
    from gradcheck_cli.numeric.arrays import Array


def mask() -> Any:
    """Declare the mask of a case."""
    return choice("none", "which keys a query sees: all, those up to its own step, or some", "causal", "drawn")


def mask_of(kind: str, queries: int, keys: int, seed: int) -> Array | None:
    """Return a mask (T, S), True where a query sees a key; None where all see all. Each query sees at least one key."""
    if kind == "none":
        return None
    if kind == "causal":
        return np.tril(np.ones((queries, keys), bool))
    source = random.Random(f"{seed} mask")  # noqa: S311  # no secrets
    seen = np.array([source.random() < 0.6 for _ in range(queries * keys)]).reshape(queries, keys)
    seen[np.arange(queries), [source.randrange(keys) for _ in range(queries)]] = True
    return seen


def some_query_sees_several(case: Any) -> bool:
    """Tell whether scores matter: a query that sees one key has its value, whatever the score is."""
    seen = mask_of(case.mask, case.T, case.S, case.seed)
    return case.S > 1 if seen is None else bool((seen.sum(axis=1) > 1).any())
