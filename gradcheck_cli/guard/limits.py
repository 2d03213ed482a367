"""What a guarded process may take."""

from __future__ import annotations

import os
from dataclasses import dataclass

GIGABYTE = 2**30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Time for one call, and memory for all of them."""

    seconds: float = 60.0
    memory: int | None = None  #: bytes of data that the process may hold; None for half of the machine's

    @property
    def bytes(self) -> int | None:
        """The limit of memory in bytes; None where the machine does not say how much it has."""
        if self.memory is not None:
            return self.memory
        try:
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
        except (AttributeError, OSError, ValueError):
            return None

    def in_words(self) -> str:
        """The limit of memory, for a sentence."""
        return "no limit" if self.bytes is None else f"{self.bytes / GIGABYTE:.3g} GiB"
