"""The small problems on which a layer's readings are tried."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gradcheck_cli.layers import LAYERS

if TYPE_CHECKING:
    from gradcheck_cli.layers.framework.problem import Problem


@cache
def probe_problems(layer: str) -> tuple[Problem, ...]:
    """Make the problems on which readings of a layer are tried."""
    return tuple(LAYERS[layer].problem(case) for case in LAYERS[layer].probe_cases)
