"""Exponentials that overflow: what a layer says whose scores are not lowered by their largest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradcheck_cli.layers.framework.fault import Overflow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gradcheck_cli.numeric.arrays import Array


def exp_overflow(x: Array, harmless: str) -> Iterator[Overflow]:
    """Yield the cause if exp of some scores is infinite, or 0 for all scores of a row.

    Args:
        x: scores (R, C) in the dtype under test.
        harmless: what subtracting the largest score of a row leaves as it is, as the end of a sentence.
    """
    with np.errstate(all="ignore"):
        exps = np.exp(x)
        overflows = np.isinf(exps).any() or (exps.sum(axis=1) == 0).any()
    if overflows:
        yield Overflow(
            code="exp-overflow",
            cause=f"exp overflows or underflows in {x.dtype}: the largest score is not subtracted.",
            remedy=f"Subtract the largest score of each sample before exp: {harmless}.",
        )
