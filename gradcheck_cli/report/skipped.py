"""Skipped cases, counted by reason: reasons that differ in their figures alone are one, with the range of each."""

from __future__ import annotations

import re

_FIGURE = re.compile(r"(\d+)")


class Skipped:
    """Counts reasons, and remembers no more of them than there are sentences."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, ...], int] = {}  #: by the words between figures
        self._ranges: dict[tuple[str, ...], list[tuple[int, int]]] = {}

    def add(self, reason: str) -> None:
        """Take in the reason for one case."""
        parts = _FIGURE.split(reason)
        words, figures = tuple(parts[::2]), [int(figure) for figure in parts[1::2]]
        ranges = self._ranges.get(words, [(figure, figure) for figure in figures])
        self._counts[words] = self._counts.get(words, 0) + 1
        self._ranges[words] = [
            (min(low, figure), max(high, figure)) for (low, high), figure in zip(ranges, figures, strict=True)
        ]

    def lines(self) -> list[str]:
        """Return a line for each sentence: `skipped 3: the height of 5..9 does not fit into that of 3`."""
        lines = []
        for words, count in self._counts.items():
            figures = [str(low) if low == high else f"{low}..{high}" for low, high in self._ranges[words]]
            reason = "".join(word + figure for word, figure in zip(words, [*figures, ""], strict=True))
            lines.append(f"skipped {count}: {reason}")
        return lines
