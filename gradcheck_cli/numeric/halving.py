"""A search for wrong elements by halving an array."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable


def halve(size: int, most: int, severity: Callable[[slice], float]) -> list[int]:
    """Halve an array, the part that is worst first, and return the single elements that are left: flat indices.

    Args:
        size: of the array.
        most: elements that are looked for. Each takes at most 2 (log2(size) + 1) calls of `severity`.
        severity: how wrong a part is; 0 if nothing in it is.
    """
    budget = most * 2 * math.ceil(math.log2(size) + 1)
    heap = [(-math.inf, 0, size)]
    located: list[int] = []
    while heap and len(located) < most and budget > 0:
        _, start, stop = heapq.heappop(heap)
        if stop - start == 1:
            located.append(start)
            continue
        middle = (start + stop) // 2
        for part in (slice(start, middle), slice(middle, stop)):
            budget -= 1
            if wrong := severity(part):
                heapq.heappush(heap, (-wrong, part.start, part.stop))
    return located
