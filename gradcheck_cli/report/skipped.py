"""Skipped cases, counted by reason: reasons that differ in their figures alone are one, with the range of each."""

from __future__ import annotations

import re
from collections import Counter

_FIGURE = re.compile(r"(\d+(?:\.\d+)?(?:e-?\d+)?)")


class Skipped:
    """Counts reasons, and keeps no more of them than there are sentences."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, ...]] = Counter()  # by the words between figures
        self._ranges: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}  # the least and the largest figures

    def add(self, reason: str) -> None:
        """Add the reason for one case."""
        parts = _FIGURE.split(reason)
        words, figures = tuple(parts[::2]), parts[1::2]
        least, largest = self._ranges.get(words, (figures, figures))
        self._counts[words] += 1
        self._ranges[words] = (
            [min(pair, key=float) for pair in zip(least, figures, strict=True)],
            [max(pair, key=float) for pair in zip(largest, figures, strict=True)],
        )

    def lines(self) -> list[str]:
        """Return a line for each sentence: `skipped 3: the height of 5..9 does not fit into that of 3`."""
        lines = []
        for words, (least, largest) in self._ranges.items():
            figures = [low if low == high else f"{low}..{high}" for low, high in zip(least, largest, strict=True)]
            reason = "".join(word + figure for word, figure in zip(words, [*figures, ""], strict=True))
            lines.append(f"skipped {self._counts[words]}: {reason}")
        return lines
